//! The reference's log-probs: computed once, and kept on disk.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use apo_llama::Model;
use apo_spool::{Place, Spool};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::objective::log_probs;
use crate::observer::Observer;
use crate::store::Store;

const FILE: &str = "reference.spool";

/// The log-probs of examples that were computed at once, so that a resumed run
/// computes the same batches as an uninterrupted one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Batch {
    examples: Range<usize>,
    /// One a response, examples one after the other.
    log_probs: Vec<f32>,
}

/// The log-prob of every response under the reference.
#[derive(Debug)]
pub struct Reference {
    spool: Spool<Batch>,
    /// The end of each batch's examples, and its place.
    batches: Vec<(usize, Place)>,
    /// The first response of each example.
    starts: Vec<usize>,
    /// The batch that was read last.
    last: Batch,
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
        store: &mut Store,
        dir: &Path,
        micro_tokens: usize,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainingError> {
        let path = dir.join(FILE);
        let mut starts = vec![0];
        for i in 0..store.len() {
            starts.push(starts[i] + store.n_referenced(i));
        }
        let mut next = 0;
        let mut batches = Vec::new();
        let recovered = Spool::recover(&path, |place, batch: Batch| {
            let Range { start, end } = batch.examples;
            let n = starts.get(end).map(|to| to - starts[start]);
            // Batches must be consecutive: after a gap everything is computed
            // again.
            if start != next || end <= start || n != Some(batch.log_probs.len()) {
                return ControlFlow::Break(());
            }
            batches.push((end, place));
            next = end;
            ControlFlow::Continue(())
        })?;
        if recovered.damaged > 0 {
            observer.warn(&format!(
                "{} is damaged; what is lost of it is computed again",
                path.display()
            ));
        }
        let mut spool = recovered.spool;
        observer.begin("reference log-probs", next as u64, store.len() as u64);
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
            let place = spool.append(&Batch {
                examples: first..next,
                log_probs: log_probs(model, &trees)?,
            })?;
            batches.push((next, place));
            observer.advance((next - first) as u64);
            if observer.stops() {
                return Err(TrainingError::Interrupted);
            }
        }
        Ok(Self {
            spool,
            batches,
            starts,
            last: Batch::default(),
        })
    }

    /// Returns an example's log-probs, `[response]`, that of a mismatched
    /// response last.
    pub(crate) fn get(&mut self, i: usize) -> Result<Vec<f32>, TrainingError> {
        if !self.last.examples.contains(&i) {
            let batch = self.batches.partition_point(|&(end, _)| end <= i);
            self.last = self.spool.read(self.batches[batch].1)?;
        }
        let first = self.starts[self.last.examples.start];
        let (start, end) = (self.starts[i] - first, self.starts[i + 1] - first);
        Ok(self.last.log_probs[start..end].to_vec())
    }
}
