//! Where the reward of a whole dialogue is read.

use clap::ValueEnum;

/// Where the reward of a whole dialogue is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReadAt {
    /// At the last token that is no padding.
    Last,
    /// At the last token that ends a turn, for templates that go on after it.
    EndOfTurn,
}
