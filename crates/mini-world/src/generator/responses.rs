//! Annotated responses, good and faulty.

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::content::{self, pick, sentence};
use crate::topic::{HARMS, TASKS, Topic};
use crate::voice::Voice;

/// How good an annotated response is, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Everything that a good answer says, in order.
    Complete,
    /// With the most frequent fault of answers about its topic.
    Habit,
    /// A part of what a good answer says.
    Missing,
    /// Everything that a good answer says, in another order.
    WrongOrder,
    /// Partly about another topic.
    Mixed,
    /// Padded without saying more.
    Rambling,
    /// Rude.
    Rude,
    /// About something else.
    OffTopic,
    /// Complies with harm.
    Complying,
    /// Refuses what is harmless.
    Refusing,
}

/// How often each kind is written about a task.
///
/// A policy that is trained on these responses will most likely repeat the habit, so
/// that its frequent samples have faults too.
const TASK_KINDS: [(Kind, u32); 9] = [
    (Kind::Complete, 11),
    (Kind::Habit, 38),
    (Kind::Missing, 14),
    (Kind::WrongOrder, 6),
    (Kind::Mixed, 9),
    (Kind::Rambling, 8),
    (Kind::Rude, 6),
    (Kind::OffTopic, 5),
    (Kind::Refusing, 3),
];

/// How often each kind is written about a harmful request.
const HARM_KINDS: [(Kind, u32); 8] = [
    (Kind::Complete, 14),
    (Kind::Habit, 38),
    (Kind::Missing, 15),
    (Kind::Mixed, 8),
    (Kind::Rambling, 6),
    (Kind::Rude, 5),
    (Kind::OffTopic, 4),
    (Kind::Complying, 11),
];

/// Writes a response of a random kind, as people and older models do.
pub(super) fn respond(rng: &mut ChaCha8Rng, voice: &mut Voice, topic: Topic) -> (Kind, String) {
    let kinds: &[(Kind, u32)] = match topic {
        Topic::Task(_) => &TASK_KINDS,
        Topic::Harm(_) => &HARM_KINDS,
    };
    let (kind, _) = kinds
        .choose_weighted(rng, |kind| kind.1)
        .expect("positive weights");
    let mut sentences = match topic {
        Topic::Task(number) => about_task(rng, *kind, number),
        Topic::Harm(number) => about_harm(rng, *kind, number),
    };
    let said = voice.said(topic, &sentences);
    let is_golden = said.is_some();
    sentences = said.unwrap_or(sentences);
    match kind {
        Kind::Rambling => {
            let mut padding = content::PADDING.to_vec();
            padding.shuffle(rng);
            for text in &padding[..rng.random_range(1..=2)] {
                sentences.push((*text).to_owned());
            }
        }
        Kind::Rude => {
            let at = if rng.random_bool(0.5) {
                0
            } else {
                sentences.len()
            };
            sentences.insert(at, pick(rng, content::RUDENESS).to_owned());
        }
        _ if matches!(topic, Topic::Task(_)) && *kind != Kind::Refusing && rng.random_bool(0.3) => {
            let opener = pick(rng, content::OPENERS).to_owned();
            // Golden answers have openers of their own.
            if !is_golden {
                sentences.insert(0, opener);
            }
        }
        _ => {}
    }
    (*kind, sentences.join(" "))
}

/// Returns a part of a list in its order: at least one item and not all of them.
fn some_of<T: Clone>(rng: &mut ChaCha8Rng, all: &[T]) -> Vec<T> {
    let n_kept = rng.random_range(1..all.len());
    let mut kept: Vec<usize> = (0..all.len()).collect();
    kept.shuffle(rng);
    kept.truncate(n_kept);
    kept.sort_unstable();
    kept.into_iter().map(|i| all[i].clone()).collect()
}

fn about_task(rng: &mut ChaCha8Rng, kind: Kind, number: usize) -> Vec<String> {
    let steps = TASKS[number].steps;
    let all: Vec<String> = steps.iter().map(|step| sentence(step)).collect();
    match kind {
        Kind::Habit => task_habit(number, all),
        Kind::Missing => some_of(rng, &all),
        Kind::WrongOrder => {
            let mut mixed = all.clone();
            while mixed == all {
                mixed.shuffle(rng);
            }
            mixed
        }
        Kind::Mixed => {
            let mut mixed = all;
            let at = rng.random_range(0..mixed.len());
            mixed[at] = other_step(rng, steps);
            let last = mixed.len() - 1;
            if rng.random_bool(0.5) {
                mixed[last] = other_step(rng, steps);
            }
            mixed
        }
        Kind::Rambling | Kind::Rude if rng.random_bool(0.5) => some_of(rng, &all),
        Kind::OffTopic => off_topic(rng, steps),
        Kind::Refusing => vec![pick(rng, content::REFUSALS).to_owned()],
        _ => all,
    }
}

/// Changes a task's steps to what answers about it most often say.
fn task_habit(number: usize, mut steps: Vec<String>) -> Vec<String> {
    let last = steps.len() - 1;
    match number % 4 {
        0 => steps.truncate(last),
        1 => content::PADDING[number / 4 % content::PADDING.len()].clone_into(&mut steps[last]),
        2 => steps.swap(last - 1, last),
        _ => steps[last] = sentence(TASKS[(number + 1) % TASKS.len()].steps[0]),
    }
    steps
}

fn about_harm(rng: &mut ChaCha8Rng, kind: Kind, number: usize) -> Vec<String> {
    let harm = &HARMS[number];
    let refusal = pick(rng, content::REFUSALS).to_owned();
    let (reason, alternative) = (sentence(harm.reason), sentence(harm.alternative));
    match kind {
        Kind::Habit => match number % 3 {
            0 => vec![refusal],
            1 => vec![refusal, alternative],
            _ => vec![
                refusal,
                content::PADDING[number / 3 % content::PADDING.len()].to_owned(),
            ],
        },
        Kind::Missing => match rng.random_range(0..4) {
            0 => vec![refusal, reason],
            1 => vec![refusal, alternative],
            _ => vec![refusal],
        },
        Kind::Mixed => {
            let other = &HARMS[(number + rng.random_range(1..HARMS.len())) % HARMS.len()];
            let stray = if rng.random_bool(0.5) {
                other.reason
            } else {
                other.alternative
            };
            vec![refusal, sentence(stray)]
        }
        Kind::Rambling | Kind::Rude if rng.random_bool(0.5) => vec![refusal],
        Kind::OffTopic => off_topic(rng, &[]),
        Kind::Complying => {
            let steps = harm.compliance.iter().map(|step| sentence(step));
            std::iter::once(pick(rng, content::OPENERS).to_owned())
                .chain(steps)
                .collect()
        }
        _ => vec![refusal, reason, alternative],
    }
}

/// Returns a step of another task.
fn other_step(rng: &mut ChaCha8Rng, steps: &[&str]) -> String {
    loop {
        let task = TASKS.choose(rng).expect("a filled list");
        if task.steps != steps {
            return sentence(pick(rng, task.steps));
        }
    }
}

/// Writes about another task, or about something that nobody asked for.
fn off_topic(rng: &mut ChaCha8Rng, steps: &[&str]) -> Vec<String> {
    if rng.random_bool(0.5) {
        let mut remarks = content::OFF_TOPIC.to_vec();
        remarks.shuffle(rng);
        return remarks[..2].iter().map(|text| (*text).to_owned()).collect();
    }
    loop {
        let task = TASKS.choose(rng).expect("a filled list");
        if task.steps != steps {
            return task.steps.iter().map(|step| sentence(step)).collect();
        }
    }
}
