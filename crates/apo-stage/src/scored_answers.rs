//! A policy's answers with their rewards and lengths, query by query.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use apo_provenance::stage_names::JUDGE_SCORE;
use apo_tables::{Reader, Response};

use crate::rows::check_scored;

/// What a policy answered to a query; of several answers, the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoredAnswer {
    /// The reward.
    pub reward: f64,
    /// The length, characters.
    pub length: f64,
}

/// A policy's answers to all queries.
#[derive(Clone, Debug, Default)]
pub struct ScoredAnswers {
    /// The answer to each query, by its key.
    pub of_query: BTreeMap<String, ScoredAnswer>,
    /// Digest of the reward model, if known.
    scored_by: Option<String>,
}

impl ScoredAnswers {
    /// Reads a scored table.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a reward is missing or not finite.
    pub fn read(path: &Path) -> Result<Self> {
        let mut sums: BTreeMap<String, (ScoredAnswer, f64)> = BTreeMap::new();
        for (row, response) in Reader::<Response>::open(path)?.enumerate() {
            let response = response?;
            let reward = check_scored(path, row, &response)?;
            let (sum, n) = sums.entry(response.query_id).or_default();
            sum.reward += f64::from(reward);
            sum.length += response.response.chars().count() as f64;
            *n += 1.0;
        }
        let mean = |(sum, n): (ScoredAnswer, f64)| ScoredAnswer {
            reward: sum.reward / n,
            length: sum.length / n,
        };
        let sums = sums.into_iter();
        Ok(Self {
            of_query: sums.map(|(query, it)| (query, mean(it))).collect(),
            scored_by: scored_by(path)?,
        })
    }

    /// Whether its rewards may be compared with another's: they are not known to be of
    /// different reward models.
    pub fn is_comparable(&self, other: &Self) -> bool {
        let theirs = other.scored_by.as_deref();
        theirs.is_none_or(|it| self.may_be_scored_by(it))
    }

    /// Whether its rewards may be those of a reward model: they are not known to be another's.
    pub fn may_be_scored_by(&self, digest: &str) -> bool {
        self.scored_by.as_deref().is_none_or(|it| it == digest)
    }

    /// Returns the difference of rewards and the difference of lengths of each query that
    /// both answered.
    pub fn minus(&self, other: &Self) -> Vec<[f64; 2]> {
        let both = self.of_query.iter();
        let both = both.filter_map(|(query, it)| Some((it, other.of_query.get(query)?)));
        both.map(|(own, theirs)| [own.reward - theirs.reward, own.length - theirs.length])
            .collect()
    }
}

/// Returns the digest of the reward model that scored a table. A folder does not say one
/// for all of its parts.
fn scored_by(path: &Path) -> Result<Option<String>> {
    if path.is_dir() {
        return Ok(None);
    }
    let made = apo_tables::provenance(path)?;
    let scored = made.filter(|it| it.stage == JUDGE_SCORE);
    Ok(scored.and_then(|mut it| Some(it.inputs.remove("model")?.digest)))
}
