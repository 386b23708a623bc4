//! Log-probs under the reference that were computed once for many alignments on
//! the same responses.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::path::Path;

use anyhow::Result;
use apo_dialogue::DialogueTokenizer;
use apo_model_stage::{models, precision};
use apo_provenance::stage_names::JUDGE_LOG_PROBS;
use apo_provenance::{Input, Provenance};
use apo_stage::bad_input;
use apo_tables::{Reader, Response};
use serde_json::Value;

use crate::args::Common;

/// The reference's log-probs of responses, by a hash of the response.
#[derive(Debug)]
pub struct KnownLogProbs(HashMap<u64, f32>);

impl KnownLogProbs {
    /// Reads a table that `judge log-probs` wrote with this reference and the
    /// alignment's template and limit.
    ///
    /// # Errors
    ///
    /// When the table differs in any of these: all differences in one error.
    pub fn read(
        path: &Path,
        (dir, reference): (&Path, &Input),
        common: &Common,
        tokenizer: &DialogueTokenizer,
    ) -> Result<Self> {
        let reader = Reader::<Response>::open_filled(path)?;
        let fault = |problem: &str| {
            let (path, reference) = (path.display(), dir.display());
            bad_input(format!(
                "{path}: {problem}; run `{JUDGE_LOG_PROBS} --model {reference} --limit {}` on the responses \
                 to make it",
                common.limit.tokens
            ))
        };
        let found = if path.is_file() {
            apo_tables::provenance(path)?
        } else {
            None
        };
        let Some(found) = found.filter(|it| it.stage == JUDGE_LOG_PROBS) else {
            return Err(fault(&format!("`{JUDGE_LOG_PROBS}` did not write it")));
        };
        let mut problems = Vec::new();
        let model = found.inputs.get("model").map(|it| it.digest.as_str());
        if model != Some(&reference.digest) {
            problems.push("its model is not the reference".to_owned());
        }
        let here = Provenance::new(JUDGE_LOG_PROBS, env!("CARGO_PKG_VERSION"))
            .argument("limit", common.limit.tokens);
        let here = models::with_template(here, tokenizer);
        let here = precision::with_precision(here, &common.compute, &common.model.dir)?;
        for name in ["limit", "template", "precision"] {
            let [there, here] =
                [&found, &here].map(|it| it.arguments.get(name).unwrap_or(&Value::Null));
            if there != here {
                problems.push(format!("its `{name}` is {there}, but this run's is {here}"));
            }
        }
        if !problems.is_empty() {
            return Err(fault(&problems.join(", ")));
        }
        let mut known = HashMap::with_capacity(reader.n_rows() as usize);
        for response in reader {
            let response = response?;
            if let Some(log_prob) = response.log_prob {
                known.insert(key(&response), log_prob);
            }
        }
        Ok(Self(known))
    }

    /// Returns a response's log-prob, in nats.
    ///
    /// # Errors
    ///
    /// When the table does not hold it.
    pub fn get(&self, table: &Path, row: usize, response: &Response) -> Result<f32> {
        self.0.get(&key(response)).copied().ok_or_else(|| {
            bad_input(format!(
                "{} row {row} (query {}, sample {}): --reference-log-probs has no log-prob of it; \
                 it must be made from the same responses",
                table.display(),
                response.query_id,
                response.sample
            ))
        })
    }
}

/// Returns a hash that identifies the response; collisions are very unlikely.
fn key(response: &Response) -> u64 {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    hasher.hash_one((
        &response.query_id,
        response.sample,
        &response.response,
        response.finish.as_str(),
    ))
}
