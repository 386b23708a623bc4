//! The loss of a step, summed over micro-batches.

use apo_decoder::{Model, ModelError, PromptTree, TreeBatch, values};
use apo_objectives::{
    Adversarial, LogProbs, PairLoss, Pairs, Weighted, apo_reward_model, negative_log_likelihood,
    rrhf,
};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::example::{ComparisonKind, Example};
use crate::step_sums::StepSums;

/// What a training minimises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// The reward model's loss: APO eq. 17, or plain ranking if no query has a
    /// golden answer.
    RewardModel {
        /// The adversarial term of golden answers against samples.
        adversarial: Adversarial,
        /// Weight of human preferences.
        beta_2: f64,
    },
    /// The SFT targets' negative log-likelihood, a mean over tokens: SFT,
    /// RJS (APO eq. 6).
    Likelihood,
    /// RRHF (APO eq. 5).
    Rrhf {
        /// Weight of the best response's likelihood.
        lambda: f64,
        /// Sum log-probs over tokens instead of averaging them.
        sum_log_probs: bool,
    },
    /// DPO (DPO eq. 7) and related losses.
    Pairs {
        /// The loss of a pair.
        loss: PairLoss,
        /// Weight of the SFT targets' negative log-likelihood, a mean over
        /// tokens.
        sft_weight: f64,
    },
}

impl Objective {
    /// Whether it needs the policy's KL from the reference.
    pub(crate) fn needs_kl(&self) -> bool {
        matches!(self, Self::Pairs { loss, .. } if loss.needs_kl())
    }
}

/// Totals of a whole step: the denominators of its means.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    golden_over_samples: f64,
    preferences: f64,
    queries: f64,
    tokens: f64,
    /// Estimate of the policy's KL from the reference, nats per response.
    pub(crate) kl: f64,
}

impl Totals {
    pub(crate) fn add(&mut self, example: &Example) {
        for comparison in &example.comparisons {
            let total = match comparison.kind {
                ComparisonKind::GoldenOverSample => &mut self.golden_over_samples,
                ComparisonKind::Human | ComparisonKind::ByReward => &mut self.preferences,
            };
            *total += f64::from(comparison.weight);
        }
        self.queries += 1.0;
        let lengths = lengths(example);
        let targets = example.sft_targets.iter().map(|&i| lengths[i as usize]);
        self.tokens += targets.sum::<usize>() as f64;
    }
}

fn lengths(example: &Example) -> Vec<usize> {
    let responses = example.trees.iter().flat_map(|tree| &tree.responses);
    responses.map(Vec::len).collect()
}

/// Returns the loss of a micro-batch as its share of the step's loss.
///
/// # Shapes
///
/// - result: `[1]`
pub(crate) fn loss(
    objective: &Objective,
    model: &Model,
    examples: &[Example],
    totals: &Totals,
    sums: &mut StepSums,
) -> Tensor<1> {
    let batch = TreeBatch::new(examples.iter().flat_map(|example| &example.trees));
    sums.tokens += batch.n_tokens() as u64;
    let micro = MicroBatch {
        model,
        lengths: batch.response_lengths(),
        batch,
        terms: Terms::new(examples, totals),
        totals,
    };
    match *objective {
        Objective::RewardModel {
            adversarial,
            beta_2,
        } => micro.reward_model(adversarial, beta_2, sums),
        Objective::Likelihood => micro.likelihood(sums),
        Objective::Rrhf {
            lambda,
            sum_log_probs,
        } => micro.rrhf(lambda, sum_log_probs, sums),
        Objective::Pairs { loss, sft_weight } => {
            // Mismatched responses only serve to estimate the KL.
            let own = examples.iter().map(|example| {
                let known = &example.reference;
                &known[..example.n_responses().min(known.len())]
            });
            micro.pairs(loss, sft_weight, &own.collect::<Vec<_>>().concat(), sums)
        }
    }
}

/// Some examples of a step, and what each objective computes of them.
struct MicroBatch<'a> {
    model: &'a Model,
    batch: TreeBatch,
    /// Tokens of each response.
    lengths: Vec<usize>,
    terms: Terms,
    totals: &'a Totals,
}

