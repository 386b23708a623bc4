//! Prompts as token ids, and the seed of each sample.

use anyhow::Result;
use apo_dialogue::{DialogueTokenizer, fit_prompt};
use apo_model_stage::rows::with_row;
use apo_provenance::short_digest;
use apo_tables::Query;

use crate::args::Args;

/// A query's prompt as the model reads it.
#[derive(Debug)]
pub struct Prompt {
    pub ids: Vec<u32>,
    /// Whether it lost its beginning.
    pub is_cut: bool,
}

/// Tokenizes a query's prompt within `--prompt-limit`.
///
/// # Errors
///
/// When the template or the tokenizer fails.
pub fn prompt(args: &Args, tokenizer: &DialogueTokenizer, query: &Query) -> Result<Prompt> {
    let keep = args.prompt_limit as usize;
    let whole = with_row(
        &args.queries,
        &query.query_id,
        tokenizer.encode_prompt(&query.prompt, keep),
    )?;
    let ids = fit_prompt(&whole, tokenizer.bos(), keep);
    let is_cut = ids.len() < whole.len();
    Ok(Prompt { ids, is_cut })
}

/// Returns the seed of one sample of one query.
pub fn seed_of(seed: u64, query_id: &str, sample: i32) -> u64 {
    short_digest(&[
        &seed.to_le_bytes(),
        &sample.to_le_bytes(),
        query_id.as_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_sample_has_a_seed_of_its_own() {
        let seeds: HashSet<u64> = (0..2)
            .flat_map(|seed| ["a", "b"].map(|id| (seed, id)))
            .flat_map(|(seed, id)| (0..4).map(move |sample| seed_of(seed, id, sample)))
            .collect();
        assert_eq!(seeds.len(), 16);
    }
}
