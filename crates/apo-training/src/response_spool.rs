//! Tokenized responses of several tables, grouped by query: the responses are on
//! disk, their keys in memory.

use std::path::Path;

use apo_spool::{Place, Spool};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;
use crate::hash::hash;

/// Removed when a stage stops: the tables can be read again.
const FILE: &str = "responses.scratch";

/// The role of a response among those to its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResponseRole {
    /// A golden answer.
    Golden,
    /// A sample of the policy.
    Sample,
    /// An empty sample, kept apart where samples are ranked: it is never the chosen
    /// one.
    Empty,
    /// The response that people preferred.
    Chosen,
    /// The response that they did not prefer.
    Rejected,
}

/// A response to a query, as token ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizedResponse {
    /// The query's id.
    pub query_id: String,
    /// Its role.
    pub role: ResponseRole,
    /// Sample number, or the number of the pair.
    pub number: u32,
    /// Whether an end of text follows it.
    pub complete: bool,
    /// Its reward, if the table is scored.
    pub reward: Option<f32>,
    /// Its log-prob under the reference, if it is known.
    pub reference: Option<f32>,
    /// The prompt's ids.
    pub prompt: Vec<u32>,
    /// The response's ids, without end of text.
    pub response: Vec<u32>,
}

/// Tokenized responses on disk, while they are gathered.
#[derive(Debug)]
pub struct ResponseSpool {
    spool: Spool<TokenizedResponse>,
    /// Query, role, number, place.
    entries: Vec<(u64, ResponseRole, u32, Place)>,
}

impl ResponseSpool {
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

    /// Adds a response.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, response: &TokenizedResponse) -> Result<(), TrainingError> {
        let key = hash(&[response.query_id.as_bytes()]);
        let place = self.spool.append(response)?;
        self.entries
            .push((key, response.role, response.number, place));
        Ok(())
    }

    /// Calls `each` with the responses to every query, sorted by role and number,
    /// and removes the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or what `each` fails with.
    pub fn by_query<E: From<TrainingError>>(
        mut self,
        mut each: impl FnMut(Vec<TokenizedResponse>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.entries.sort_unstable();
        for group in self.entries.chunk_by(|a, b| a.0 == b.0) {
            let responses = group.iter().map(|&(.., place)| self.spool.read(place));
            let responses: Result<Vec<TokenizedResponse>, _> = responses.collect();
            each(responses.map_err(TrainingError::from)?)?;
        }
        self.spool.remove().map_err(TrainingError::from)?;
        Ok(())
    }
}
