//! What stages ask of a row beyond its columns.

use std::path::Path;

use anyhow::{Error, Result};
use apo_tables::Response;

use crate::exit::bad_input;

/// Checks that a response has its reward, and returns it.
///
/// # Errors
///
/// When it has none, or one that is not finite; the error names the table, its
/// row, from 0, and the query.
pub fn check_scored(table: &Path, row: usize, response: &Response) -> Result<f32> {
    match response.reward {
        Some(reward) if reward.is_finite() => Ok(reward),
        Some(reward) => {
            let problem = format!("`reward` is {reward}, expected a finite number");
            Err(fault(table, row, response, &problem))
        }
        None => Err(fault(
            table,
            row,
            response,
            "`reward` is null; `judge score` fills it",
        )),
    }
}

/// Makes the error of a row that is not what it should be: the table, the row,
/// from 0, and the query are named.
pub fn fault(table: &Path, row: usize, response: &Response, problem: &str) -> Error {
    bad_input(format!(
        "{}, row {row} (from 0), query {}: {problem}",
        table.display(),
        response.query_id
    ))
}
