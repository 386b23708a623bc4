//! The reference's log-probs: computed once, and kept on disk.

use std::path::Path;

use apo_decoder::Model;
use apo_spool::ValueSpool;

use crate::error::TrainingError;
use crate::example_store::ExampleStore;
use crate::objective::log_probs;
use crate::observer::{Observer, Phase};

const FILE: &str = "reference.spool";

/// The log-prob of every response under the reference.
#[derive(Debug)]
pub struct Reference {
    /// Those of each example's responses.
    spool: ValueSpool,
    /// The first response of each example.
    starts: Vec<usize>,
}

impl Reference {
    /// Computes the log-probs that the working folder lacks, `micro_tokens` at
    /// once.
    ///
    /// # Errors
    ///
    /// When the model fails, the file cannot be written, or the observer asks
    /// to stop; the log-probs so far are kept.
    pub fn compute(
        model: &Model,
        store: &mut ExampleStore,
        dir: &Path,
        micro_tokens: usize,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainingError> {
        let path = dir.join(FILE);
        let mut starts = vec![0];
        for i in 0..store.len() {
            starts.push(starts[i] + store.n_referenced(i));
        }
        let mut spool = ValueSpool::recover(&path, |examples| {
            Some(starts.get(examples.end)? - starts[examples.start])
        })?;
        if spool.is_damaged() {
            observer.warn(&format!(
                "{} is damaged; the lost values will be recomputed",
                path.display()
            ));
        }
        let mut next = spool.n_items();
        observer.begin(Phase::ReferenceLogProbs, next as u64, store.len() as u64);
        while next < store.len() {
            let first = next;
            let (mut trees, mut tokens) = (Vec::new(), 0);
            while next < store.len()
                && (next == first || tokens + store.n_tokens(next) <= micro_tokens)
            {
                tokens += store.n_tokens(next);
                let example = store.get(next)?;
                trees.extend(example.referenced().cloned());
                next += 1;
            }
            spool.append(next - first, log_probs(model, &trees)?)?;
            observer.advance((next - first) as u64);
            if observer.stops() {
                return Err(TrainingError::Interrupted);
            }
        }
        Ok(Self { spool, starts })
    }

    /// Returns an example's log-probs, `[response]`, that of a mismatched
    /// response last.
    pub(crate) fn get(&mut self, i: usize) -> Result<Vec<f32>, TrainingError> {
        let (examples, log_probs) = self.spool.batch_of(i)?;
        let first = self.starts[examples.start];
        let (start, end) = (self.starts[i] - first, self.starts[i + 1] - first);
        Ok(log_probs[start..end].to_vec())
    }
}
