//! What is known of a policy, and reading what other commands printed.

use std::path::Path;

use anyhow::Result;
use apo_measures::{Estimate, KlSummary, ScoreSummary};
use apo_stage::bad_input;
use apo_tables::file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What is measured of a policy's answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct PolicyMeasures {
    /// By `RM_Test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Estimate>,
    /// Where it is known, as in a generated world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_quality: Option<Estimate>,
    /// By `RM_All`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_all: Option<Estimate>,
    /// From the start, nats a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Mean tokens of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<f64>,
    /// Share of answers that ended by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<f64>,
    /// Mean share of an answer's 3-grams that it said before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<f64>,
}

/// The files that hold a policy's measures.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyFiles<'a> {
    pub score: Option<&'a Path>,
    pub score_all: Option<&'a Path>,
    pub quality: Option<&'a Path>,
    pub kl: Option<&'a Path>,
}

impl PolicyFiles<'_> {
    /// Reads the measures.
    ///
    /// # Errors
    ///
    /// When a file is not what its command prints.
    pub fn read(self) -> Result<PolicyMeasures> {
        let scored = |path: Option<&Path>| -> Result<Option<ScoreSummary>> {
            path.map(|it| read_json(it, "judge score --json"))
                .transpose()
        };
        let score = scored(self.score)?;
        let kl: Option<KlSummary> = self
            .kl
            .map(|it| read_json(it, "judge kl --json"))
            .transpose()?;
        let quality = self.quality.map(|it| read_json(it, "a measure of quality"));
        Ok(PolicyMeasures {
            score: score.as_ref().map(|it| it.reward.all.into()),
            true_quality: quality.transpose()?,
            score_all: scored(self.score_all)?.map(|it| it.reward.all.into()),
            kl: kl.map(|it| it.kl_per_token.mean),
            tokens: score.as_ref().and_then(|it| it.mean_tokens),
            ended: score.as_ref().map(|it| it.ended),
            repeats: score.as_ref().and_then(|it| it.repeats),
        })
    }
}

/// Reads what a command printed.
///
/// # Errors
///
/// When the file is not there or holds something else.
pub fn read_json<T: DeserializeOwned>(path: &Path, by: &str) -> Result<T> {
    let text = file::text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let at = path.display();
        bad_input(format!("{at}: not what `{by}` prints: {error}"))
    })
}
