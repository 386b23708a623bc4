//! Examples on disk; their places are in memory.

use std::path::Path;

use apo_provenance::short_digest;
use apo_spool::{Place, Spool};

use crate::error::TrainingError;
use crate::example::Example;

/// Removed when a stage stops: the tables can be read again.
const FILE: &str = "examples.scratch";

/// What memory holds of an example.
#[derive(Clone, Copy, Debug)]
struct Entry {
    place: Place,
    n_tokens: u32,
    n_referenced: u32,
    /// Hash of the query's id.
    hash: u64,
}

/// Writes an [`ExampleStore`].
#[derive(Debug)]
pub struct ExampleStoreWriter {
    spool: Spool<Example>,
    entries: Vec<Entry>,
}

impl ExampleStoreWriter {
    /// Creates a store in a working folder, replacing an earlier one.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(dir: &Path) -> Result<Self, TrainingError> {
        Ok(Self {
            spool: Spool::create(&dir.join(FILE))?,
            entries: Vec::new(),
        })
    }

    /// Adds an example.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, example: &Example) -> Result<(), TrainingError> {
        self.entries.push(Entry {
            place: self.spool.append(example)?,
            n_tokens: example.n_tokens() as u32,
            n_referenced: example.n_referenced() as u32,
            hash: short_digest(&[example.query_id.as_bytes()]),
        });
        Ok(())
    }

    /// Finishes the store for reading.
    ///
    /// # Errors
    ///
    /// When it is empty.
    pub fn finish(mut self) -> Result<ExampleStore, TrainingError> {
        if self.entries.is_empty() {
            return Err(TrainingError::NoExamples(
                "no query has what the objective needs".into(),
            ));
        }
        // Sorted by query, so that the order of the input does not matter.
        self.entries
            .sort_by_key(|entry| (entry.hash, entry.n_tokens));
        Ok(ExampleStore {
            spool: self.spool,
            entries: self.entries,
        })
    }
}

/// Examples on disk, numbered from 0.
#[derive(Debug)]
pub struct ExampleStore {
    spool: Spool<Example>,
    entries: Vec<Entry>,
}

impl ExampleStore {
    /// Returns the number of examples.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of tokens of an example.
    pub fn n_tokens(&self, i: usize) -> usize {
        self.entries[i].n_tokens as usize
    }

    /// Returns how many responses of an example need the reference's log-probs.
    pub(crate) fn n_referenced(&self, i: usize) -> usize {
        self.entries[i].n_referenced as usize
    }

    /// Reads an example.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is damaged.
    pub fn get(&mut self, i: usize) -> Result<Example, TrainingError> {
        Ok(self.spool.read(self.entries[i].place)?)
    }

    /// Returns the order of an epoch: a shuffle by seed and query id.
    pub(crate) fn order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let key = |i: usize| {
            let hash_of = self.entries[i].hash.to_le_bytes();
            short_digest(&[&seed.to_le_bytes(), &epoch.to_le_bytes(), &hash_of])
        };
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_cached_key(|&i| (key(i), i));
        order
    }
}
