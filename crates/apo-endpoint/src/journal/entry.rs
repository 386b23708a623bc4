//! A line of a journal: a request and its outcome.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::request::Digest;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which request.
    pub request: Digest,
    /// Which model was asked, for people: the digest already depends on it.
    pub model: String,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Entry {
    /// Returns the line without a checksum, with its line end.
    pub fn line(&self) -> String {
        let mut line = self.json();
        line.push('\n');
        line
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("an entry is plain data")
    }

    pub(super) fn parse(json: &[u8]) -> serde_json::Result<Self> {
        let entry: Self = serde_json::from_slice(json)?;
        Ok(Self {
            outcome: entry.outcome.by_its_end(),
            ..entry
        })
    }
}
