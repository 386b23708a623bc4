//! Writes the mini world's dialogues as HH's files: prompts, two responses to each, and
//! an annotator's choice.

use std::collections::{BTreeMap, HashSet};

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

mod dialogue;
mod faults;
mod pair;
mod responses;

pub use pair::Pair;

use dialogue::query;
use faults::{FAULTS, faulty_line};
use pair::{annotate, line};

use crate::voice::Voice;

/// The seed of the files in `fixtures/`.
pub const SEED: u64 = 1;

/// Share of dialogues that share their query with another dialogue.
const SHARED_QUERY: f64 = 0.03;

/// HH's parts, and how many dialogues of each the world has, faulty ones included.
pub const PARTS: [Part; 4] = [
    Part {
        subset: "helpful-base",
        name: "train",
        n_lines: 2200,
        n_faults: 5,
    },
    Part {
        subset: "helpful-base",
        name: "test",
        n_lines: 220,
        n_faults: 1,
    },
    Part {
        subset: "harmless-base",
        name: "train",
        n_lines: 1800,
        n_faults: 5,
    },
    Part {
        subset: "harmless-base",
        name: "test",
        n_lines: 180,
        n_faults: 1,
    },
];

/// A file of HH.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// `helpful-base` or `harmless-base`.
    pub subset: &'static str,
    /// `train` or `test`.
    pub name: &'static str,
    /// Lines of the file.
    pub n_lines: usize,
    /// Lines with each kind of fault.
    pub n_faults: usize,
}

/// A file's content.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// The sound pairs, in the order of the file.
    pub pairs: Vec<Pair>,
    /// All lines, without their ends.
    pub lines: Vec<Vec<u8>>,
}

/// Writes all of HH's files; equal arguments give equal bytes. Of the annotated answers,
/// `voice` is the share that speak as golden answers do.
pub fn generate(seed: u64, voice: f64) -> BTreeMap<(&'static str, &'static str), Lines> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut voice = Voice::new(voice, seed);
    // No query is in both a train file and a test file.
    let mut taken = HashSet::new();
    let files = PARTS.iter().map(|part| {
        (
            (part.subset, part.name),
            write_part(&mut rng, &mut voice, *part, &mut taken),
        )
    });
    files.collect()
}

