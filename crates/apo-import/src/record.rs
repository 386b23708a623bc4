//! Records, before they are parsed.

use serde::de::DeserializeOwned;

use crate::fault::{Fault, reason};

/// The most characters that are shown of a rejected record.
const EXCERPT: usize = 200;

/// A record as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its line or row, counted from 1.
    pub line: u64,
    /// Its text, which may turn out not to be UTF-8 or JSON.
    pub json: Vec<u8>,
}

impl Record {
    /// Returns the record's beginning, to be shown.
    pub fn excerpt(&self) -> String {
        // A character takes four bytes at most.
        let begin = &self.json[..self.json.len().min(4 * EXCERPT)];
        String::from_utf8_lossy(begin)
            .chars()
            .take(EXCERPT)
            .collect()
    }

    /// Returns the record as text.
    pub(crate) fn text(&self) -> Result<&str, Fault> {
        std::str::from_utf8(&self.json).map_err(|error| {
            let at = error.valid_up_to() + 1;
            Fault::new(reason::NOT_UTF8, not_utf8(at))
        })
    }
}

/// Parses a record as a row of type `T`.
///
/// # Errors
///
/// When it is malformed; the error says how, in one line.
pub fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, String> {
    let text = record.text().map_err(|fault| fault.detail)?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Says that the byte at this place, from 1, is not UTF-8.
pub(crate) fn not_utf8(at: usize) -> String {
    format!(
        "byte {at} is not UTF-8; if it is Latin-1 or Windows-1252, `iconv -f WINDOWS-1252 -t UTF-8` \
         converts it"
    )
}
