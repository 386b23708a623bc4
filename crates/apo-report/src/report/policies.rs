//! Policies, and their answers to the test queries.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use apo_hh::Role;
use apo_measures::{Mean, mean};
use apo_stage::rows::check_scored;
use apo_tables::{Reader, Response};
use serde::Serialize;

use crate::measures::{PolicyFiles, PolicyMeasures};
use crate::run_file::{ArtifactKind, RunFile};

/// Number of dialogues shown: those with the lowest ids, which are hashes.
const SHOWN: usize = 6;

/// A policy, and measures of its answers to the test queries.
#[derive(Debug, Serialize)]
pub struct Policy {
    pub name: String,
    pub round: usize,
    #[serde(flatten)]
    pub measures: PolicyMeasures,
    /// Its score minus the start's, query by query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<Mean>,
    /// The policy that it is compared with, such as the one that was aligned in the same
    /// way without APO.
    #[serde(skip)]
    pub baseline: Option<String>,
    /// Its score minus its baseline's, query by query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<Mean>,
    /// Rewards of its answers, by query.
    #[serde(skip)]
    pub rewards: BTreeMap<String, f64>,
}

impl Policy {
    /// Tells whether all other policies came from this one.
    pub fn is_start(&self) -> bool {
        self.round == 0
    }
}

/// Reads all policies that have a score, in the run's order.
///
/// # Errors
///
/// When a file cannot be used.
pub fn policies(run: &RunFile) -> Result<Vec<Policy>> {
    let mut found = Vec::new();
    for artifact in run.of(&[ArtifactKind::Score]) {
        let name = &artifact.name;
        let files = PolicyFiles {
            score: Some(run.at(artifact)),
            ..PolicyFiles::of(run, name)
        };
        let scored = run.find(ArtifactKind::ScoredAnswers, name);
        let rewards = scored.map(|it| rewards(&it)).transpose()?;
        found.push(Policy {
            name: name.clone(),
            // A policy outside all arms came from the start, as those of round 1 did.
            round: run.round(name).unwrap_or(1),
            measures: files.read()?,
            gain: None,
            baseline: run.baseline(name).map(str::to_owned),
            lead: None,
            rewards: rewards.unwrap_or_default(),
        });
    }
    compare(&mut found);
    Ok(found)
}

/// Reads the rewards of a policy's answers, by query.
fn rewards(path: &Path) -> Result<BTreeMap<String, f64>> {
    let mut found = BTreeMap::new();
    for (row, response) in Reader::<Response>::open(path)?.enumerate() {
        let response = response?;
        let reward = check_scored(path, row, &response)?;
        found.insert(response.query_id, f64::from(reward));
    }
    Ok(found)
}

/// Computes how far each policy is above the start and above its baseline, if it has
/// one.
fn compare(policies: &mut [Policy]) {
    let above = |own: &Policy, other: &Policy| -> Option<Mean> {
        let both = own.rewards.iter();
        let both = both.filter_map(|(query, reward)| Some(reward - other.rewards.get(query)?));
        mean(&both.collect::<Vec<f64>>())
    };
    let start = policies.iter().find(|it| it.is_start());
    let found = policies.iter().map(|own| {
        let start = start.filter(|_| !own.is_start());
        let baseline = own.baseline.as_ref();
        let baseline = baseline.and_then(|name| policies.iter().rfind(|it| it.name == *name));
        [start, baseline].map(|other| other.and_then(|other| above(own, other)))
    });
    let found: Vec<_> = found.collect();
    for (policy, [gain, lead]) in policies.iter_mut().zip(found) {
        policy.gain = gain;
        policy.lead = lead;
    }
}

/// A query with the answers of the first and the last policy.
#[derive(Debug, Serialize)]
pub struct Dialogue {
    pub query_id: String,
    pub turns: Vec<(String, String)>,
    /// Policy, answer and reward of each.
    pub answers: Vec<(String, String, f64)>,
}

/// Reads the answers of the first and the last policy to a few queries.
///
/// # Errors
///
/// When a table cannot be used.
pub fn dialogues(run: &RunFile, policies: &[Policy]) -> Result<Vec<Dialogue>> {
    let scored = || policies.iter().filter(|it| !it.rewards.is_empty());
    let start = scored().find(|it| it.is_start());
    let last = scored()
        .filter(|it| it.baseline.is_some())
        .max_by_key(|it| it.round);
    let last = last.or_else(|| scored().next_back());
    let (Some(start), Some(last)) = (start, last) else {
        return Ok(Vec::new());
    };
    let queries: Vec<&String> = start.rewards.keys().take(SHOWN).collect();
    let mut found: BTreeMap<String, Dialogue> = BTreeMap::new();
    let two = if start.name == last.name {
        vec![start]
    } else {
        vec![start, last]
    };
    for policy in two {
        let Some(path) = run.find(ArtifactKind::ScoredAnswers, &policy.name) else {
            continue;
        };
        for (row, response) in Reader::<Response>::open(&path)?.enumerate() {
            let response = response?;
            if !queries.contains(&&response.query_id) {
                continue;
            }
            let turns = || {
                let turns = apo_hh::turns(&response.prompt).into_iter();
                let who = |role| match role {
                    Role::Human => "Human".to_owned(),
                    Role::Assistant => "Assistant".to_owned(),
                };
                turns.map(|turn| (who(turn.role), turn.text)).collect()
            };
            let dialogue = found
                .entry(response.query_id.clone())
                .or_insert_with(|| Dialogue {
                    query_id: response.query_id.clone(),
                    turns: turns(),
                    answers: Vec::new(),
                });
            let reward = f64::from(check_scored(&path, row, &response)?);
            let answer = (policy.name.clone(), response.response, reward);
            dialogue.answers.push(answer);
        }
    }
    Ok(found.into_values().collect())
}