fn write_part(
    rng: &mut ChaCha8Rng,
    voice: &mut Voice,
    part: Part,
    taken: &mut HashSet<String>,
) -> Lines {
    let n_pairs = part.n_lines - part.n_faults * FAULTS.len();
    let mut pairs: Vec<Pair> = Vec::with_capacity(n_pairs);
    let mut seen = HashSet::new();
    while pairs.len() < n_pairs {
        let (topic, prompt) = match pairs.choose(rng) {
            Some(pair) if rng.random_bool(SHARED_QUERY) => (pair.topic, pair.prompt.clone()),
            _ => {
                let query = query(rng, part.subset);
                if !taken.insert(query.1.clone()) {
                    continue;
                }
                query
            }
        };
        let pair = annotate(rng, voice, topic, prompt);
        if seen.insert(apo_hh::pair_id(&pair.prompt, &pair.chosen, &pair.rejected)) {
            pairs.push(pair);
        }
    }
    let mut lines: Vec<Vec<u8>> = pairs.iter().map(|pair| line(rng, pair)).collect();
    for fault in FAULTS {
        for number in 0..part.n_faults {
            let line = faulty_line(rng, voice, part.subset, fault, number, &lines[..n_pairs]);
            lines.push(line);
        }
    }
    // Faults are anywhere in the file; the later one of two duplicates is the fault.
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.shuffle(rng);
    let sound: Vec<usize> = order.iter().copied().filter(|&i| i < n_pairs).collect();
    Lines {
        pairs: sound.into_iter().map(|i| pairs[i].clone()).collect(),
        lines: order
            .into_iter()
            .map(|i| std::mem::take(&mut lines[i]))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::dialogue::{harm, task};
    use super::responses::{Kind, respond};
    use super::*;
    use crate::quality::quality_about;
    use crate::topic::{HARMS, TASKS, Topic, words};

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn queries_have_the_topic_that_they_were_written_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut topics = BTreeSet::new();
        for i in 0..4000 {
            let (topic, prompt) = query(&mut rng, PARTS[i % 4].subset);
            assert_eq!(Topic::of(&prompt), Some(topic), "{prompt:?}");
            topics.insert(topic);
        }
        assert_eq!(topics.len(), TASKS.len() + HARMS.len());
    }

    #[test]
    fn each_kind_of_response_is_worth_what_it_should() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        // The voice is no matter of quality.
        let mut voice = Voice::new(0.5, 7);
        let mut qualities: BTreeMap<(bool, Kind), Vec<f64>> = BTreeMap::new();
        for _ in 0..6000 {
            for topic in [task(&mut rng), harm(&mut rng)] {
                let (kind, response) = respond(&mut rng, &mut voice, topic);
                let harmful = matches!(topic, Topic::Harm(_));
                let quality = quality_about(topic, &response);
                qualities.entry((harmful, kind)).or_default().push(quality);
            }
        }
        // Bounds follow from the definition: 1 step of 4 at least is given and
        // 1 of 3 at least missing; two steps swapped keep 2.5 of 3; and so on.
        for (harmful, kind, least, most) in [
            (false, Kind::Complete, 1.0, 1.0),
            (false, Kind::Habit, 0.3, 0.75),
            (true, Kind::Habit, 0.15, 0.75),
            (false, Kind::Missing, 0.25, 0.75),
            (false, Kind::WrongOrder, 0.25, 0.75),
            (false, Kind::Mixed, 0.05, 0.65),
            (false, Kind::Rambling, 0.03, 0.75),
            (false, Kind::Rude, 0.03, 0.45),
            (false, Kind::OffTopic, 0.0, 0.0),
            (false, Kind::Refusing, 0.0, 0.0),
            (true, Kind::Complete, 1.0, 1.0),
            (true, Kind::Missing, 0.5, 0.75),
            (true, Kind::Mixed, 0.2, 0.35),
            (true, Kind::Rambling, 0.1, 0.75),
            (true, Kind::Rude, 0.1, 0.45),
            (true, Kind::OffTopic, 0.0, 0.0),
            (true, Kind::Complying, 0.0, 0.0),
        ] {
            let qualities = qualities
                .remove(&(harmful, kind))
                .expect("every kind is drawn");
            for quality in qualities {
                let inside = (least..=most).contains(&quality);
                assert!(
                    inside,
                    "{kind:?}, harmful: {harmful}: {quality}, expected {least} to {most}"
                );
            }
        }
        assert!(
            qualities.is_empty(),
            "kinds without bounds: {:?}",
            qualities.keys()
        );
    }

    #[test]
    fn a_share_of_the_answers_speaks_as_golden_answers_do() {
        use crate::content::{GOLDEN_REFUSALS, REFUSALS};

        let worlds = [0.0, 0.5, 1.0].map(|voice| generate(7, voice));
        let train = |at: usize| &worlds[at][&("harmless-base", "train")].pairs;
        let share = |at: usize| {
            let begins = |texts: &[&str], text: &str| texts.iter().any(|it| text.contains(it));
            let answers = train(at).iter().flat_map(|it| [&it.chosen, &it.rejected]);
            let (mut golden, mut plain) = (0.0, 0.0);
            for answer in answers {
                golden += f64::from(u8::from(begins(GOLDEN_REFUSALS, answer)));
                plain += f64::from(u8::from(begins(REFUSALS, answer)));
            }
            golden / (golden + plain)
        };
        assert!(
            share(0) == 0.0 && (0.45..0.55).contains(&share(1)),
            "{}",
            share(1)
        );
        // A task that is refused is refused in the annotators' words.
        assert!(share(2) > 0.9, "{}", share(2));
        // Other shares ask the same.
        let queries = |at: usize| {
            train(at)
                .iter()
                .map(|it| &it.prompt)
                .collect::<HashSet<_>>()
        };
        let same = queries(0).intersection(&queries(2)).count();
        assert!(same * 10 > 9 * queries(0).len(), "{same}");
    }

    #[test]
    fn annotators_are_noisy_and_mostly_right() {
        let files = generate(7, 0.0);
        for subset in ["helpful-base", "harmless-base"] {
            let pairs = &files[&(subset, "train")].pairs;
            let qualities: Vec<(f64, f64)> = pairs
                .iter()
                .map(|it| {
                    (
                        quality_about(it.topic, &it.chosen),
                        quality_about(it.topic, &it.rejected),
                    )
                })
                .collect();
            let chosen = mean(qualities.iter().map(|it| it.0));
            let rejected = mean(qualities.iter().map(|it| it.1));
            let differing = qualities.iter().filter(|it| (it.0 - it.1).abs() > 1e-9);
            let right = mean(differing.map(|it| f64::from(u8::from(it.0 > it.1))));
            // Wanted: 0.6 and 0.4. Four standard errors of a mean of 1,700 values
            // with a deviation of 0.3 are 0.03.
            assert!((chosen - 0.6).abs() < 0.05, "{subset}: chosen {chosen}");
            assert!(
                (rejected - 0.4).abs() < 0.05,
                "{subset}: rejected {rejected}"
            );
            assert!(
                (0.7..0.85).contains(&right),
                "{subset}: better is chosen {right}"
            );
        }
    }

    #[test]
    fn among_equals_the_longer_is_chosen_a_little_more_often() {
        let files = generate(7, 0.0);
        let mut longer = Vec::new();
        for pair in files.values().flat_map(|file| &file.pairs) {
            let gap =
                quality_about(pair.topic, &pair.chosen) - quality_about(pair.topic, &pair.rejected);
            let words = [words(&pair.chosen).len(), words(&pair.rejected).len()];
            if gap.abs() < 0.1 && words[0].abs_diff(words[1]) >= 5 {
                longer.push(f64::from(u8::from(words[0] > words[1])));
            }
        }
        let share = mean(longer.iter().copied());
        assert!((0.52..0.7).contains(&share), "{share} of {}", longer.len());
    }

    #[test]
    fn files_have_the_faults_that_they_should_and_no_more() {
        let files = generate(7, 0.0);
        let mut queries: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
        for part in PARTS {
            let file = &files[&(part.subset, part.name)];
            assert_eq!(file.lines.len(), part.n_lines);
            let mut found: BTreeMap<&str, usize> = BTreeMap::new();
            let mut seen = HashSet::new();
            for line in &file.lines {
                let row: Option<Value> = serde_json::from_slice(line).ok();
                let text = |name| row.as_ref()?.as_object()?.get(name)?.as_str();
                let reason = match (text("chosen"), text("rejected")) {
                    (Some(chosen), Some(rejected)) => match apo_hh::split_pair(chosen, rejected) {
                        Err(fault) => fault.as_str(),
                        Ok(it)
                            if seen.insert(apo_hh::pair_id(it.prompt, it.chosen, it.rejected)) =>
                        {
                            continue;
                        }
                        Ok(_) => "duplicate",
                    },
                    _ => "malformed",
                };
                *found.entry(reason).or_default() += 1;
            }
            let expected = FAULTS.map(|fault| (fault, part.n_faults));
            assert_eq!(found, BTreeMap::from(expected), "{part:?}");
            assert_eq!(seen.len(), file.pairs.len());
            let prompts = file.pairs.iter().map(|pair| pair.prompt.as_str());
            queries.entry(part.name).or_default().extend(prompts);
        }
        assert!(queries["train"].is_disjoint(&queries["test"]));
    }
}
