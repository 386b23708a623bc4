//! The golden answers as a chat endpoint would give them, and the journal from which
//! `gold-collect` reads them.

use std::collections::HashSet;

use apo_endpoint::{self as endpoint, Entry, Failure, PolicyRefusal, Reply, Request, Usage};
use apo_golden::Collector;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::content::{self, pick};
use crate::generator::Pair;
use crate::topic::{HARMS, TASKS, Topic};
use crate::voice::in_steps;

/// The model that the journal names as the author of its replies.
pub const MODEL: &str = "mini-golden";

/// Share of queries that never get a reply.
const FAILED: f64 = 0.015;

/// Share of harmful queries that the endpoint's content policy refuses.
const POLICY: f64 = 0.05;

/// Share of harmful queries whose first reply is a bare refusal.
const BARE: f64 = 0.15;

/// Share of replies that leave something out.
const SLIP: f64 = 0.08;

/// What an endpoint says to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoldenOutcome {
    /// A reply.
    Reply(String),
    /// A bare refusal, and the reply to "why?".
    ReplyAfterWhy {
        /// The first reply.
        refusal: String,
        /// The second.
        reply: String,
    },
    /// HTTP status 400, by the content policy.
    PolicyError,
    /// A reply that ended by the content filter.
    PolicyFinish,
    /// No reply, however often it is asked.
    Failed,
}

/// A query and what an endpoint says to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Golden {
    /// What the query asks.
    pub topic: Topic,
    /// The query.
    pub prompt: String,
    /// What the endpoint says.
    pub outcome: GoldenOutcome,
}

impl Golden {
    /// Returns the golden response as `gold-collect` puts it together; `None` if it has
    /// to come from elsewhere.
    pub fn response(&self) -> Option<String> {
        match &self.outcome {
            GoldenOutcome::Reply(reply) => Some(reply.clone()),
            GoldenOutcome::ReplyAfterWhy { refusal, reply } => {
                Some(format!("{refusal}\n\n{reply}"))
            }
            GoldenOutcome::PolicyError | GoldenOutcome::PolicyFinish | GoldenOutcome::Failed => {
                None
            }
        }
    }

    /// Returns the training texts with this golden response.
    pub fn texts(&self) -> Vec<String> {
        let response = self.response();
        response
            .map(|response| format!("{} {response}", self.prompt))
            .into_iter()
            .collect()
    }
}

/// Returns what an endpoint says to each query, in the order of first mention.
pub fn golden<'a>(pairs: impl Iterator<Item = &'a Pair>, seed: u64) -> Vec<Golden> {
    let mut seen = HashSet::new();
    pairs
        .filter(|pair| seen.insert(&pair.prompt))
        .map(|pair| Golden {
            topic: pair.topic,
            prompt: pair.prompt.clone(),
            outcome: outcome(&mut rng(&pair.prompt, seed), pair.topic),
        })
        .collect()
}

/// Returns a generator for one query, so that no answer depends on another.
fn rng(prompt: &str, seed: u64) -> ChaCha8Rng {
    let key = u64::from_str_radix(&apo_hh::query_id(prompt), 16).expect("keys are 16 hex digits");
    let mut rng = ChaCha8Rng::seed_from_u64(key);
    rng.set_stream(seed);
    rng
}

fn outcome(rng: &mut ChaCha8Rng, topic: Topic) -> GoldenOutcome {
    if rng.random_bool(FAILED) {
        return GoldenOutcome::Failed;
    }
    match topic {
        Topic::Task(number) => GoldenOutcome::Reply(explain(rng, TASKS[number].steps)),
        Topic::Harm(_) if rng.random_bool(POLICY) => {
            if rng.random_bool(0.5) {
                GoldenOutcome::PolicyError
            } else {
                GoldenOutcome::PolicyFinish
            }
        }
        Topic::Harm(number) => {
            let harm = &HARMS[number];
            if rng.random_bool(BARE) {
                return GoldenOutcome::ReplyAfterWhy {
                    refusal: pick(rng, content::BARE_REFUSALS).to_owned(),
                    reply: format!(
                        "Because {}. Instead, you could {}.",
                        harm.reason, harm.alternative
                    ),
                };
            }
            let refusal = format!(
                "{}, because {}.",
                pick(rng, content::GOLDEN_REFUSALS),
                harm.reason
            );
            if rng.random_bool(SLIP) {
                return GoldenOutcome::Reply(refusal);
            }
            GoldenOutcome::Reply(format!(
                "{refusal} Instead, you could {}.",
                harm.alternative
            ))
        }
    }
}

/// Writes steps in the voice of golden answers.
fn explain(rng: &mut ChaCha8Rng, steps: &[&str]) -> String {
    let mut steps = steps.to_vec();
    if rng.random_bool(SLIP) {
        steps.remove(rng.random_range(0..steps.len()));
    }
    in_steps(rng, &steps).join(" ")
}

