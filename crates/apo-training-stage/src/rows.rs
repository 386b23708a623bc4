//! Checks of golden answers and samples, and the tokens of a row.

use std::path::Path;

use anyhow::Result;
use apo_stage::rows::row_error;
use apo_tables::tables::is_policy;
use apo_tables::{Finish, POLICY, Response};
use apo_training::{ResponseRole, TokenizedResponse};

/// Checks that a golden answer is not empty, and not a policy's.
///
/// # Errors
///
/// When it is; the error names the table, its row, from 0, and the query.
pub fn check_golden(table: &Path, row: usize, response: &Response) -> Result<()> {
    if response.finish == Finish::Empty {
        let problem = "`response` is empty, expected an answer";
        return Err(row_error(table, row, response, problem));
    }
    if is_policy(&response.origin) {
        let problem = format!(
            "`origin` is `{POLICY}`, which only samples have, expected a golden answer's; is a \
             table of samples given as --golden?"
        );
        return Err(row_error(table, row, response, &problem));
    }
    Ok(())
}

/// Checks that a sample is not one of the golden answers that it is compared with.
///
/// # Errors
///
/// When its origin is not a policy; the error is like that of [`check_golden`].
pub fn check_sample(table: &Path, row: usize, response: &Response) -> Result<()> {
    if is_policy(&response.origin) {
        return Ok(());
    }
    let problem = format!(
        "`origin` is `{}`, expected `{POLICY}`, which only samples have; are --golden and \
         --samples swapped?",
        response.origin.chars().take(40).collect::<String>()
    );
    Err(row_error(table, row, response, &problem))
}

/// Returns a row's response as tokens, without its reward and the reference's
/// log-prob; `ids` are those of its prompt and of itself.
pub fn tokenized(
    role: ResponseRole,
    response: &Response,
    (prompt, ids): (Vec<u32>, Vec<u32>),
) -> TokenizedResponse {
    TokenizedResponse {
        reference: None,
        query_id: response.query_id.clone(),
        role,
        number: response.sample as u32,
        complete: response.finish.is_complete(),
        reward: None,
        prompt,
        response: ids,
    }
}
