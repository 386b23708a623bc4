//! Errors in rows of tables.

use std::path::Path;

use anyhow::{Context as _, Result};
use apo_dialogue::DialogueError;

/// Adds the table and the query of a row to an error of tokenization.
///
/// # Errors
///
/// When tokenization failed.
pub fn with_row<T>(table: &Path, query_id: &str, tokens: Result<T, DialogueError>) -> Result<T> {
    tokens.with_context(|| {
        let table = table.display();
        format!("{table}, query {query_id}: cannot tokenize its text")
    })
}
