//! DPO and related losses on pairs of a chosen and a rejected response.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, relu, sigmoid};

use crate::pairs::{Pairs, constant, weighted_sum, zero};

/// What a pair loss knows of responses, `[response]` each.
#[derive(Clone, Copy, Debug)]
pub struct LogProbs<'a> {
    /// Log-probs under the policy, summed over tokens.
    pub policy: &'a Tensor<1>,
    /// The same under the reference; empty for a loss without one.
    pub reference: &'a [f32],
    /// Tokens of each response.
    pub tokens: &'a [f32],
    /// Estimate of KL[policy ‖ reference], nats per response, at least 0. It is
    /// a constant; only KTO uses it.
    pub kl: f64,
}

/// A loss of pairs: the reward of a response, and the loss of two rewards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PairLoss {
    /// DPO (Rafailov et al. 2023, eq. 7).
    Dpo {
        /// Strength of the pull towards the reference.
        beta: f64,
    },
    /// Conservative DPO (Mitchell 2023): assumes that some pairs are labelled
    /// the wrong way round.
    Conservative {
        /// As DPO's.
        beta: f64,
        /// Fraction of wrong labels.
        label_smoothing: f64,
    },
    /// Robust DPO (Chowdhury et al. 2024, eq. 12): the same without bias.
    Robust {
        /// As DPO's.
        beta: f64,
        /// Fraction of wrong labels, below 1/2.
        label_smoothing: f64,
    },
    /// DPO with each log-ratio divided by its response's tokens.
    Normalised {
        /// As DPO's, but larger: a token's log-ratio is smaller.
        beta: f64,
    },
    /// IPO (Azar et al. 2023, eq. 17).
    Ipo {
        /// The paper's τ.
        beta: f64,
    },
    /// IPO with each log-ratio divided by its response's tokens, as in TRL.
    IpoMean {
        /// The paper's τ.
        beta: f64,
    },
    /// The hinge on DPO's margin (Liu et al. 2024, RSO, eq. 10).
    Hinge {
        /// As DPO's.
        beta: f64,
    },
    /// `SimPO` (Meng et al. 2024, eq. 6): mean log-probs, no reference.
    SimPo {
        /// Scale of the rewards.
        beta: f64,
        /// Target margin.
        gamma: f64,
    },
    /// KTO (Ethayarajh et al. 2024, eq. 7): the chosen response is desirable
    /// and the rejected one is not, each relative to the KL; the mean of the two.
    Kto {
        /// As DPO's.
        beta: f64,
        /// Weight of the chosen responses.
        desirable_weight: f64,
        /// Weight of the rejected responses.
        undesirable_weight: f64,
    },
    /// SLiC-HF's rank loss (Zhao et al. 2023, eq. 1), no reference.
    Slic {
        /// Target margin.
        delta: f64,
    },
}

impl PairLoss {
    /// Whether it needs a reference.
    pub fn needs_reference(self) -> bool {
        match self {
            Self::Dpo { .. }
            | Self::Conservative { .. }
            | Self::Robust { .. }
            | Self::Normalised { .. }
            | Self::Ipo { .. }
            | Self::IpoMean { .. }
            | Self::Hinge { .. }
            | Self::Kto { .. } => true,
            Self::SimPo { .. } | Self::Slic { .. } => false,
        }
    }

    /// Whether it needs the KL.
    pub fn needs_kl(self) -> bool {
        matches!(self, Self::Kto { .. })
    }

