//! DPO and its kin: what a pair of a better and a worse response costs.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, relu, sigmoid};

use crate::pairs::{Pairs, constant, weighted_sum, zero};

/// What a pair loss knows of responses, `[response]` each.
#[derive(Clone, Copy, Debug)]
pub struct LogProbs<'a> {
    /// Log-probs under the policy, summed over tokens.
    pub policy: &'a Tensor<1>,
    /// The same under the reference; nothing for a loss without one.
    pub reference: &'a [f32],
    /// Tokens of each response.
    pub tokens: &'a [f32],
    /// Estimate of KL[policy ‖ reference] of a response, nats, 0 or more;
    /// nothing is learnt through it. Only KTO looks at it.
    pub kl: f64,
}

/// A loss on pairs: what it takes for a response's reward, and what two of them
/// cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PairLoss {
    /// DPO (Rafailov et al. 2023, eq. 7).
    Dpo {
        /// Strength of the pull towards the reference.
        beta: f64,
    },
    /// Conservative DPO (Mitchell 2023): of all pairs, some are told the wrong
    /// way round.
    Conservative {
        /// As DPO's.
        beta: f64,
        /// Share of them.
        label_smoothing: f64,
    },
    /// Robust DPO (Chowdhury et al. 2024, eq. 12): the same, without bias.
    Robust {
        /// As DPO's.
        beta: f64,
        /// Share of pairs that are told the wrong way round, below 1/2.
        label_smoothing: f64,
    },
    /// DPO with each log-ratio divided by its response's tokens.
    Normalised {
        /// As DPO's; larger, since a token's log-ratio is smaller.
        beta: f64,
    },
    /// IPO (Azar et al. 2023, eq. 17).
    Ipo {
        /// The paper's τ.
        beta: f64,
    },
    /// IPO with each log-ratio divided by its response's tokens, as TRL has it.
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
        /// Margin that is aimed at.
        gamma: f64,
    },
    /// KTO (Ethayarajh et al. 2024, eq. 7): the better response is desirable and
    /// the worse one not, each against the KL, a mean of the two.
    Kto {
        /// As DPO's.
        beta: f64,
        /// Weight of the better responses.
        desirable_weight: f64,
        /// Weight of the worse ones.
        undesirable_weight: f64,
    },
    /// SLiC-HF's rank loss (Zhao et al. 2023, eq. 1), no reference.
    Slic {
        /// Margin that is aimed at.
        delta: f64,
    },
}

impl PairLoss {
    /// Whether it looks at a reference.
    pub fn has_reference(self) -> bool {
        !matches!(self, Self::SimPo { .. } | Self::Slic { .. })
    }

    /// Whether it looks at the KL.
    pub fn has_kl(self) -> bool {
        matches!(self, Self::Kto { .. })
    }

    /// Returns the rewards that the policy implies, `[response]` (DPO eq. 5 and
    /// the like).
    pub fn rewards(self, responses: LogProbs<'_>) -> Tensor<1> {
        let ratio = || {
            let policy = responses.policy.clone();
            let reference = constant(responses.reference, &policy.device());
            policy - reference
        };
        let a_token = |sum: Tensor<1>| {
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
            Self::Normalised { beta } | Self::IpoMean { beta } => a_token(ratio()) * beta,
            Self::SimPo { beta, .. } => a_token(responses.policy.clone()) * beta,
            Self::Slic { .. } => responses.policy.clone(),
        }
    }

    /// Returns the weighted sum of what the pairs cost, `[1]`.
    pub fn loss(self, responses: LogProbs<'_>, pairs: &Pairs) -> Tensor<1> {
        if pairs.is_empty() {
            return zero(responses.policy);
        }
        let (better, worse) = pairs.select(&self.rewards(responses));
        weighted_sum(self.cost(better, worse, responses.kl), &pairs.weights)
    }

    /// Returns what pairs of rewards cost, `[pair]`: but for KTO's, by their
    /// margin alone.
    fn cost(self, better: Tensor<1>, worse: Tensor<1>, kl: f64) -> Tensor<1> {
        if let Self::Kto {
            beta,
            desirable_weight,
            undesirable_weight,
        } = self
        {
            let point = beta * kl;
            // 1 − σ(x) is σ(−x).
            let desirable = sigmoid(better.neg() + point) * desirable_weight;
            let undesirable = sigmoid(worse - point) * undesirable_weight;
            return (desirable + undesirable) / 2.0;
        }
        let margin = better - worse;
        match self {
            Self::Kto { .. } => unreachable!("returned above"),
            Self::Dpo { .. } | Self::Normalised { .. } => log_sigmoid(margin).neg(),
            Self::Conservative {
                label_smoothing, ..
            } => {
                let (right, wrong) = both_ways(margin);
                right * (1.0 - label_smoothing) + wrong * label_smoothing
            }
            Self::Robust {
                label_smoothing, ..
            } => {
                let (right, wrong) = both_ways(margin);
                (right * (1.0 - label_smoothing) - wrong * label_smoothing)
                    / (1.0 - 2.0 * label_smoothing)
            }
            // Of log-ratios h: (h − 1/(2τ))², and the margin is τ·h.
            Self::Ipo { beta } | Self::IpoMean { beta } => {
                (margin / beta - 0.5 / beta).powi_scalar(2)
            }
            Self::Hinge { .. } => relu(margin.neg() + 1.0),
            Self::SimPo { gamma, .. } => log_sigmoid(margin - gamma).neg(),
            Self::Slic { delta } => relu(margin.neg() + delta),
        }
    }
}

/// What a margin costs as it is told, and the other way round.
fn both_ways(margin: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
    let right = log_sigmoid(margin.clone()).neg();
    (right, log_sigmoid(margin.neg()).neg())
}
