//! Chooses each query's golden answer, and writes the table of them.

use std::path::Path;

use anyhow::Result;
use apo_endpoint::{Endpoint, Request};
use apo_endpoint_stage::classify;
use apo_golden::{Collected, Collector, Golden};
use apo_provenance::Provenance;
use apo_stage::bad_input;
use apo_tables::{Query, Reader, Response, Writer};
use apo_thought::is_doubtful;

use crate::answers::{Answers, Filed};
use crate::better::Better;
use crate::tally::Tally;

/// The table inside the working folder.
pub const TABLE: &str = "golden.parquet";

/// The sources of golden answers.
#[derive(Debug)]
pub struct Sources<'a> {
    pub answers: &'a Answers,
    pub model: Option<(&'a Collector, &'a Endpoint)>,
    pub better: Option<&'a Better>,
}

impl Sources<'_> {
    /// Returns a query's golden answer, from a file, else from a model, else from the HH
    /// data, and the tokens that it cost.
    fn golden(&self, query: &Query) -> Result<Collected> {
        if let Some(filed) = self.answers.to(query) {
            return Ok(of_filed(filed, Collected::default()));
        }
        let mut found = Collected::default();
        if let Some((collector, endpoint)) = self.model {
            let recorded = |request: &Request| endpoint.recorded(request);
            found = collector
                .collect(&query.query_id, &query.prompt, recorded)
                .map_err(classify)?;
        }
        if found.golden.is_none()
            && let Some(filed) = self.better.and_then(|better| better.to(query))
        {
            return Ok(of_filed(filed, found));
        }
        Ok(found)
    }
}

/// Returns an outcome with the golden answer of a file or table.
fn of_filed(filed: &Filed, found: Collected) -> Collected {
    Collected {
        golden: Some(filed.golden.clone()),
        thought_removed: filed.thought_removed,
        may_hold_thought: is_doubtful(&filed.golden.response),
        tokens_removed: filed.tokens_removed,
        ..found
    }
}

/// Writes the golden answers in the order of the queries, and counts them.
///
/// # Errors
///
/// When a table cannot be read or written, or no query has a golden answer.
pub fn table(
    queries: &Path,
    sources: &Sources<'_>,
    dir: &Path,
    provenance: &Provenance,
) -> Result<Tally> {
    let path = dir.join(TABLE);
    let mut writer = Writer::<Response>::create(&path, provenance)?;
    let mut tally = Tally::new();
    for query in Reader::<Query>::open(queries)? {
        let query = query?;
        let found = sources.golden(&query)?;
        tally.add(&found);
        if let Some(golden) = found.golden {
            writer.write(&row(query, golden))?;
        }
    }
    writer.finish()?;
    if tally.rows == 0 {
        return Err(bad_input(
            "no query has a golden answer: no reply came, and there is no pair of these queries \
             whose better response could stand in",
        ));
    }
    Ok(tally)
}

fn row(query: Query, golden: Golden) -> Response {
    Response {
        finish: golden.finish,
        ..Response::new(query, golden.response, golden.origin.as_str())
    }
}
