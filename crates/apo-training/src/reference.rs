//! The reference's log-probs: computed once, kept on disk.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use apo_llama::Model;

use crate::error::TrainingError;
use crate::objective::log_probs;
use crate::store::Store;
use crate::train::Observer;

const FILE: &str = "reference.bin";

/// The log-prob of every response under the reference.
#[derive(Debug)]
pub struct Reference {
    path: PathBuf,
    file: File,
    /// First response of each example.
    starts: Vec<u64>,
}

impl Reference {
    /// Computes what is not yet in the working folder, `micro_tokens` at once.
    ///
    /// # Errors
    ///
    /// When the model fails, the file cannot be written, or the observer asks
    /// to stop; what was computed is kept.
    pub fn compute(
        model: &Model,
        store: &mut Store,
        dir: &Path,
        micro_tokens: usize,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainingError> {
        let path = dir.join(FILE);
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(&path).map_err(TrainingError::writing(&path))?;
        let mut starts = vec![0];
        for i in 0..store.len() {
            starts.push(starts[i] + store.n_referenced(i) as u64);
        }
        let found = file
            .metadata()
            .map_err(TrainingError::reading(&path))?
            .len()
            / 4;
        // Whole examples only: a kill may have left a part of one.
        let mut next = starts.partition_point(|&start| start <= found) - 1;
        let keep = starts[next] * 4;
        file.set_len(keep)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(TrainingError::writing(&path))?;
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
            let found = log_probs(model, &trees)?;
            let bytes: Vec<u8> = found.iter().flat_map(|x| x.to_le_bytes()).collect();
            file.write_all(&bytes)
                .map_err(TrainingError::writing(&path))?;
            observer.advance((next - first) as u64);
            if observer.stops() {
                return Err(TrainingError::Interrupted);
            }
        }
        Ok(Self { path, file, starts })
    }

    /// Returns an example's log-probs, `[response]`, a mismatched one last.
    pub(crate) fn get(&mut self, i: usize) -> Result<Vec<f32>, TrainingError> {
        let (start, end) = (self.starts[i], self.starts[i + 1]);
        let mut bytes = vec![0; (end - start) as usize * 4];
        self.file
            .seek(SeekFrom::Start(start * 4))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(TrainingError::reading(&self.path))?;
        let values = bytes.chunks_exact(4);
        Ok(values
            .map(|it| f32::from_le_bytes(it.try_into().expect("four bytes")))
            .collect())
    }
}
