//! What stages ask of a row beyond its columns.

use std::path::Path;

use anyhow::Result;
use apo_tables::{Finish, Response};

use crate::exit::bad_input;

/// Checks that a golden answer says something.
///
/// # Errors
///
/// When it does not; the error names the table, its row, from 0, and the query.
pub fn check_golden(table: &Path, row: usize, response: &Response) -> Result<()> {
    if response.finish != Finish::Empty {
        return Ok(());
    }
    fault(
        table,
        row,
        response,
        "`response` is empty, expected an answer",
    )
}

/// Checks that a response has its reward.
///
/// # Errors
///
/// When it has none, or one that is not finite; as [`check_golden`].
pub fn check_scored(table: &Path, row: usize, response: &Response) -> Result<()> {
    match response.reward {
        Some(reward) if reward.is_finite() => Ok(()),
        Some(reward) => {
            let problem = format!("`reward` is {reward}, expected a finite number");
            fault(table, row, response, &problem)
        }
        None => fault(
            table,
            row,
            response,
            "`reward` is null; `judge score` fills it",
        ),
    }
}

fn fault(table: &Path, row: usize, response: &Response, problem: &str) -> Result<()> {
    Err(bad_input(format!(
        "{}, row {row} (from 0), query {}: {problem}",
        table.display(),
        response.query_id
    )))
}
