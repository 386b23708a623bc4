//! Lets others judge two policies' responses to the same queries: a language
//! model, people, or annotations that others published.
//!
//! A module is a command of `judge` with a `run` that takes its arguments. What
//! the commands print is in `apo_measures`.

pub mod args;
pub mod compare;
pub mod human;
mod pairing;
pub mod tally;
mod verdicts;
