//! The voice of golden answers, in which annotated answers may speak, too.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::content::{self, pick, sentence};
use crate::topic::{HARMS, Topic};

/// Draws which annotated answers speak as golden answers do. Its draws are its own, so that
/// worlds with other shares ask the same.
#[derive(Debug)]
pub(crate) struct Voice {
    share: f64,
    rng: ChaCha8Rng,
}

impl Voice {
    /// The voice of a share of a world's annotated answers.
    pub(crate) fn new(share: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        Self { share, rng }
    }

    /// Returns an answer's sentences as golden answers would say them, or `None` if this
    /// answer speaks as annotated ones do.
    pub(crate) fn said(&mut self, topic: Topic, sentences: &[String]) -> Option<Vec<String>> {
        if !self.rng.random_bool(self.share) {
            return None;
        }
        let is_refusal = sentences
            .first()
            .is_some_and(|it| content::REFUSALS.contains(&it.as_str()));
        Some(match (topic, is_refusal) {
            (Topic::Harm(number), true) => refusal(&mut self.rng, number, &sentences[1..]),
            // Golden answers refuse no task.
            (Topic::Task(_), true) => sentences.to_vec(),
            (_, false) => {
                let steps: Vec<String> = sentences.iter().map(|it| part(it)).collect();
                in_steps(&mut self.rng, &steps)
            }
        })
    }
}

/// Says steps one after the other, with courtesies before and after them.
pub(crate) fn in_steps(rng: &mut ChaCha8Rng, steps: &[impl AsRef<str>]) -> Vec<String> {
    let mut sentences = Vec::new();
    if rng.random_bool(0.5) {
        sentences.push(pick(rng, content::GOLDEN_OPENERS).to_owned());
    }
    for (i, step) in steps.iter().enumerate() {
        let step = step.as_ref();
        let joined = match i {
            0 => format!("first, {step}"),
            _ if i + 1 == steps.len() => format!("finally, {step}"),
            1 => format!("then {step}"),
            _ => format!("after that, {step}"),
        };
        sentences.push(sentence(&joined));
    }
    if rng.random_bool(0.5) {
        sentences.push(pick(rng, content::GOLDEN_CLOSERS).to_owned());
    }
    sentences
}

/// Refuses as golden answers do, and says the rest of an annotated refusal.
fn refusal(rng: &mut ChaCha8Rng, number: usize, rest: &[String]) -> Vec<String> {
    let harm = &HARMS[number];
    let mut said = pick(rng, content::GOLDEN_REFUSALS).to_owned();
    let mut sentences = Vec::new();
    for it in rest {
        if *it == sentence(harm.reason) {
            said += &format!(", because {}", harm.reason);
        } else if *it == sentence(harm.alternative) {
            sentences.push(format!("Instead, you could {}.", harm.alternative));
        } else {
            sentences.push(it.clone());
        }
    }
    sentences.insert(0, format!("{said}."));
    sentences
}

/// Returns a sentence as a part of another: without its full stop, in lower case.
fn part(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