impl MicroBatch<'_> {
    /// Returns the loss of [`Objective::RewardModel`].
    ///
    /// # Shapes
    ///
    /// - result: `[1]`
    fn reward_model(
        &self,
        adversarial: Adversarial,
        beta_2: f64,
        sums: &mut StepSums,
    ) -> Tensor<1> {
        let (model, terms) = (self.model, &self.terms);
        let rewards = model
            .decoder
            .rewards(&model.config, model.compute, &self.batch);
        let (golden, preferences) = (&terms.golden_over_samples, &terms.preferences);
        let compared = if preferences.is_empty() {
            golden
        } else {
            preferences
        };
        sums.add_rewards(&values(rewards.clone()), compared);
        apo_reward_model(&rewards, golden, preferences, adversarial, beta_2)
    }

    /// Returns the loss of [`Objective::Likelihood`].
    ///
    /// # Shapes
    ///
    /// - result: `[1]`
    fn likelihood(&self, sums: &mut StepSums) -> Tensor<1> {
        let log_probs = self.log_probs();
        let found = values(log_probs.clone());
        for &i in &self.terms.sft_targets.responses {
            sums.log_probs.chosen += f64::from(found[i]);
            sums.n_log_probs.chosen += 1.0;
        }
        let weight = 1.0 / self.totals.tokens as f32;
        negative_log_likelihood(&log_probs, &self.terms.sft_targets.with_weight(weight))
    }

    /// Returns the loss of [`Objective::Rrhf`].
    ///
    /// # Shapes
    ///
    /// - result: `[1]`
    fn rrhf(&self, lambda: f64, sum_log_probs: bool, sums: &mut StepSums) -> Tensor<1> {
        let log_probs = self.log_probs();
        sums.add_log_probs(&values(log_probs.clone()), &self.terms.preferences);
        let values = if sum_log_probs {
            log_probs
        } else {
            let inverse: Vec<f32> = self.lengths.iter().map(|&n| 1.0 / n as f32).collect();
            let device = log_probs.device();
            let shape = [inverse.len()];
            log_probs * Tensor::<1>::from_data(TensorData::new(inverse, shape), &device)
        };
        // Eq. 5 is a mean over queries of a sum over pairs.
        let weight = 1.0 / self.totals.queries as f32;
        let mut pairs = self.terms.preferences.clone();
        pairs.weights.fill(weight);
        let best = self.terms.sft_targets.with_weight(weight);
        rrhf(&values, &pairs, &best, lambda)
    }

    /// Returns the loss of [`Objective::Pairs`]; `reference` holds the responses'
    /// log-probs under the reference, if the loss needs one.
    ///
    /// # Shapes
    ///
    /// - `reference`: `[response]`, or empty
    /// - result: `[1]`
    fn pairs(
        &self,
        loss: PairLoss,
        sft_weight: f64,
        reference: &[f32],
        sums: &mut StepSums,
    ) -> Tensor<1> {
        let (terms, totals) = (&self.terms, self.totals);
        let log_probs = self.log_probs();
        let tokens: Vec<f32> = self.lengths.iter().map(|&n| n as f32).collect();
        let responses = LogProbs {
            policy: &log_probs,
            reference,
            tokens: &tokens,
            kl: totals.kl,
        };
        sums.add_log_probs(&values(log_probs.clone()), &terms.preferences);
        let rewards = values(loss.rewards(responses));
        sums.add_rewards(&rewards, &terms.preferences);
        let cost = loss.loss(responses, &terms.preferences);
        if totals.tokens == 0.0 {
            return cost;
        }
        let weight = (sft_weight / totals.tokens) as f32;
        cost + negative_log_likelihood(&log_probs, &terms.sft_targets.with_weight(weight))
    }

    /// Returns the log-prob of every response, summed over tokens.
    ///
    /// # Shapes
    ///
    /// - result: `[response]`
    fn log_probs(&self) -> Tensor<1> {
        let (model, batch) = (self.model, &self.batch);
        let tokens = model
            .decoder
            .token_log_probs(&model.config, model.compute, batch);
        sums_of_responses(tokens, &self.lengths)
    }
}

/// The terms of a micro-batch; responses are numbered through all its examples.
struct Terms {
    golden_over_samples: Pairs,
    preferences: Pairs,
    /// Each with weight 1.
    sft_targets: Weighted,
}

impl Terms {
    fn new(examples: &[Example], totals: &Totals) -> Self {
        let mut terms = Self {
            golden_over_samples: Pairs::default(),
            preferences: Pairs::default(),
            sft_targets: Weighted::default(),
        };
        let mut first = 0;
        for example in examples {
            for comparison in &example.comparisons {
                let (pairs, total) = match comparison.kind {
                    ComparisonKind::GoldenOverSample => {
                        (&mut terms.golden_over_samples, totals.golden_over_samples)
                    }
                    ComparisonKind::Human | ComparisonKind::ByReward => {
                        (&mut terms.preferences, totals.preferences)
                    }
                };
                let weight = (f64::from(comparison.weight) / total) as f32;
                let (chosen, rejected) = (comparison.chosen as usize, comparison.rejected as usize);
                pairs.push(first + chosen, first + rejected, weight);
            }
            for &i in &example.sft_targets {
                terms.sft_targets.push(first + i as usize, 1.0);
            }
            first += example.n_responses();
        }
        terms
    }
}

/// Sums the tokens' log-probs of each response.
///
/// # Shapes
///
/// - `tokens`: `[response tokens]`, responses one after the other
/// - result: `[response]`
fn sums_of_responses(tokens: Tensor<1>, lengths: &[usize]) -> Tensor<1> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let n_tokens: usize = lengths.iter().sum();
    // Short responses are padded with the last element, a zero.
    let mut index = vec![n_tokens as i32; lengths.len() * longest];
    let mut at = 0;
    for (row, &length) in index.chunks_mut(longest.max(1)).zip(lengths) {
        for place in &mut row[..length] {
            *place = at;
            at += 1;
        }
    }
    let device: Device = tokens.device();
    let shape = [index.len()];
    let index = Tensor::<1, Int>::from_data(TensorData::new(index, shape), &device);
    let padded = Tensor::cat(vec![tokens, Tensor::zeros([1], &device)], 0);
    let rows: Tensor<2> = padded.select(0, index).reshape([lengths.len(), longest]);
    rows.sum_dim(1).reshape([lengths.len()])
}

/// Returns the log-prob of every response of some trees, summed over tokens, without
/// gradients.
///
/// # Shapes
///
/// - result: `[response]`
pub(crate) fn log_probs<'a>(
    model: &Model,
    trees: impl IntoIterator<Item = &'a PromptTree>,
) -> Result<Vec<f32>, ModelError> {
    let sums = model.log_probs(&TreeBatch::new(trees))?;
    Ok(sums.into_iter().map(|sum| sum as f32).collect())
}
