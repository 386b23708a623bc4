//! Responses of several tables, brought together by query: the responses on
//! disk, their keys in memory.

use std::path::Path;

use apo_spool::{Place, Spool};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::example::Example;

/// Not kept when a stage stops: the tables give it again.
const FILE: &str = "responses.scratch";

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
    spool: Spool<Piece>,
    /// Query, part, number, place.
    entries: Vec<(u64, Part, u32, Place)>,
}

impl Pile {
    /// Begins in a working folder.
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

    /// Adds a piece.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, piece: &Piece) -> Result<(), TrainingError> {
        let key = crate::store::hash(&[piece.query_id.as_bytes()]);
        let place = self.spool.append(piece)?;
        self.entries.push((key, piece.part, piece.number, place));
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
        self.entries.sort_unstable();
        for group in self.entries.chunk_by(|a, b| a.0 == b.0) {
            let pieces = group.iter().map(|&(.., place)| self.spool.read(place));
            let pieces: Result<Vec<Piece>, _> = pieces.collect();
            each(pieces.map_err(TrainingError::from)?)?;
        }
        self.spool.remove().map_err(TrainingError::from)?;
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
