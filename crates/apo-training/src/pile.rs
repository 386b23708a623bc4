//! Responses of several tables, brought together by query: the responses on
//! disk, their keys in memory.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::example::Example;

const FILE: &str = "responses.bin";

/// What a response is to its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// A golden answer.
    Golden,
    /// The policy's.
    Sample,
    /// What people preferred.
    Chosen,
    /// What they did not.
    Rejected,
}

/// A response to a query, as token ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The query's id.
    pub query_id: String,
    /// What it is.
    pub part: Part,
    /// Sample number, or the number of the pair.
    pub number: u32,
    /// Whether an end of text belongs after it.
    pub complete: bool,
    /// The reward model's score, where there is one.
    pub reward: f32,
    /// Its log-prob under the reference, where that is known.
    pub reference: Option<f32>,
    /// The prompt's ids.
    pub prompt: Vec<u32>,
    /// The response's ids, without end of text.
    pub response: Vec<u32>,
}

/// Pieces being gathered.
#[derive(Debug)]
pub struct Pile {
    path: PathBuf,
    file: BufWriter<File>,
    at: u64,
    /// Query, part, number, first byte, bytes.
    entries: Vec<(u64, Part, u32, u64, u32)>,
}

impl Pile {
    /// Begins in a working folder.
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
            entries: Vec::new(),
        })
    }

    /// Adds a piece.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, piece: &Piece) -> Result<(), TrainingError> {
        let bytes = serde_json::to_vec(piece).expect("plain data");
        self.file
            .write_all(&bytes)
            .map_err(TrainingError::writing(&self.path))?;
        let key = crate::store::hash(&[piece.query_id.as_bytes()]);
        let n = bytes.len() as u32;
        self.entries
            .push((key, piece.part, piece.number, self.at, n));
        self.at += u64::from(n);
        Ok(())
    }

    /// Calls `each` with the pieces of every query, sorted by part and number,
    /// and removes the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or what `each` fails with.
    pub fn by_query<E: From<TrainingError>>(
        mut self,
        mut each: impl FnMut(Vec<Piece>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.file
            .flush()
            .map_err(TrainingError::writing(&self.path))?;
        drop(self.file);
        self.entries.sort_unstable();
        let mut file = File::open(&self.path).map_err(TrainingError::reading(&self.path))?;
        for group in self.entries.chunk_by(|a, b| a.0 == b.0) {
            let mut pieces = Vec::with_capacity(group.len());
            for &(.., at, n) in group {
                let mut bytes = vec![0; n as usize];
                file.seek(SeekFrom::Start(at))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(TrainingError::reading(&self.path))?;
                let piece = serde_json::from_slice(&bytes).expect("as it was written");
                pieces.push(piece);
            }
            each(pieces)?;
        }
        fs::remove_file(&self.path).map_err(TrainingError::writing(&self.path))?;
        Ok(())
    }
}

/// How much was cut off to fit the limit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cuts {
    /// Responses in all.
    pub responses: u64,
    /// Prompts that lost their beginning.
    pub prompts_cut: u64,
    /// Responses that lost their end.
    pub responses_cut: u64,
}

/// Puts pieces into examples, cut to a limit.
#[derive(Debug)]
pub struct Fitter {
    /// Tokens of prompt and response.
    pub limit: usize,
    /// End of text.
    pub eos: u32,
    /// Beginning of text, where the model has one.
    pub bos: Option<u32>,
    /// What was cut so far.
    pub cuts: Cuts,
}

impl Fitter {
    /// Adds a piece's response to an example and returns its number there;
    /// none where nothing of it is left to learn from.
    pub fn add(&mut self, example: &mut Example, piece: &Piece) -> Option<u32> {
        let eos = piece.complete.then_some(self.eos);
        let fitted = apo_dialogue::fit(&piece.prompt, &piece.response, eos, self.bos, self.limit);
        self.cuts.responses += 1;
        self.cuts.prompts_cut += u64::from(fitted.prompt_cut > 0);
        self.cuts.responses_cut += u64::from(fitted.response_cut > 0);
        if fitted.response.is_empty() {
            return None;
        }
        example.query_id.clone_from(&piece.query_id);
        example.reference.extend(piece.reference);
        Some(example.add(fitted.prompt, fitted.response))
    }
}
