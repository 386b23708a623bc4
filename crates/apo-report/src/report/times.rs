//! Time and memory of the stages.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;

use anyhow::{Context as _, Result};
use apo_provenance::stage_names::SAMPLE;
use apo_stage::StageTime;
use apo_tables::{Reader, Response, file};
use serde::Serialize;

use super::trainings::Training;
use crate::run_file::{ArtifactKind, RunFile};

/// Commands that compute but only print.
const MEASURES: [&str; 2] = ["judge accuracy", "judge kl"];

/// Total over a stage's runs.
#[derive(Debug, Default, Serialize)]
pub struct Times {
    pub stage: String,
    pub runs: usize,
    pub seconds: f64,
    /// Maximum over the runs.
    pub peak_mib: f64,
    /// Tokens that it trained on or wrote.
    pub tokens: Option<i64>,
}

/// Adds up the time of each stage. Tokens are counted in the run's tables and metrics.
///
/// # Errors
///
/// When a file cannot be read.
pub fn times(run: &RunFile, trainings: &[Training]) -> Result<Vec<Times>> {
    let Some(artifact) = run.of(&[ArtifactKind::Times]).next() else {
        return Ok(Vec::new());
    };
    let path = run.at(artifact);
    let mut bytes = Vec::new();
    file::open(&path)?
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    // A kill may have cut a line short, even within a character. The last line
    // counts for an output that was made again.
    let lines = bytes
        .split(|it| *it == b'\n')
        .filter_map(|it| serde_json::from_slice::<StageTime>(it).ok());
    // Sorted by output, so that sums of the same numbers are the same each time.
    let mut last: BTreeMap<String, StageTime> = BTreeMap::new();
    let mut printed: Vec<StageTime> = Vec::new();
    for time in lines {
        match &time.out {
            Some(out) => drop(last.insert(out.clone(), time)),
            None => printed.push(time),
        }
    }
    // A line without an output belongs to a command that only prints, or that found
    // its output up to date.
    let makes: HashSet<&String> = last.values().map(|it| &it.stage).collect();
    printed.retain(|it| !makes.contains(&it.stage) && MEASURES.contains(&it.stage.as_str()));
    let mut found: BTreeMap<String, Times> = BTreeMap::new();
    for time in last.into_values().chain(printed) {
        let total = found.entry(time.stage.clone()).or_default();
        total.stage = time.stage;
        total.runs += 1;
        total.seconds += time.seconds;
        total.peak_mib = total.peak_mib.max(time.peak_mib.unwrap_or(0.0));
    }
    let mut sampled = 0;
    for artifact in run.of(&[
        ArtifactKind::RmSamples,
        ArtifactKind::Samples,
        ArtifactKind::Answers,
    ]) {
        for response in Reader::<Response>::open(&run.at(artifact))? {
            sampled += i64::from(response?.tokens.unwrap_or(0));
        }
    }
    for times in found.values_mut() {
        let trained = trainings.iter().filter(|it| it.stage == times.stage);
        let trained: i64 = trained.map(|it| it.tokens).sum();
        times.tokens = match times.stage.as_str() {
            SAMPLE => Some(sampled),
            _ => (trained > 0).then_some(trained),
        };
    }
    let mut found: Vec<Times> = found.into_values().collect();
    found.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    Ok(found)
}
