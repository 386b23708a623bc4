//! What is wrong with a record, or with a whole file.

use std::fmt;
use std::path::Path;

use apo_tables::TableError;

/// Why a record is rejected: one word each, as in the rejects table.
pub mod reason {
    /// It is not JSON, or a field is missing or has another type.
    pub const MALFORMED: &str = "malformed";
    /// It is not UTF-8.
    pub const NOT_UTF8: &str = "not_utf8";
    /// A text contains half of a surrogate pair, such as a lone `\ud83d`. This is half
    /// a character, which text in UTF-8 cannot hold.
    pub const LONE_SURROGATE: &str = "lone_surrogate";
    /// A message calls a tool in fields of its own, or comes from one, and it is not known
    /// whether the model's template renders it.
    pub const TOOL_TURN: &str = "tool_turn";
    /// A message holds something other than text, such as an image.
    pub const NOT_TEXT: &str = "not_text";
    /// A message's role is unknown.
    pub const UNKNOWN_ROLE: &str = "unknown_role";
    /// A message contains the marker of a turn, so that it would be read back as
    /// several turns.
    pub const QUOTES_A_TURN: &str = "quotes_a_turn";
    /// A text is rendered in another program's format already, so that it would be one
    /// turn with foreign marks in it.
    pub const RENDERED: &str = "rendered";
    /// Its own scores are equal.
    pub const SAME_SCORE: &str = "same_score";
    /// Its own scores prefer the rejected response.
    pub const OTHER_SCORE: &str = "other_score";
    /// A message is empty, and would be lost between its neighbours.
    pub const EMPTY_MESSAGE: &str = "empty_message";
    /// The query ends with the assistant's message.
    pub const ASSISTANT_LAST: &str = "assistant_last";
    /// A column belongs to the query, but is not read as part of it.
    pub const OTHER_QUERY: &str = "other_query";
    /// The responses repeat the prompt, but it is not clear where it ends.
    pub const REPEATS_PROMPT: &str = "repeats_prompt";
}

/// Why a record is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of fault, one word.
    pub reason: &'static str,
    /// The field and what is wrong with it, for people.
    pub detail: String,
}

impl Fault {
    /// Returns a fault.
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(reason::MALFORMED, detail)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Fault {}

/// Returns the error of a file that cannot be imported.
pub(crate) fn import_error(path: &Path, problem: &str) -> TableError {
    TableError::Import {
        path: path.into(),
        problem: problem.to_owned(),
    }
}
