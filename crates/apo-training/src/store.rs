//! Examples on disk, their places in memory.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::TrainingError;
use crate::example::Example;

const FILE: &str = "examples.bin";

/// What is kept of an example in memory.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// First byte.
    at: u64,
    n_words: u32,
    n_tokens: u32,
    n_referenced: u32,
    /// Of the query's id.
    hash: u64,
}

/// Examples being written.
#[derive(Debug)]
pub struct StoreWriter {
    path: PathBuf,
    file: BufWriter<File>,
    at: u64,
    places: Vec<Place>,
}

pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let digest = hasher.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

impl StoreWriter {
    /// Begins a store in a working folder, replacing an earlier one.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(dir: &Path) -> Result<Self, TrainingError> {
        let path = dir.join(FILE);
        let file = File::create(&path).map_err(TrainingError::writing(&path))?;
        Ok(Self {
            path,
            file: BufWriter::with_capacity(1 << 20, file),
            at: 0,
            places: Vec::new(),
        })
    }

    /// Adds an example.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, example: &Example) -> Result<(), TrainingError> {
        let words = example.encode();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.file
            .write_all(&bytes)
            .map_err(TrainingError::writing(&self.path))?;
        self.places.push(Place {
            at: self.at,
            n_words: words.len() as u32,
            n_tokens: example.n_tokens() as u32,
            n_referenced: example.n_referenced() as u32,
            hash: hash(&[example.query_id.as_bytes()]),
        });
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Ends the store, ready to be read.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or holds nothing.
    pub fn finish(mut self) -> Result<Store, TrainingError> {
        self.file
            .flush()
            .map_err(TrainingError::writing(&self.path))?;
        drop(self.file);
        if self.places.is_empty() {
            return Err(TrainingError::NoExamples(
                "no query has what the objective needs".into(),
            ));
        }
        // By query, so that nothing depends on the order of the input.
        self.places.sort_by_key(|place| (place.hash, place.n_words));
        let file = File::open(&self.path).map_err(TrainingError::reading(&self.path))?;
        Ok(Store {
            path: self.path,
            file,
            places: self.places,
        })
    }
}

/// Examples on disk, numbered from 0.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
    places: Vec<Place>,
}

impl Store {
    /// Returns how many examples there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the tokens of an example.
    pub fn n_tokens(&self, i: usize) -> usize {
        self.places[i].n_tokens as usize
    }

    /// Returns the responses of an example whose log-probs the reference gives.
    pub(crate) fn n_referenced(&self, i: usize) -> usize {
        self.places[i].n_referenced as usize
    }

    /// Reads an example.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn get(&mut self, i: usize) -> Result<Example, TrainingError> {
        let place = self.places[i];
        let mut bytes = vec![0; place.n_words as usize * 4];
        self.file
            .seek(SeekFrom::Start(place.at))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(TrainingError::reading(&self.path))?;
        let words = bytes.chunks_exact(4);
        let words: Vec<u32> = words
            .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
            .collect();
        Ok(Example::decode(&words))
    }

    /// Returns the order of an epoch: a shuffle by seed and query.
    pub(crate) fn order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let key = |i: usize| {
            let hash_of = self.places[i].hash.to_le_bytes();
            hash(&[&seed.to_le_bytes(), &epoch.to_le_bytes(), &hash_of])
        };
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_cached_key(|&i| (key(i), i));
        order
    }

    /// Removes the file; the training is over.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), TrainingError> {
        fs::remove_file(&self.path).map_err(TrainingError::writing(&self.path))
    }
}
