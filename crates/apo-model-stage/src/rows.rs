//! What stages ask of a row beyond its columns.

use std::path::Path;

use anyhow::{Context as _, Result};
use apo_dialogue::DialogueError;
use apo_tables::{Finish, Response};
use apo_training::Piece;

use apo_stage::bad_input;

/// The origin of a policy's responses.
const POLICY: &str = "policy";

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

/// Checks that a sample is none of the golden answers that it is to be compared
/// with.
///
/// # Errors
///
/// When its origin is another than a policy; as [`check_golden`].
pub fn check_sample(table: &Path, row: usize, response: &Response) -> Result<()> {
    if response.origin == POLICY {
        return Ok(());
    }
    let problem = format!(
        "`origin` is `{}`, expected `{POLICY}`: it is a golden answer and no sample; are --golden \
         and --samples swapped?",
        response.origin.chars().take(40).collect::<String>()
    );
    fault(table, row, response, &problem)
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

/// Checks that a query's responses have one prompt, and keys of their own.
///
/// # Errors
///
/// When they do not; the error names the query.
pub fn check_query(pieces: &[Piece]) -> Result<()> {
    let Some(first) = pieces.first() else {
        return Ok(());
    };
    let query = &first.query_id;
    if pieces.iter().any(|piece| piece.prompt != first.prompt) {
        return Err(bad_input(format!(
            "query {query} stands in the tables with different prompts, expected one a query"
        )));
    }
    // Pieces are sorted by part and number.
    let twice = pieces
        .windows(2)
        .find(|it| (it[0].part, it[0].number) == (it[1].part, it[1].number));
    match twice {
        None => Ok(()),
        Some(it) => Err(bad_input(format!(
            "query {query} has two responses with `sample` {}, expected numbers of their own",
            it[0].number
        ))),
    }
}

/// Names the table and the query whose text was to become tokens.
///
/// # Errors
///
/// When it did not.
pub fn tokens<T>(table: &Path, query_id: &str, found: Result<T, DialogueError>) -> Result<T> {
    found.with_context(|| {
        let table = table.display();
        format!("{table}, query {query_id}: its text does not become tokens")
    })
}

fn fault(table: &Path, row: usize, response: &Response, problem: &str) -> Result<()> {
    Err(bad_input(format!(
        "{}, row {row} (from 0), query {}: {problem}",
        table.display(),
        response.query_id
    )))
}
