//! Pairs of responses, an annotator's choice between them, and their lines.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::responses::respond;
use crate::quality::quality_about;
use crate::topic::{Topic, words};
use crate::voice::Voice;

/// An annotator prefers the first of two responses with probability
/// σ((q₁ − q₂)/τ + [`LENGTH_LIKING`] · (words₁ − words₂)); this is τ.
const TAU: f64 = 0.35;

/// How much an annotator likes one more word, in logits.
const LENGTH_LIKING: f64 = 0.03;

/// A pair with an annotator's choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// What the prompt asks.
    pub topic: Topic,
    /// The query.
    pub prompt: String,
    /// The response that the annotator preferred.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
}

/// Writes two responses and has an annotator choose.
pub(super) fn annotate(
    rng: &mut ChaCha8Rng,
    voice: &mut Voice,
    topic: Topic,
    prompt: String,
) -> Pair {
    let first = respond(rng, voice, topic).1;
    let second = loop {
        let second = respond(rng, voice, topic).1;
        if second != first {
            break second;
        }
    };
    let gap = quality_about(topic, &first) - quality_about(topic, &second);
    let longer = words(&first).len() as f64 - words(&second).len() as f64;
    let prefers_first = 1.0 / (1.0 + (-gap / TAU - LENGTH_LIKING * longer).exp());
    let (chosen, rejected) = if rng.random::<f64>() < prefers_first {
        (first, second)
    } else {
        (second, first)
    };
    Pair {
        topic,
        prompt,
        chosen,
        rejected,
    }
}

pub(super) fn json_line(chosen: &str, rejected: &str) -> Vec<u8> {
    json!({"chosen": chosen, "rejected": rejected})
        .to_string()
        .into_bytes()
}

pub(super) fn line(rng: &mut ChaCha8Rng, pair: &Pair) -> Vec<u8> {
    // As in HH, a response's end may be white space.
    let end = if rng.random_bool(0.02) { " " } else { "" };
    json_line(
        &format!("{} {}{end}", pair.prompt, pair.chosen),
        &format!("{} {}", pair.prompt, pair.rejected),
    )
}
