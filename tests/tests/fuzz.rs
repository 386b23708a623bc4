//! The inputs that searches began with or found, and a few hundred new ones, are read as
//! they should be, and stages treat a few dozen broken files as they should. `make fuzz`
//! goes on from there.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use apo_tests::fuzz::campaign::Campaign;
use apo_tests::fuzz::{TARGETS, Target, mutate};
use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

/// Number of new inputs for each target.
const FRESH: u64 = 200;

/// Number of new cases of stages.
const CASES: u64 = 60;

/// Maximum time for an input.
const PATIENCE: Duration = Duration::from_secs(10);

/// The two tests take turns: a program that is being started holds this process's files
/// for a moment, and with them the locks of journals.
static TURN: Mutex<()> = Mutex::new(());

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(target.corpus()).expect("each target has a corpus");
    let mut paths: Vec<_> = entries.flatten().map(|it| it.path()).collect();
    paths.sort();
    let read = |path| fs::read(path).expect("the corpus can be read");
    paths.into_iter().map(read).collect()
}

fn read(target: &Target, bytes: &[u8]) -> String {
    let since = Instant::now();
    let answer = (target.run)(bytes);
    let took = since.elapsed();
    assert!(took < PATIENCE, "{}: {took:?} for {bytes:?}", target.name);
    answer
}

#[test]
fn all_inputs_that_were_found_and_fresh_ones_are_read_as_they_should_be() {
    let _turn = TURN.lock();
    for target in TARGETS {
        let corpus = corpus(&target);
        assert!(!corpus.is_empty(), "{} has inputs", target.name);
        let mut answers: Vec<String> = corpus.iter().map(|it| read(&target, it)).collect();
        for seed in 0..FRESH {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let [one, other] = [0, 1].map(|_| corpus.choose(&mut rng).expect("it is not empty"));
            let changed = mutate::mutate(&mut rng, target.kind, one, other);
            answers.push(read(&target, &changed));
        }
        answers.sort();
        answers.dedup();
        assert!(
            answers.len() > 3,
            "{} tells inputs apart: {answers:?}",
            target.name
        );
    }
}

#[test]
fn stages_end_well_or_say_what_is_wrong_with_broken_inputs() {
    let _turn = TURN.lock();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-stages");
    let campaign = Campaign::new(&dir);
    let mut wrong = Vec::new();
    for number in 0..CASES {
        let case = campaign.case(0, number);
        let outcome = case.run(&dir.join("case"));
        if let Some(found) = outcome.wrong {
            wrong.push(format!(
                "{}, {number}: {found}\n{}",
                case.line(),
                outcome.stderr
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
