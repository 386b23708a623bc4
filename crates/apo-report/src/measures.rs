//! A policy's measures, and reading what other commands printed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_measures::{Estimate, Gain, KlSummary, ScoreSummary};
use apo_stage::{ScoredAnswers, bad_input};
use apo_tables::file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::run_file::{ArtifactKind, RunFile};

/// What is measured of a policy's answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct PolicyMeasures {
    /// By `RM_Test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Estimate>,
    /// If it is known, as in a generated world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_quality: Option<Estimate>,
    /// By `RM_All`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_all: Option<Estimate>,
    /// From the start, in nats per token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Mean tokens of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<f64>,
    /// Share of answers that ended on their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<f64>,
    /// Mean share of an answer's 3-grams that occurred before in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<f64>,
    /// Correlation of the answers' rewards with their lengths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_correlation: Option<f64>,
}

/// Returns by how much a policy's rewards are higher than another's; `None` if no query has
/// answers of both.
pub fn gain(own: &ScoredAnswers, other: &ScoredAnswers) -> Option<Gain> {
    apo_measures::gain(&own.minus(other))
}

/// Returns by how much a policy of a run is above its start; `None` if it has no start, or
/// their answers are missing or cannot be compared.
///
/// # Errors
///
/// When a table of answers cannot be used.
pub fn gain_above_start(run: &RunFile, policy: &str) -> Result<Option<Gain>> {
    let start = run.start(policy).filter(|it| *it != policy);
    let answers = |name: &str| run.find(ArtifactKind::ScoredAnswers, name);
    let (Some(own), Some(start)) = (answers(policy), start.and_then(answers)) else {
        return Ok(None);
    };
    let (own, start) = (ScoredAnswers::read(&own)?, ScoredAnswers::read(&start)?);
    let is_comparable = own.is_comparable(&start);
    Ok(gain(&own, &start).filter(|_| is_comparable))
}

/// The files that hold a policy's measures.
#[derive(Clone, Debug, Default)]
pub struct PolicyFiles {
    pub score: Option<PathBuf>,
    pub score_all: Option<PathBuf>,
    pub quality: Option<PathBuf>,
    pub kl: Option<PathBuf>,
}

impl PolicyFiles {
    /// Finds a policy's files in a run.
    pub fn of(run: &RunFile, name: &str) -> Self {
        let [score, score_all, quality, kl] = [
            ArtifactKind::Score,
            ArtifactKind::ScoreAll,
            ArtifactKind::Quality,
            ArtifactKind::Kl,
        ]
        .map(|it| run.find(it, name));
        Self {
            score,
            score_all,
            quality,
            kl,
        }
    }

    /// Reads the measures.
    ///
    /// # Errors
    ///
    /// When a file is not what its command prints.
    pub fn read(&self) -> Result<PolicyMeasures> {
        fn read<T: DeserializeOwned>(path: Option<&PathBuf>, by: &str) -> Result<Option<T>> {
            path.map(|it| read_json(it, by)).transpose()
        }
        let scored = |path| read::<ScoreSummary>(path, "judge score --json");
        let score = scored(self.score.as_ref())?;
        let kl: Option<KlSummary> = read(self.kl.as_ref(), "judge kl --json")?;
        Ok(PolicyMeasures {
            score: score.as_ref().map(|it| it.reward.all.into()),
            true_quality: read(self.quality.as_ref(), "a measure of quality")?,
            score_all: scored(self.score_all.as_ref())?.map(|it| it.reward.all.into()),
            kl: kl.map(|it| it.kl_per_token.mean),
            tokens: score.as_ref().and_then(|it| it.mean_tokens),
            ended: score.as_ref().map(|it| it.ended),
            repeats: score.as_ref().and_then(|it| it.repeats),
            length_correlation: score.as_ref().and_then(|it| it.length_correlation),
        })
    }
}

/// Reads what a command printed.
///
/// # Errors
///
/// When the file is missing or holds something else.
pub fn read_json<T: DeserializeOwned>(path: &Path, by: &str) -> Result<T> {
    parse_json(&file::text(path)?, path, by)
}

/// Reads what a command printed from the text of a file.
///
/// # Errors
///
/// When the text is something else.
pub fn parse_json<T: DeserializeOwned>(text: &str, path: &Path, by: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let at = path.display();
        bad_input(format!("{at}: not what `{by}` prints: {error}"))
    })
}
