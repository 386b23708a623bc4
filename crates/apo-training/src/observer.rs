//! Who watches a training.

use apo_tables::Metric;

/// A part of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The reference's log-probs are computed, query by query.
    ReferenceLogProbs,
    /// The model is trained, step by step.
    Training,
}

/// Watches a training.
pub trait Observer {
    /// A phase of `total` queries or steps begins, of which `done` are already
    /// done.
    fn begin(&mut self, phase: Phase, done: u64, total: u64);

    /// `n` more are done.
    fn advance(&mut self, n: u64);

    /// A step was taken.
    fn step(&mut self, metric: &Metric);

    /// A note for the user.
    fn note(&mut self, text: &str);

    /// A warning for the user.
    fn warn(&mut self, text: &str);

    /// Less memory is free than the training will need in addition, bytes.
    fn short_of_memory(&mut self, needed: u64, free: u64);

    /// Whether the training should write a checkpoint and stop.
    fn stops(&self) -> bool;
}