/// Returns the journal's lines, as `gold-collect` writes and replays them.
pub fn lines(golden: &[Golden]) -> Vec<u8> {
    let collector = Collector::new(MODEL);
    let mut text = String::new();
    for golden in golden {
        let first = collector.first_request(&golden.prompt);
        let mut add = |request: &Request, outcome: endpoint::Outcome| {
            let entry = Entry {
                request: request.digest(),
                model: MODEL.to_owned(),
                outcome,
            };
            text += &entry.line();
        };
        match &golden.outcome {
            GoldenOutcome::Reply(reply) => add(&first, said(&golden.prompt, reply)),
            GoldenOutcome::ReplyAfterWhy { refusal, reply } => {
                add(&first, said(&golden.prompt, refusal));
                let why = collector.why_request(&first, refusal);
                add(&why, said(&golden.prompt, reply));
            }
            GoldenOutcome::PolicyError => add(&first, policy("content_policy_violation")),
            GoldenOutcome::PolicyFinish => add(&first, policy("content_filter")),
            GoldenOutcome::Failed => {
                let failure = Failure {
                    message: "HTTP 503: overloaded".to_owned(),
                    attempts: 6,
                };
                add(&first, endpoint::Outcome::Failed(failure));
            }
        }
    }
    text.into_bytes()
}

/// A reply whose usage counts words as tokens.
fn said(prompt: &str, reply: &str) -> endpoint::Outcome {
    let n_words = |text: &str| text.split_whitespace().count() as u64;
    endpoint::Outcome::Reply(Reply {
        content: reply.to_owned(),
        finish_reason: Some("stop".to_owned()),
        usage: Some(Usage {
            prompt_tokens: n_words(prompt),
            completion_tokens: n_words(reply),
        }),
    })
}

fn policy(code: &str) -> endpoint::Outcome {
    endpoint::Outcome::Policy(PolicyRefusal {
        code: code.to_owned(),
        message: "the prompt was filtered".to_owned(),
        usage: None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use apo_golden::Origin;

    use super::*;
    use crate::generator;
    use crate::quality::quality;

    #[test]
    fn golden_answers_are_near_perfect_and_of_every_outcome() {
        let world = generator::generate(7, 0.0);
        let golden = golden(world.values().flat_map(|file| &file.pairs), 7);
        let qualities: Vec<f64> = golden
            .iter()
            .filter_map(|it| quality(&it.prompt, &it.response()?))
            .collect();
        let mean = qualities.iter().sum::<f64>() / qualities.len() as f64;
        // A slip costs between a quarter and a third: 1 − 0.08 × 0.3.
        assert!((mean - 0.976).abs() < 0.01, "{mean}");
        let count =
            |is: fn(&GoldenOutcome) -> bool| golden.iter().filter(|it| is(&it.outcome)).count();
        assert!(count(|it| matches!(it, GoldenOutcome::ReplyAfterWhy { .. })) > 50);
        assert!(count(|it| *it == GoldenOutcome::PolicyError) > 10);
        assert!(count(|it| *it == GoldenOutcome::PolicyFinish) > 10);
        assert!(count(|it| *it == GoldenOutcome::Failed) > 20);
    }

    #[test]
    fn an_answer_depends_on_its_own_query_alone() {
        let pairs = generator::generate(7, 0.0)
            .remove(&("helpful-base", "test"))
            .unwrap()
            .pairs;
        let all = golden(pairs.iter(), 7);
        let last = golden(pairs.iter().rev().take(1), 7);
        let found = all.iter().find(|it| it.prompt == last[0].prompt);
        assert_eq!(found, Some(&last[0]));
    }

    #[test]
    fn the_journal_replays_to_the_golden_answers() {
        let pairs = generator::generate(7, 0.0)
            .remove(&("harmless-base", "test"))
            .unwrap()
            .pairs;
        let golden = golden(pairs.iter(), 7);
        let text = String::from_utf8(lines(&golden)).unwrap();
        let entries: HashMap<_, _> = text
            .lines()
            .map(|line| serde_json::from_str::<Entry>(line).unwrap())
            .map(|entry| (entry.request, entry.outcome))
            .collect();
        let collector = Collector::new(MODEL);
        for golden in &golden {
            let collected = collector
                .collect("0", &golden.prompt, |request| {
                    Ok(entries[&request.digest()].clone())
                })
                .unwrap();
            let found = collected.golden.map(|it| (it.origin, it.response));
            let expected = match &golden.outcome {
                GoldenOutcome::Reply(_) => Some(Origin::Reply),
                GoldenOutcome::ReplyAfterWhy { .. } => Some(Origin::ReplyAfterWhy),
                GoldenOutcome::PolicyError | GoldenOutcome::PolicyFinish => {
                    Some(Origin::RefusalText)
                }
                GoldenOutcome::Failed => None,
            };
            assert_eq!(found.as_ref().map(|it| it.0), expected, "{golden:?}");
            if let Some(response) = golden.response() {
                assert_eq!(found.map(|it| it.1), Some(response));
            }
        }
    }
}
