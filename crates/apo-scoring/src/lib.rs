//! Measures policies and reward models: rewards, log-probs, accuracy on people's
//! preferences, and how far a policy has moved from its reference.
//!
//! A module is a command of `judge` with a `run` that takes its arguments. What
//! the commands print is in `apo_measures`.

pub mod accuracy;
pub mod args;
pub mod kl;
pub mod log_probs;
mod read_at;
mod reading;
pub mod score;
mod scorer;
mod values;

pub use read_at::ReadAt;
