//! Examples on disk, made from the tokenized responses to each query.

use std::path::Path;

use anyhow::Result;
use apo_dialogue::{DialogueTokenizer, Truncation, TruncationCounts};
use apo_stage::{bad_input, signals};
use apo_training::{Example, ResponseSpool, StoreWriter, TokenizedResponse};

/// Writes the examples of all queries into the working folder, and returns them with
/// counts of what was truncated.
///
/// `example_of` makes an example of the responses to a query, sorted by role and number,
/// or returns `None` if there is nothing to learn from them. Its `Truncation` fits a
/// prompt and a response to `limit` tokens in all.
///
/// # Errors
///
/// When the responses to a query have different prompts or the same number, when the
/// disk is full, or when a signal stopped the work.
pub fn write_examples(
    spool: ResponseSpool,
    tokenizer: &DialogueTokenizer,
    limit: u32,
    dir: &Path,
    mut example_of: impl FnMut(&[TokenizedResponse], &mut Truncation) -> Option<Example>,
) -> Result<(StoreWriter, TruncationCounts)> {
    let mut truncation = tokenizer.truncation(limit as usize);
    let mut store = StoreWriter::create(dir)?;
    spool.by_query(|responses| -> Result<()> {
        check_query(&responses)?;
        if let Some(example) = example_of(&responses, &mut truncation) {
            store.add(&example)?;
        }
        Ok(signals::check()?)
    })?;
    Ok((store, truncation.counts))
}

/// Checks that a query's responses have the same prompt, and different keys.
///
/// # Errors
///
/// When they do not; the error names the query.
fn check_query(responses: &[TokenizedResponse]) -> Result<()> {
    let Some(first) = responses.first() else {
        return Ok(());
    };
    let query = &first.query_id;
    if responses
        .iter()
        .any(|response| response.prompt != first.prompt)
    {
        return Err(bad_input(format!(
            "query {query} has different prompts in the tables, expected one"
        )));
    }
    // Responses are sorted by role and number.
    let twice = responses
        .windows(2)
        .find(|it| (it[0].role, it[0].number) == (it[1].role, it[1].number));
    match twice {
        None => Ok(()),
        Some(it) => Err(bad_input(format!(
            "query {query} has two responses with `sample` {}, expected different numbers",
            it[0].number
        ))),
    }
}
