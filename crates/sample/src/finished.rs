//! Finished responses on disk; their keys are in memory.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_spool::{Place, Spool};
use apo_stage::warn;
use apo_tables::Finish;
use serde::{Deserialize, Serialize};

use crate::summary::{Summary, Tally};
use crate::table::Sampled;

const FILE: &str = "finished.spool";

/// The part of a response that is kept on the disk; the queries have the rest.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub query_id: String,
    /// Number of the response to its query, from 0.
    pub sample: i32,
    pub response: String,
    pub finish: Finish,
    /// Tokens generated, including the end of text.
    pub tokens: i32,
    /// Their log-prob, in nats.
    pub log_prob: f32,
}

/// The finished responses.
#[derive(Debug)]
pub struct Finished {
    spool: Spool<Record>,
    kept: Kept,
}

/// The part of the finished responses that is kept in memory.
#[derive(Debug, Default)]
struct Kept {
    /// The place of each response, by query and sample.
    places: HashMap<(String, i32), Place>,
    tally: Tally,
}

impl Kept {
    fn add(&mut self, place: Place, record: Record) {
        let (tokens, log_prob) = (Some(record.tokens), Some(record.log_prob));
        self.tally.add(record.finish, tokens, log_prob);
        self.places.insert((record.query_id, record.sample), place);
    }
}

impl Finished {
    /// Loads the responses of an earlier run, if there are any.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let mut kept = Kept::default();
        let recovered = Spool::recover(&path, |place, record| {
            kept.add(place, record);
            ControlFlow::Continue(())
        })?;
        if recovered.damaged > 0 {
            warn(&format!(
                "{} is damaged; the lost responses are sampled again",
                path.display()
            ));
        }
        Ok(Self {
            spool: recovered.spool,
            kept,
        })
    }

    /// Returns the number of responses.
    pub fn len(&self) -> usize {
        self.kept.places.len()
    }

    /// Returns the query and sample of each response.
    pub fn keys(&self) -> HashSet<(String, i32)> {
        self.kept.places.keys().cloned().collect()
    }

    /// Appends a response.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn add(&mut self, record: Record) -> Result<()> {
        let place = self.spool.append(&record)?;
        self.kept.add(place, record);
        Ok(())
    }

    /// Returns a summary of the responses.
    pub fn summary(&self) -> Summary {
        self.kept.tally.summary()
    }

    /// Returns one response.
    ///
    /// # Errors
    ///
    /// When it is missing, or cannot be read.
    pub fn read(&mut self, query_id: &str, sample: i32) -> Result<Sampled> {
        let key = (query_id.to_owned(), sample);
        let place =
            self.kept.places.get(&key).with_context(|| {
                format!("sample {sample} of query {query_id} was not generated")
            })?;
        let record = self.spool.read(*place)?;
        Ok(Sampled {
            response: record.response,
            finish: record.finish,
            tokens: Some(record.tokens),
            log_prob: Some(record.log_prob),
        })
    }
}
