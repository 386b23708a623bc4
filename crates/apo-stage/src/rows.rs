//! The reward of a response, and the error of a bad row.

use std::path::Path;

use anyhow::{Error, Result};
use apo_tables::Response;

use crate::error::bad_input;

/// Returns the reward of a response.
///
/// # Errors
///
/// When it is missing or not finite; the error names the table, the row, counted
/// from 0, and the query.
pub fn check_scored(table: &Path, row: usize, response: &Response) -> Result<f32> {
    match response.reward {
        Some(reward) if reward.is_finite() => Ok(reward),
        Some(reward) => {
            let problem = format!("`reward` is {reward}, expected a finite number");
            Err(row_error(table, row, response, &problem))
        }
        None => Err(row_error(
            table,
            row,
            response,
            "`reward` is null; `judge score` fills it",
        )),
    }
}

/// Returns the error of a bad row, which names the table, the row, counted from 0,
/// and the query.
pub fn row_error(table: &Path, row: usize, response: &Response, problem: &str) -> Error {
    bad_input(format!(
        "{}, row {row} (from 0), query {}: {problem}",
        table.display(),
        response.query_id
    ))
}
