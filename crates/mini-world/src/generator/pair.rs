//! Pairs of responses, an annotator's choice between them, and their lines.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::responses::{Response, respond};
use crate::annotators::prefers_first;
use crate::topic::Topic;
use crate::voice::Voice;

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

impl Pair {
    /// Returns what tells the pair from others.
    pub(super) fn id(&self) -> String {
        apo_hh::pair_id(&self.prompt, &self.chosen, &self.rejected)
    }
}

/// Two responses, before it is known in which voices they are said.
#[derive(Debug)]
pub(super) struct Responses {
    topic: Topic,
    prompt: String,
    both: [Response; 2],
    /// Below the probability that the first is preferred, the annotator chooses it.
    toss: f64,
}

impl Responses {
    /// Writes two responses. What is drawn does not depend on voices.
    pub(super) fn draw(rng: &mut ChaCha8Rng, topic: Topic, prompt: String) -> Self {
        let first = respond(rng, topic).1;
        let second = loop {
            let second = respond(rng, topic).1;
            if second.plain() != first.plain() {
                break second;
            }
        };
        Self {
            topic,
            prompt,
            both: [first, second],
            toss: rng.random(),
        }
    }

    /// Has an annotator choose between the responses as people and older models say them.
    pub(super) fn plain(&self) -> Pair {
        let [first, second] = &self.both;
        self.choose(first.plain(), second.plain())
    }

    /// Draws voices and has an annotator choose.
    pub(super) fn said(&self, voice: &mut Voice) -> Pair {
        let [first, second] = &self.both;
        loop {
            let (first, second) = (first.said(voice), second.said(voice));
            if first != second {
                break self.choose(first, second);
            }
        }
    }

    fn choose(&self, first: String, second: String) -> Pair {
        let (chosen, rejected) = if self.toss < prefers_first(self.topic, &first, &second) {
            (first, second)
        } else {
            (second, first)
        };
        Pair {
            topic: self.topic,
            prompt: self.prompt.clone(),
            chosen,
            rejected,
        }
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
