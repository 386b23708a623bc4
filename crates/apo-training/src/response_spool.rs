//! Tokenized responses of several tables, until each query's become its example: the
//! responses are on disk, their keys in memory.

use std::path::Path;

use apo_provenance::short_digest;
use apo_spool::{Place, Spool};

use crate::error::TrainingError;
use crate::example::Example;
use crate::example_store::ExampleStoreWriter;
use crate::response::{ResponseRole, TokenizedResponse};

/// Removed when a stage stops: the tables can be read again.
const FILE: &str = "responses.scratch";

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
        let key = short_digest(&[response.query_id.as_bytes()]);
        let place = self.spool.append(response)?;
        self.entries
            .push((key, response.role, response.number, place));
        Ok(())
    }

    /// Writes the examples of all queries into the working folder, and removes the
    /// responses' file.
    ///
    /// `example_of` makes an example of the responses to a query, sorted by role and
    /// number, or returns `None` if there is nothing to learn from them.
    ///
    /// # Errors
    ///
    /// When the responses to a query have different prompts or the same number, when a
    /// file cannot be read or written, or what `example_of` fails with.
    pub fn write_examples<E: From<TrainingError>>(
        mut self,
        dir: &Path,
        mut example_of: impl FnMut(&[TokenizedResponse]) -> Result<Option<Example>, E>,
    ) -> Result<ExampleStoreWriter, E> {
        let mut store = ExampleStoreWriter::create(dir)?;
        self.entries.sort_unstable();
        for group in self.entries.chunk_by(|a, b| a.0 == b.0) {
            let responses = group.iter().map(|&(.., place)| self.spool.read(place));
            let responses: Result<Vec<TokenizedResponse>, _> = responses.collect();
            let responses = responses.map_err(TrainingError::from)?;
            check_query(&responses)?;
            if let Some(example) = example_of(&responses)? {
                store.add(&example)?;
            }
        }
        self.spool.remove().map_err(TrainingError::from)?;
        Ok(store)
    }
}

/// Checks that a query's responses have the same prompt, and different keys.
///
/// # Errors
///
/// When they do not; the error names the query.
fn check_query(responses: &[TokenizedResponse]) -> Result<(), TrainingError> {
    let Some(first) = responses.first() else {
        return Ok(());
    };
    let refused = |found: String, expected: &'static str| TrainingError::Responses {
        query: first.query_id.clone(),
        found,
        expected,
    };
    if responses
        .iter()
        .any(|response| response.prompt != first.prompt)
    {
        return Err(refused("different prompts in the tables".into(), "one"));
    }
    // Responses are sorted by role and number.
    let twice = responses
        .windows(2)
        .find(|it| (it[0].role, it[0].number) == (it[1].role, it[1].number));
    match twice {
        None => Ok(()),
        Some(it) => Err(refused(
            format!("two responses with `sample` {}", it[0].number),
            "different numbers",
        )),
    }
}
