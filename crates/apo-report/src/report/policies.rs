//! Policies, and their answers to the test queries.

use std::collections::BTreeMap;

use anyhow::Result;
use apo_hh::Role;
use apo_measures::Gain;
use apo_stage::ScoredAnswers;
use apo_stage::rows::check_scored;
use apo_tables::{Reader, Response};
use serde::Serialize;

use crate::measures::{PolicyFiles, PolicyMeasures, gain};
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
    /// The policy that it came from: the first of its arm.
    #[serde(skip)]
    pub start: Option<String>,
    /// Its score minus its start's, query by query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<Gain>,
    /// The policy that it is compared with, such as the one that was aligned in the same
    /// way without APO.
    #[serde(skip)]
    pub baseline: Option<String>,
    /// Its score minus its baseline's, query by query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<Gain>,
    /// Why it is not compared with its start or its baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// Its answers to the test queries.
    #[serde(skip)]
    pub answers: ScoredAnswers,
}

impl Policy {
    /// Tells whether the policies of an arm came from this one.
    pub fn is_start(&self) -> bool {
        self.round == 0
    }

    /// Returns its score minus another's, query by query; `None` if no query has rewards
    /// of both.
    ///
    /// # Errors
    ///
    /// When they may not be compared: the reason, as a sentence without its full stop.
    fn above(&self, other: &Self) -> Result<Option<Gain>, String> {
        if !self.answers.is_comparable(&other.answers) {
            return Err(format!(
                "{} is not compared with {}: different reward models scored their answers",
                self.name, other.name
            ));
        }
        Ok(gain(&self.answers, &other.answers))
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
        let scored = scored.as_deref();
        found.push(Policy {
            name: name.clone(),
            // A policy outside all arms came from the start, as those of round 1 did.
            round: run.round(name).unwrap_or(1),
            measures: files.read()?,
            start: run.start(name).map(str::to_owned),
            gain: None,
            baseline: run.baseline(name).map(str::to_owned),
            lead: None,
            not_compared: Vec::new(),
            answers: scored
                .map(ScoredAnswers::read)
                .transpose()?
                .unwrap_or_default(),
        });
    }
    compare(&mut found);
    Ok(found)
}

/// Computes how far each policy is above its start and above its baseline, if it has
/// them.
fn compare(policies: &mut [Policy]) {
    let found = policies.iter().map(|own| {
        [&own.start, &own.baseline].map(|name| {
            let other = policies.iter().find(|it| name.as_ref() == Some(&it.name));
            other.map(|other| own.above(other))
        })
    });
    let found: Vec<_> = found.collect();
    for (policy, [gain, lead]) in policies.iter_mut().zip(found) {
        for (result, difference) in [(gain, &mut policy.gain), (lead, &mut policy.lead)] {
            match result {
                None => {}
                Some(Ok(found)) => *difference = found,
                Some(Err(why)) => policy.not_compared.push(why),
            }
        }
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
    let scored = || policies.iter().filter(|it| !it.answers.of_query.is_empty());
    let last = scored()
        .filter(|it| it.baseline.is_some())
        .max_by_key(|it| it.round);
    let last = last.or_else(|| scored().next_back());
    let own = last.and_then(|it| it.start.as_ref());
    let own = scored().find(|it| own == Some(&it.name));
    let start = own.or_else(|| scored().find(|it| it.is_start()));
    let (Some(start), Some(last)) = (start, last) else {
        return Ok(Vec::new());
    };
    let queries: Vec<&String> = start.answers.of_query.keys().take(SHOWN).collect();
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
                    Role::System => "System".to_owned(),
                    Role::Human => "Human".to_owned(),
                    Role::Assistant => "Assistant".to_owned(),
                    Role::Tool => "Tool".to_owned(),
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
            let text = apo_hh::unquoted(&response.response).into_owned();
            let answer = (policy.name.clone(), text, reward);
            dialogue.answers.push(answer);
        }
    }
    Ok(found.into_values().collect())
}
