//! Draws of texts and topics.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::topic::{HARMS, TASKS, Topic};

pub(super) fn pick(rng: &mut ChaCha8Rng, texts: &[&'static str]) -> &'static str {
    texts.choose(rng).expect("a filled list")
}

pub(super) fn task(rng: &mut ChaCha8Rng) -> Topic {
    Topic::Task(rng.random_range(0..TASKS.len()))
}

pub(super) fn harm(rng: &mut ChaCha8Rng) -> Topic {
    Topic::Harm(rng.random_range(0..HARMS.len()))
}
