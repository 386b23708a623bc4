//! What several tables share: columns, and how values are read from them.

use crate::schema::{Column, ColumnType, Value, required};

pub(super) const QUERY_ID: Column = required(
    "query_id",
    ColumnType::Text,
    "first 16 hex digits of the SHA-256 of the prompt",
);
pub(super) const SUBSET: Column = required(
    "subset",
    ColumnType::Text,
    "part of the data, such as `helpful-base`",
);
pub(super) const PROMPT: Column = required(
    "prompt",
    ColumnType::Text,
    "the query: its system message after `System:`, if it has one, and the dialogue up to and including its last `Assistant:`, results of tools after `Tool:`; where a message quotes a marker, a backslash precedes its name (`\\Human:`)",
);

/// Reads a prompt, which must not be empty.
pub(super) fn read_prompt(value: &Value<'_>) -> Result<String, (&'static str, String)> {
    let text = value.text();
    if text.trim().is_empty() {
        return Err(("prompt", "is empty, expected a query".into()));
    }
    Ok(text)
}

/// Returns a row's values as an array, so that each can have a name.
pub(super) fn one_per_column<'a, const N: usize>(values: &'a [Value<'a>]) -> &'a [Value<'a>; N] {
    values
        .try_into()
        .expect("a row has a value for each column")
}
