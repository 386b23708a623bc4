//! The tables.

use crate::schema::{Column, ColumnType, Row as _, Table, Value, required};

mod documentation;
mod judged;
mod metric;
mod pair;
mod query;
mod reject;
mod response;

pub use documentation::documentation;
pub use judged::{SheetKey, Side, VerdictRow};
pub use metric::Metric;
pub use pair::Pair;
pub use query::Query;
pub use reject::Reject;
pub use response::{Finish, POLICY, Response, is_policy};

const QUERY_ID: Column = required(
    "query_id",
    ColumnType::Text,
    "first 16 hex digits of the SHA-256 of the prompt",
);
const SUBSET: Column = required(
    "subset",
    ColumnType::Text,
    "part of the data, such as `helpful-base`",
);
const PROMPT: Column = required(
    "prompt",
    ColumnType::Text,
    "the query: the dialogue up to and including its last `Assistant:`",
);

/// Reads a prompt, which must not be empty.
fn read_prompt(value: &Value<'_>) -> Result<String, (&'static str, String)> {
    let text = value.text();
    if text.trim().is_empty() {
        return Err(("prompt", "is empty, expected a query".into()));
    }
    Ok(text)
}

/// Returns a row's values as an array, so that each can have a name.
fn one_per_column<'a, const N: usize>(values: &'a [Value<'a>]) -> &'a [Value<'a>; N] {
    values
        .try_into()
        .expect("a row has a value for each column")
}

/// All tables, in the order of the documentation.
pub const ALL: [&Table; 7] = [
    Pair::TABLE,
    Query::TABLE,
    Response::TABLE,
    Metric::TABLE,
    Reject::TABLE,
    VerdictRow::TABLE,
    SheetKey::TABLE,
];
