//! How trainings went: their metrics.

use std::path::Path;

use anyhow::Result;
use apo_provenance::METRICS;
use apo_tables::{Metric, Reader};
use serde::Serialize;
use serde_json::Value;

/// How a training went.
#[derive(Debug, Serialize)]
pub struct Training {
    /// The model's folder in the run.
    pub at: String,
    /// The stage, with its method.
    pub stage: String,
    pub steps: usize,
    pub tokens: i64,
    pub metrics: Vec<Metric>,
}

/// Reads the metrics of every model among the run's files.
///
/// # Errors
///
/// When a table cannot be read.
pub fn trainings(dir: &Path, files: &[String]) -> Result<Vec<Training>> {
    let mut found = Vec::new();
    let folders = files
        .iter()
        .filter_map(|it| it.strip_suffix(METRICS)?.strip_suffix('/'));
    for at in folders {
        let path = dir.join(at).join(METRICS);
        let metrics = Reader::<Metric>::open(&path)?.collect::<Result<Vec<_>, _>>()?;
        let made = apo_tables::provenance(&path)?;
        let stage = made.map_or_else(String::new, |made| {
            let method = made.arguments.get("method").and_then(Value::as_str);
            let words = [Some(made.stage.as_str()), method];
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        found.push(Training {
            at: at.to_owned(),
            stage,
            steps: metrics.len(),
            tokens: metrics.iter().map(|it| it.tokens).sum(),
            metrics,
        });
    }
    Ok(found)
}
