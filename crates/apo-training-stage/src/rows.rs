//! Checks of golden answers and samples, and the tokens of rows.

use std::path::Path;

use anyhow::Result;
use apo_dialogue::DialogueTokenizer;
use apo_import::Rendered;
use apo_model_stage::rows::with_row;
use apo_stage::rows::row_error;
use apo_stage::{signals, warn};
use apo_tables::tables::is_policy;
use apo_tables::{Finish, POLICY, Pair, Reader, Response};
use apo_training::{ResponseRole, ResponseSpool, TokenizedResponse};

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

/// Adds both responses of people's preferences to a spool, as tokens, and returns the
/// number of pairs; others than `is_used` are left out. `keep` is the least number of tokens
/// that is kept of a long text. Warns of prompts that another program rendered.
///
/// # Errors
///
/// When a row is malformed, when the disk is full, or when a signal stopped the work.
pub fn add_pairs(
    pairs: Reader<Pair>,
    is_used: impl Fn(&Pair) -> bool,
    tokenizer: &DialogueTokenizer,
    keep: usize,
    spool: &mut ResponseSpool,
) -> Result<usize> {
    let path = pairs.path().to_owned();
    let mut rendered = Rendered::default();
    let mut n = 0;
    for (number, pair) in (0..).zip(pairs) {
        let pair = pair?;
        if !is_used(&pair) {
            continue;
        }
        n += 1;
        rendered.add(number as usize, &pair.prompt);
        let prompt = tokenizer.encode_prompt(&pair.prompt, keep);
        let prompt = with_row(&path, &pair.query_id, prompt)?;
        for (role, text) in [
            (ResponseRole::Chosen, &pair.chosen),
            (ResponseRole::Rejected, &pair.rejected),
        ] {
            let response = tokenizer.encode_response(&prompt, text, keep);
            spool.add(&TokenizedResponse {
                reference: None,
                query_id: pair.query_id.clone(),
                role,
                number,
                complete: true,
                reward: None,
                prompt: prompt.clone(),
                response: with_row(&path, &pair.query_id, response)?,
            })?;
        }
        signals::check()?;
    }
    if let Some(sentence) = rendered.sentence(&path) {
        warn(&sentence);
    }
    Ok(n)
}