    /// Returns its parameters by name.
    pub fn parameters(self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Dpo { beta }
            | Self::Normalised { beta }
            | Self::Ipo { beta }
            | Self::IpoMean { beta }
            | Self::Hinge { beta } => vec![("beta", beta)],
            Self::Conservative {
                beta,
                label_smoothing,
            }
            | Self::Robust {
                beta,
                label_smoothing,
            } => vec![("beta", beta), ("label_smoothing", label_smoothing)],
            Self::SimPo { beta, gamma } => vec![("beta", beta), ("gamma", gamma)],
            Self::Kto {
                beta,
                desirable_weight,
                undesirable_weight,
            } => vec![
                ("beta", beta),
                ("desirable_weight", desirable_weight),
                ("undesirable_weight", undesirable_weight),
            ],
            Self::Slic { delta } => vec![("delta", delta)],
        }
    }

    /// Returns the rewards that the policy implies (DPO eq. 5 and the like).
    ///
    /// # Shapes
    ///
    /// - result: `[response]`
    pub fn rewards(self, responses: LogProbs<'_>) -> Tensor<1> {
        let ratio = || {
            let policy = responses.policy.clone();
            let reference = constant(responses.reference, &policy.device());
            policy - reference
        };
        let per_token = |sum: Tensor<1>| {
            let tokens = constant(responses.tokens, &sum.device());
            sum / tokens
        };
        match self {
            Self::Dpo { beta }
            | Self::Conservative { beta, .. }
            | Self::Robust { beta, .. }
            | Self::Ipo { beta }
            | Self::Hinge { beta }
            | Self::Kto { beta, .. } => ratio() * beta,
            Self::Normalised { beta } | Self::IpoMean { beta } => per_token(ratio()) * beta,
            Self::SimPo { beta, .. } => per_token(responses.policy.clone()) * beta,
            Self::Slic { .. } => responses.policy.clone(),
        }
    }

    /// Returns the weighted sum of the pairs' losses.
    ///
    /// # Shapes
    ///
    /// - result: `[1]`
    ///
    /// # Examples
    ///
    /// A policy that equals its reference costs ln 2:
    ///
    /// ```
    /// use apo_objectives::{LogProbs, PairLoss, Pairs};
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let policy = Tensor::<1>::from_floats([-12.5, -8.0], &Device::flex());
    /// let responses = LogProbs {
    ///     policy: &policy,
    ///     reference: &[-12.5, -8.0],
    ///     tokens: &[6.0, 3.0],
    ///     kl: 0.0,
    /// };
    /// let mut pairs = Pairs::default();
    /// pairs.push(0, 1, 1.0);
    /// let loss: f32 = PairLoss::Dpo { beta: 0.1 }.loss(responses, &pairs).into_scalar();
    /// assert!((loss - 2_f32.ln()).abs() < 1e-6);
    /// ```
    pub fn loss(self, responses: LogProbs<'_>, pairs: &Pairs) -> Tensor<1> {
        if pairs.is_empty() {
            return zero(responses.policy);
        }
        let (chosen, rejected) = pairs.select(&self.rewards(responses));
        weighted_sum(self.cost(chosen, rejected, responses.kl), &pairs.weights)
    }

    /// Returns the loss of each pair of rewards. All but KTO's depend only on the
    /// margin.
    ///
    /// # Shapes
    ///
    /// - `chosen`, `rejected`: `[pair]` each
    /// - result: `[pair]`
    fn cost(self, chosen: Tensor<1>, rejected: Tensor<1>, kl: f64) -> Tensor<1> {
        let margin = || chosen.clone() - rejected.clone();
        match self {
            Self::Dpo { .. } | Self::Normalised { .. } => log_sigmoid(margin()).neg(),
            Self::Conservative {
                label_smoothing, ..
            } => {
                let (right, wrong) = both_ways(margin());
                right * (1.0 - label_smoothing) + wrong * label_smoothing
            }
            Self::Robust {
                label_smoothing, ..
            } => {
                let (right, wrong) = both_ways(margin());
                (right * (1.0 - label_smoothing) - wrong * label_smoothing)
                    / (1.0 - 2.0 * label_smoothing)
            }
            // The paper's loss is (h − 1/(2τ))² of the difference h of log-ratios; the
            // margin is τ·h.
            Self::Ipo { beta } | Self::IpoMean { beta } => {
                (margin() / beta - 0.5 / beta).powi_scalar(2)
            }
            Self::Hinge { .. } => relu(margin().neg() + 1.0),
            Self::SimPo { gamma, .. } => log_sigmoid(margin() - gamma).neg(),
            Self::Kto {
                beta,
                desirable_weight,
                undesirable_weight,
            } => {
                let point = beta * kl;
                // 1 − σ(x) is σ(−x).
                let desirable = sigmoid(chosen.neg() + point) * desirable_weight;
                let undesirable = sigmoid(rejected - point) * undesirable_weight;
                (desirable + undesirable) / 2.0
            }
            Self::Slic { delta } => relu(margin().neg() + delta),
        }
    }
}

/// Returns the loss of each margin as labelled, and with the labels swapped.
///
/// # Shapes
///
/// - `margin`: `[pair]`
/// - results: `[pair]` each
fn both_ways(margin: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
    let right = log_sigmoid(margin.clone()).neg();
    (right, log_sigmoid(margin.neg()).neg())
}
