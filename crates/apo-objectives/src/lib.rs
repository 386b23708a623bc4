//! The objectives of APO, as pure functions of tensors.
//!
//! Each takes one number for every response of a batch, `[response]`: rewards,
//! or summed log-probs. Which responses are compared, and how much a
//! comparison counts, comes as [`Pairs`]. A loss is a weighted sum, so that
//! the losses of several batches add up to that of one: whoever makes the
//! weights divides by what the whole step holds.

pub mod alignment;
pub mod pair_loss;
pub mod pairs;
pub mod reward_model;

pub use alignment::{negative_log_likelihood, rrhf};
pub use pair_loss::{LogProbs, PairLoss};
pub use pairs::{Pairs, Weighted};
pub use reward_model::{Adversarial, apo_reward_model, ranking};
