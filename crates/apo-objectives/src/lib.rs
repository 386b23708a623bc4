//! The objectives of APO, as pure functions of tensors.
//!
//! Each takes one number for every response of a batch, `[response]`: rewards,
//! or summed log-probs. [`Pairs`] says which responses are compared and with
//! which weights. A loss is a weighted sum, so that the losses of several
//! micro-batches add up to the loss of the whole batch; the caller divides the
//! weights by the totals of the step.
//!
//! # Examples
//!
//! A golden answer with reward 2 and a sample with reward 1 cost −log σ(2 − 1):
//!
//! ```
//! use apo_objectives::{Pairs, ranking};
//! use burn::tensor::{Device, Tensor};
//!
//! let rewards = Tensor::<1>::from_floats([2.0, 1.0], &Device::flex());
//! let mut pairs = Pairs::default();
//! pairs.push(0, 1, 1.0);
//! let loss: f32 = ranking(&rewards, &pairs).into_scalar();
//! assert!((loss - 0.313_261_7).abs() < 1e-6);
//! ```

mod alignment;
mod pair_loss;
mod pairs;
mod reward_model;

pub use alignment::{negative_log_likelihood, rrhf};
pub use pair_loss::{LogProbs, PairLoss};
pub use pairs::{Pairs, Weighted};
pub use reward_model::{Adversarial, apo_reward_model, ranking};
