//! Objectives of policies that have no reference.

use burn::tensor::{Tensor, activation};

use crate::pairs::{Pairs, Weighted, gather, weighted_sum, zero};

/// Minus the weighted log-probs of some responses, `[1]`: supervised
/// fine-tuning, and rejection sampling on the best one (RJS, APO eq. 6).
pub fn negative_log_likelihood(log_probs: &Tensor<1>, chosen: &Weighted) -> Tensor<1> {
    if chosen.responses.is_empty() {
        return zero(log_probs);
    }
    weighted_sum(gather(log_probs, &chosen.responses).neg(), &chosen.weights)
}

/// Ranking responses by their log-probs (RRHF, APO eq. 5; Yuan et al. 2023),
/// `[1]`: a worse response that is likelier than a better one costs the
/// difference, and the best one's negative log-likelihood counts `lambda`.
///
/// `log_probs` are sums or means over tokens, as the caller chose.
pub fn rrhf(log_probs: &Tensor<1>, pairs: &Pairs, best: &Weighted, lambda: f64) -> Tensor<1> {
    let likelihood = negative_log_likelihood(log_probs, best).mul_scalar(lambda);
    if pairs.is_empty() {
        return likelihood;
    }
    let (better, worse) = pairs.select(log_probs);
    weighted_sum(activation::relu(worse - better), &pairs.weights) + likelihood
}
