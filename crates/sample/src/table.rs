//! Writes the table of responses.

use std::path::Path;

use anyhow::Result;
use apo_provenance::Provenance;
use apo_tables::{Finish, POLICY, Query, Response, Writer};

/// Name of the table in the working folder.
pub const TABLE: &str = "responses.parquet";

/// What is known of a response; the query has the rest of its row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    pub response: String,
    pub finish: Finish,
    /// Tokens generated, including the end of text.
    pub tokens: Option<i32>,
    /// Their log-prob under the unchanged model, in nats.
    pub log_prob: Option<f32>,
}

/// Writes the table in the order of the queries, then of the samples. `found` returns all
/// samples of a query.
///
/// # Errors
///
/// When a query cannot be read, `found` fails, or the disk is full.
pub fn write(
    folder: &Path,
    provenance: &Provenance,
    queries: impl Iterator<Item = Result<Query>>,
    mut found: impl FnMut(&Query) -> Result<Vec<Sampled>>,
) -> Result<()> {
    let mut writer = Writer::create(&folder.join(TABLE), provenance)?;
    for query in queries {
        let query = query?;
        for (sample, sampled) in (0..).zip(found(&query)?) {
            writer.write(&Response {
                query_id: query.query_id.clone(),
                subset: query.subset.clone(),
                prompt: query.prompt.clone(),
                sample,
                response: sampled.response,
                origin: POLICY.to_owned(),
                finish: sampled.finish,
                tokens: sampled.tokens,
                log_prob: sampled.log_prob,
                reward: None,
            })?;
        }
    }
    writer.finish()?;
    Ok(())
}
