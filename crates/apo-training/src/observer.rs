//! Who watches a training.

use apo_tables::Metric;

/// Watches a training.
pub trait Observer {
    /// Work on `total` items begins, of which `done` are already done.
    fn begin(&mut self, what: &str, done: u64, total: u64);

    /// `n` more items are done.
    fn advance(&mut self, n: u64);

    /// A step was taken.
    fn step(&mut self, metric: &Metric);

    /// A note for the user.
    fn note(&mut self, text: &str);

    /// A warning for the user.
    fn warn(&mut self, text: &str);

    /// Whether the training should write a checkpoint and stop.
    fn stops(&self) -> bool;
}
