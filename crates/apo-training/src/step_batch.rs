//! The examples of an optimiser step: their gradients, summed over micro-batches.

use std::iter;
use std::path::Path;

use apo_decoder::{GradientSum, Model, ModelError, PromptTree, values};

use crate::checkpoint;
use crate::error::TrainingError;
use crate::example::Example;
use crate::example_store::ExampleStore;
use crate::objective::{self, Objective, Totals};
use crate::reference::Reference;
use crate::step_sums::StepSums;

/// How many queries an error names.
const NAMED: usize = 8;

/// The examples of an optimiser step.
#[derive(Debug)]
pub struct StepBatch {
    /// The longest first.
    examples: Vec<Example>,
    totals: Totals,
    /// Ids of the first queries, for errors.
    queries: Vec<String>,
}

impl StepBatch {
    /// Returns a step of some examples. A loss with a reference needs the log-probs in
    /// [`Example::reference`].
    pub fn new(mut examples: Vec<Example>) -> Self {
        let mut totals = Totals::default();
        for example in &examples {
            totals.add(example);
        }
        let first = examples.iter().take(NAMED);
        let queries = first.map(|example| example.query_id.clone()).collect();
        // Sorted by length, so that a micro-batch has similar ones.
        examples.sort_by_key(Example::n_tokens);
        examples.reverse();
        Self {
            examples,
            totals,
            queries,
        }
    }

    /// Reads a step's examples by their numbers in the store, with the log-probs under
    /// the reference if there is one.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub(crate) fn read(
        store: &mut ExampleStore,
        mut reference: Option<&mut Reference>,
        numbers: &[usize],
    ) -> Result<Self, TrainingError> {
        let mut examples = Vec::with_capacity(numbers.len());
        for &i in numbers {
            let mut example = store.get(i)?;
            if let Some(reference) = &mut reference {
                example.reference = reference.get(i)?;
            }
            examples.push(example);
        }
        Ok(Self::new(examples))
    }

    /// Adds the step and its queries to the error of a value that is not finite.
    pub(crate) fn failed(&self, error: ModelError, step: u64, dir: &Path) -> TrainingError {
        if !matches!(error, ModelError::NotFinite { .. }) {
            return error.into();
        }
        TrainingError::NotFinite {
            step,
            problem: error.to_string(),
            queries: self.queries.clone(),
            checkpoint: checkpoint::list(dir)
                .first()
                .map(|path| path.display().to_string()),
        }
    }

    /// Computes the step's loss and the sum of its gradients, about `micro_tokens`
    /// tokens at once: [`train`](fn@crate::train) takes every step by this. Returns `None`
    /// if `stops`, which is asked after each micro-batch, says so.
    ///
    /// # Errors
    ///
    /// When the loss is not finite, or the KL that it needs cannot be computed.
    pub fn gradients(
        &self,
        model: &Model,
        objective: &Objective,
        micro_tokens: usize,
        stops: impl Fn() -> bool,
    ) -> Result<Option<(GradientSum, StepSums)>, ModelError> {
        let mut totals = self.totals;
        if objective.needs_kl() {
            totals.kl = self.kl(model, micro_tokens)?;
        }
        let mut gradients = GradientSum::default();
        let mut sums = StepSums::default();
        for examples in groups(&self.examples, micro_tokens, Example::n_tokens) {
            let loss = objective::loss(objective, model, examples, &totals, &mut sums);
            let found = values(loss.clone())[0];
            if !found.is_finite() {
                let what = "the loss".into();
                return Err(ModelError::NotFinite { what, found });
            }
            sums.loss += f64::from(found);
            gradients.add(&model.decoder, loss.backward());
            if stops() {
                return Ok(None);
            }
        }
        Ok(Some((gradients, sums)))
    }

    /// Estimates the policy's KL from the reference over the whole step, nats per
    /// response, from mismatched responses (Ethayarajh et al. 2024, section
    /// 4.2); a negative estimate is 0.
    fn kl(&self, model: &Model, micro_tokens: usize) -> Result<f64, ModelError> {
        let shortest_first = self.examples.iter().rev();
        let pairs: Vec<(&PromptTree, f32)> = shortest_first
            .filter_map(|it| Some((it.mismatched.as_ref()?, *it.reference.last()?)))
            .collect();
        let mut sum = 0.0;
        for group in groups(&pairs, micro_tokens, |(tree, _)| tree.n_tokens()) {
            let policy = objective::log_probs(model, group.iter().map(|it| it.0))?;
            for (policy, (_, reference)) in policy.iter().zip(group) {
                sum += f64::from(*policy) - f64::from(*reference);
            }
        }
        Ok((sum / pairs.len().max(1) as f64).max(0.0))
    }
}

/// Returns consecutive items in groups of at most `tokens` tokens; an item that is
/// longer is a group of its own.
fn groups<T>(
    items: &[T],
    tokens: usize,
    n_tokens: impl Fn(&T) -> usize,
) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    iter::from_fn(move || {
        let mut sum = 0;
        let fits = rest.iter().take_while(|&item| {
            sum += n_tokens(item);
            sum <= tokens
        });
        let (group, after) = rest.split_at_checked(fits.count().max(1))?;
        rest = after;
        Some(group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_all_items_in_order_and_no_more_tokens_than_fit() {
        let of = |items: &[usize]| -> Vec<Vec<usize>> {
            groups(items, 4, |&n| n).map(<[usize]>::to_vec).collect()
        };
        assert_eq!(of(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(of(&[5, 9, 4]), [[5], [9], [4]]);
        assert_eq!(of(&[2, 2, 1, 3]), [[2, 2], [1, 3]]);
        assert_eq!(of(&[1, 4, 2, 1]), [vec![1], vec![4], vec![2, 1]]);
    }
}
