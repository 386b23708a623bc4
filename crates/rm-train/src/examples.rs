//! Makes examples from the tables: all responses to a query in one example.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Result;
use apo_dialogue::{DialogueTokenizer, Truncation, TruncationCounts};
use apo_model_stage::rows::with_row;
use apo_stage::{bad_input, signals};
use apo_tables::{Pair, Reader, Response};
use apo_training::{
    Comparison, ComparisonKind, Example, ExampleStore, ResponseRole, ResponseSpool,
    TokenizedResponse,
};
use apo_training_stage::Cleaned;
use apo_training_stage::rows::{add_pairs, check_golden, check_sample, tokenized};
use serde::Serialize;

use crate::args::Args;
use crate::inputs::Tables;

/// Counts of the training data.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    queries: u64,
    pairs: u64,
    golden_over_samples: u64,
    /// Golden answers without samples of their query, or samples without a
    /// golden answer.
    without_counterpart: u64,
    #[serde(flatten)]
    cleaned: Cleaned,
    #[serde(flatten)]
    truncated: TruncationCounts,
}

/// Writes the examples of all queries into the working folder.
///
/// # Errors
///
/// When a row is malformed, when there is nothing to compare, no pair is left or no golden
/// answer can be compared with a sample, when the disk is full, or when a signal stopped
/// the work.
pub fn gather(
    args: &Args,
    tables: Tables,
    tokenizer: &DialogueTokenizer,
    dir: &Path,
) -> Result<(ExampleStore, Counts)> {
    let mut spool = ResponseSpool::create(dir)?;
    let keep = args.limit.tokens as usize;
    let mut counts = Counts::default();
    let has_golden = tables.golden.is_some();
    if let Some(pairs) = tables.pairs {
        let is_used = |pair: &Pair| args.uses_pairs_of(&pair.query_id);
        let n = add_pairs(pairs, is_used, tokenizer, keep, &mut spool)?;
        if let (0, Some(share)) = (n, args.tables.pairs_share) {
            return Err(bad_input(format!(
                "--pairs-share {share} leaves none of the pairs; give a larger share"
            )));
        }
    }
    for (role, table) in [
        (ResponseRole::Golden, tables.golden),
        (ResponseRole::Sample, tables.samples),
    ] {
        if let Some(table) = table {
            add_responses(
                role,
                table,
                tokenizer,
                keep,
                &mut counts.cleaned,
                &mut spool,
            )?;
        }
    }
    let mut truncation = tokenizer.truncation(keep);
    let store = spool.write_examples(dir, |responses| -> Result<Option<Example>> {
        signals::check()?;
        let example = example(responses, &mut truncation, &mut counts);
        let is_filled = !example.comparisons.is_empty();
        counts.queries += u64::from(is_filled);
        Ok(is_filled.then_some(example))
    })?;
    counts.truncated = truncation.counts;
    counts.cleaned.warn();
    if has_golden && counts.golden_over_samples == 0 {
        let cause = match counts.cleaned.left_out() {
            0 => String::new(),
            n => format!(" (not counting the {n} golden answers that were left out)"),
        };
        return Err(bad_input(format!(
            "no golden answer can be compared with a sample: no query has both{cause}; --golden and \
             --samples must answer the same queries"
        )));
    }
    Ok((store.finish()?, counts))
}

/// Adds golden answers, one for each query, or samples.
fn add_responses(
    role: ResponseRole,
    table: Reader<Response>,
    tokenizer: &DialogueTokenizer,
    keep: usize,
    cleaned: &mut Cleaned,
    spool: &mut ResponseSpool,
) -> Result<()> {
    let path = table.path().to_owned();
    let mut seen = HashSet::new();
    for (row, response) in table.enumerate() {
        let mut response = response?;
        if role == ResponseRole::Sample {
            check_sample(&path, row, &response)?;
        }
        if role == ResponseRole::Golden {
            check_golden(&path, row, &response)?;
            if !seen.insert(response.query_id.clone()) {
                return Err(bad_input(format!(
                    "{}, row {row} (from 0): query {} is in an earlier row as well; expected one \
                     golden answer for each query",
                    path.display(),
                    response.query_id
                )));
            }
            if !cleaned.golden(&mut response) {
                continue;
            }
        }
        let ids = tokenizer.encode(&response.prompt, &response.response, keep);
        let ids = with_row(&path, &response.query_id, ids)?;
        spool.add(&tokenized(role, &response, ids))?;
        signals::check()?;
    }
    Ok(())
}

/// Makes the example of a query: the golden answer above each sample, and each
/// pair's chosen above its rejected response. A response without a counterpart
/// adds nothing.
fn example(
    responses: &[TokenizedResponse],
    truncation: &mut Truncation,
    counts: &mut Counts,
) -> Example {
    let of = |role: ResponseRole| {
        responses
            .iter()
            .filter(move |response| response.role == role)
    };
    let mut example = Example::default();
    let n_samples = of(ResponseRole::Sample).count();
    match (of(ResponseRole::Golden).next(), n_samples) {
        (None, 0) => {}
        (None, _) | (Some(_), 0) => counts.without_counterpart += 1,
        (Some(golden), _) => {
            let chosen = example.add_fitted(golden, truncation);
            for sample in of(ResponseRole::Sample) {
                let rejected = example.add_fitted(sample, truncation);
                if let (Some(chosen), Some(rejected)) = (chosen, rejected) {
                    counts.golden_over_samples += 1;
                    example.comparisons.push(Comparison {
                        chosen,
                        rejected,
                        kind: ComparisonKind::GoldenOverSample,
                        weight: 1.0 / n_samples as f32,
                    });
                }
            }
        }
    }
    counts.pairs += example.add_human_pairs(responses, truncation);
    example
}
