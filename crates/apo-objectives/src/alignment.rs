//! Objectives of policies without a reference.

use burn::tensor::{Tensor, activation};

use crate::pairs::{Pairs, Weighted, gather, weighted_sum, zero};

/// Returns minus the weighted log-probs of some responses: supervised
/// fine-tuning, and rejection sampling on the best response (RJS, APO eq. 6).
///
/// # Shapes
///
/// - `log_probs`: `[response]`
/// - result: `[1]`
pub fn negative_log_likelihood(log_probs: &Tensor<1>, chosen: &Weighted) -> Tensor<1> {
    if chosen.responses.is_empty() {
        return zero(log_probs);
    }
    weighted_sum(gather(log_probs, &chosen.responses).neg(), &chosen.weights)
}

/// Returns RRHF's loss (APO eq. 5; Yuan et al. 2023). A rejected response
/// that is likelier than the chosen one costs the difference of their log-probs; the best
/// response's negative log-likelihood has the weight `lambda`.
///
/// `log_probs` are sums or means over tokens, as the caller chooses.
///
/// # Shapes
///
/// - `log_probs`: `[response]`
/// - result: `[1]`
///
/// # Examples
///
/// The rejected response is likelier by 1, and the best one costs 3:
///
/// ```
/// use apo_objectives::{Pairs, Weighted, rrhf};
/// use burn::tensor::{Device, Tensor};
///
/// let log_probs = Tensor::<1>::from_floats([-3.0, -2.0], &Device::flex());
/// let (mut pairs, mut best) = (Pairs::default(), Weighted::default());
/// pairs.push(0, 1, 1.0);
/// best.push(0, 1.0);
/// let loss: f32 = rrhf(&log_probs, &pairs, &best, 0.5).into_scalar();
/// assert_eq!(loss, 1.0 + 0.5 * 3.0);
/// ```
pub fn rrhf(log_probs: &Tensor<1>, pairs: &Pairs, best: &Weighted, lambda: f64) -> Tensor<1> {
    let likelihood = negative_log_likelihood(log_probs, best).mul_scalar(lambda);
    if pairs.is_empty() {
        return likelihood;
    }
    let (chosen, rejected) = pairs.select(log_probs);
    weighted_sum(activation::relu(rejected - chosen), &pairs.weights) + likelihood
}
