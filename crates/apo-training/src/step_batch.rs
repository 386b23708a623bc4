//! The examples of an optimiser step: their gradients, summed over micro-batches.

use std::path::Path;

use apo_llama::{GradientSum, Model, PromptTree};

use crate::checkpoint;
use crate::error::TrainingError;
use crate::example::Example;
use crate::objective::{self, Objective, Sums, Totals};
use crate::observer::Observer;
use crate::reference::Reference;
use crate::store::Store;

/// How many queries an error names.
const NAMED: usize = 8;

/// A step's examples, taken in micro-batches.
pub(crate) struct StepBatch {
    /// Longest last, because they are taken from the end.
    examples: Vec<(Example, Vec<f32>)>,
    pub(crate) totals: Totals,
    /// Ids of the first queries, for errors.
    queries: Vec<String>,
}

impl StepBatch {
    /// Reads a step's examples by their numbers in the store, with the log-probs under
    /// the reference if there is one.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub(crate) fn read(
        store: &mut Store,
        mut reference: Option<&mut Reference>,
        numbers: &[usize],
    ) -> Result<Self, TrainingError> {
        let mut batch = Self {
            examples: Vec::with_capacity(numbers.len()),
            totals: Totals::default(),
            queries: Vec::new(),
        };
        for &i in numbers {
            let example = store.get(i)?;
            let reference = match &mut reference {
                Some(reference) => reference.get(i)?,
                None => example.reference.clone(),
            };
            batch.totals.add(&example);
            if batch.queries.len() < NAMED {
                batch.queries.push(example.query_id.clone());
            }
            batch.examples.push((example, reference));
        }
        // Sorted by length, so that a micro-batch has similar ones; the sort is
        // stable.
        batch
            .examples
            .sort_by_key(|(example, _)| example.n_tokens());
        Ok(batch)
    }

    /// Returns the error for a loss or gradient that is not finite.
    pub(crate) fn not_finite(&self, step: u64, problem: String, dir: &Path) -> TrainingError {
        TrainingError::NotFinite {
            step,
            problem,
            queries: self.queries.clone(),
            checkpoint: checkpoint::list(dir)
                .first()
                .map(|path| path.display().to_string()),
        }
    }

    /// Estimates the policy's KL from the reference over the whole step, nats a
    /// response, from mismatched responses (Ethayarajh et al. 2024, section
    /// 4.2); a negative estimate is 0.
    pub(crate) fn kl(&self, model: &Model, tokens: usize) -> Result<f64, TrainingError> {
        let pairs = self.examples.iter();
        let pairs = pairs.filter_map(|(example, all)| example.mismatched.as_ref().zip(all.last()));
        let pairs: Vec<(&PromptTree, &f32)> = pairs.collect();
        let mut sum = 0.0;
        let mut rest = pairs.as_slice();
        while !rest.is_empty() {
            let mut n_tokens = 0;
            let fits = rest.iter().take_while(|(tree, _)| {
                n_tokens += tree.n_tokens();
                n_tokens <= tokens
            });
            let (these, after) = rest.split_at(fits.count().max(1));
            let policy = objective::log_probs(model, these.iter().map(|it| it.0))?;
            for (policy, (_, reference)) in policy.iter().zip(these) {
                sum += f64::from(*policy) - f64::from(**reference);
            }
            rest = after;
        }
        Ok((sum / pairs.len().max(1) as f64).max(0.0))
    }

    /// Computes the loss and its gradients, `tokens` tokens at once; `None` if
    /// the observer stopped it.
    ///
    /// # Errors
    ///
    /// Says which loss is not finite.
    pub(crate) fn gradients(
        &mut self,
        model: &Model,
        objective: &Objective,
        tokens: usize,
        observer: &dyn Observer,
    ) -> Result<Option<(GradientSum, Sums)>, String> {
        let mut gradients = GradientSum::default();
        let mut sums = Sums::default();
        while let Some((examples, references)) = self.micro(tokens) {
            let totals = &self.totals;
            let loss = objective::loss(objective, model, &examples, &references, totals, &mut sums);
            let value = objective::values(&loss)[0];
            if !value.is_finite() {
                return Err(format!("the loss is {value}"));
            }
            sums.loss += f64::from(value);
            gradients.add(&model.llama, loss.backward());
            if observer.stops() {
                return Ok(None);
            }
        }
        Ok(Some((gradients, sums)))
    }

    /// Returns the next examples, of about `tokens` tokens.
    fn micro(&mut self, tokens: usize) -> Option<(Vec<Example>, Vec<Vec<f32>>)> {
        let mut sum = 0;
        let mut found = (Vec::new(), Vec::new());
        while let Some((example, _)) = self.examples.last() {
            sum += example.n_tokens();
            if sum > tokens && !found.0.is_empty() {
                break;
            }
            let (example, reference) = self.examples.pop()?;
            found.0.push(example);
            found.1.push(reference);
        }
        (!found.0.is_empty()).then_some(found)
    }
}
