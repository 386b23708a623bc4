//! The texts of rows as tokens.

use std::path::Path;

use anyhow::{Context as _, Result};
use apo_dialogue::DialogueError;

/// Adds the table and the query to an error of tokenization.
///
/// # Errors
///
/// When tokenization failed.
pub fn tokens<T>(table: &Path, query_id: &str, found: Result<T, DialogueError>) -> Result<T> {
    found.with_context(|| {
        let table = table.display();
        format!("{table}, query {query_id}: cannot tokenize its text")
    })
}
