//! Objectives of reward models.

use burn::tensor::{Tensor, activation};

use crate::pairs::{Pairs, weighted_sum, zero};

/// The adversarial term: the loss of golden answers against samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adversarial {
    /// `−log σ(r(golden) − r(sample))` (APO eq. 15): the APO and GAIL rewards.
    Ranking,
    /// `−(r(golden) − r(sample))` (APO eq. 14): the WGAN reward.
    Difference,
}

/// Returns the ranking loss `−log σ(chosen − rejected)` of the pairs, weighted
/// (APO eq. 1, Bradley and Terry 1952).
///
/// # Shapes
///
/// - `rewards`: `[response]`
/// - result: `[1]`
pub fn ranking(rewards: &Tensor<1>, pairs: &Pairs) -> Tensor<1> {
    if pairs.is_empty() {
        return zero(rewards);
    }
    let (chosen, rejected) = pairs.select(rewards);
    weighted_sum(
        activation::log_sigmoid(chosen - rejected).neg(),
        &pairs.weights,
    )
}

/// Returns the reward model's loss (APO eq. 17): golden answers rank above
/// samples, and human preferences have the weight `beta_2`.
///
/// # Shapes
///
/// - `rewards`: `[response]`
/// - result: `[1]`
pub fn apo_reward_model(
    rewards: &Tensor<1>,
    golden_over_samples: &Pairs,
    preferences: &Pairs,
    adversarial: Adversarial,
    beta_2: f64,
) -> Tensor<1> {
    let adversarial = match adversarial {
        Adversarial::Ranking => ranking(rewards, golden_over_samples),
        Adversarial::Difference if golden_over_samples.is_empty() => zero(rewards),
        Adversarial::Difference => {
            let (golden, samples) = golden_over_samples.select(rewards);
            weighted_sum(samples - golden, &golden_over_samples.weights)
        }
    };
    adversarial + ranking(rewards, preferences).mul_scalar(beta_2)
}
