//! The tables.

use std::fmt;
use std::str::FromStr;

use crate::schema::{Column, ColumnType, Row, Table, Value, optional, required};

mod documentation;
mod judged;

pub use documentation::documentation;
pub use judged::{SheetKey, VerdictRow};

const QUERY_ID: Column = required(
    "query_id",
    ColumnType::Text,
    "first 16 hex digits of the SHA-256 of the prompt",
);
const SUBSET: Column = required(
    "subset",
    ColumnType::Text,
    "part of the data, such as `helpful-base`",
);
const PROMPT: Column = required(
    "prompt",
    ColumnType::Text,
    "the query: the dialogue up to and including its last `Assistant:`",
);

/// The `origin` of the responses that a policy gave.
pub const POLICY: &str = "policy";

/// Whether a column `origin` says that a policy gave the response, also as other
/// programs spell it.
pub fn is_policy(origin: &str) -> bool {
    origin.trim().eq_ignore_ascii_case(POLICY)
}

/// Reads a prompt, which must not be empty.
fn prompt(value: &Value<'_>) -> Result<String, (&'static str, String)> {
    let text = value.text();
    if text.trim().is_empty() {
        return Err(("prompt", "is empty, expected a query".into()));
    }
    Ok(text)
}

/// A human preference: one query and two responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Key of the query.
    pub query_id: String,
    /// Key of the query with both responses.
    pub pair_id: String,
    /// Part of the data.
    pub subset: String,
    /// The query.
    pub prompt: String,
    /// The response that people preferred.
    pub chosen: String,
    /// The other response.
    pub rejected: String,
}

impl Row for Pair {
    const TABLE: &'static Table = &Table {
        name: "pairs",
        written_by: &["hh-split"],
        columns: &[
            QUERY_ID,
            required(
                "pair_id",
                ColumnType::Text,
                "the same, of the prompt, chosen and rejected",
            ),
            SUBSET,
            PROMPT,
            required(
                "chosen",
                ColumnType::Text,
                "the response that people preferred, stripped",
            ),
            required("rejected", ColumnType::Text, "the other response, stripped"),
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.query_id).into());
        put((&self.pair_id).into());
        put((&self.subset).into());
        put((&self.prompt).into());
        put((&self.chosen).into());
        put((&self.rejected).into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let prompt = prompt(&values[3])?;
        let (chosen, rejected) = (values[4].text(), values[5].text());
        for (column, text) in [("chosen", &chosen), ("rejected", &rejected)] {
            if text.trim().is_empty() {
                return Err((column, "is empty, expected a response".into()));
            }
        }
        Ok(Self {
            query_id: values[0].text(),
            pair_id: values[1].text(),
            subset: values[2].text(),
            prompt,
            chosen,
            rejected,
        })
    }
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its key.
    pub query_id: String,
    /// Part of the data.
    pub subset: String,
    /// The query.
    pub prompt: String,
}

impl Row for Query {
    const TABLE: &'static Table = &Table {
        name: "queries",
        written_by: &["hh-split"],
        columns: &[QUERY_ID, SUBSET, PROMPT],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.query_id).into());
        put((&self.subset).into());
        put((&self.prompt).into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        Ok(Self {
            query_id: values[0].text(),
            subset: values[1].text(),
            prompt: prompt(&values[2])?,
        })
    }
}

/// Why a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Finish {
    /// The model ended the text.
    Stop,
    /// It reached the most tokens that were allowed.
    Length,
    /// A human turn began, which was cut off.
    Turn,
    /// It is empty.
    Empty,
}

impl Finish {
    /// Returns the text in the column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Turn => "turn",
            Self::Empty => "empty",
        }
    }

    /// Whether the response is complete, so that training and scoring add the end of
    /// text.
    pub fn is_complete(self) -> bool {
        self != Self::Length
    }
}

impl FromStr for Finish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Stop, Self::Length, Self::Turn, Self::Empty]
            .into_iter()
            .find(|finish| finish.as_str() == text)
            .ok_or_else(|| format!("is `{text}`, expected stop, length, turn or empty"))
    }
}

impl fmt::Display for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A response to a query: golden, sampled, or an answer to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Key of the query.
    pub query_id: String,
    /// Part of the data.
    pub subset: String,
    /// The query.
    pub prompt: String,
    /// Number of the response to this query, from 0.
    pub sample: i32,
    /// The response, stripped.
    pub response: String,
    /// How the response was made.
    pub origin: String,
    /// Why it ended.
    pub finish: Finish,
    /// The tokens that were generated, including the end of text.
    pub tokens: Option<i32>,
    /// Its log-prob under the model that sampled it, nats.
    pub log_prob: Option<f32>,
    /// The reward model's score.
    pub reward: Option<f32>,
}

impl Response {
    /// Returns a query's first response before anything is known of its tokens and its
    /// reward: whole, or empty.
    pub fn new(query: Query, response: String, origin: &str) -> Self {
        let finish = if response.trim().is_empty() {
            Finish::Empty
        } else {
            Finish::Stop
        };
        Self {
            query_id: query.query_id,
            subset: query.subset,
            prompt: query.prompt,
            sample: 0,
            response,
            origin: origin.to_owned(),
            finish,
            tokens: None,
            log_prob: None,
            reward: None,
        }
    }
}

impl Row for Response {
    const TABLE: &'static Table = &Table {
        name: "responses",
        written_by: &["sample", "gold-collect", "judge score", "judge log-probs"],
        columns: &[
            QUERY_ID,
            SUBSET,
            PROMPT,
            required(
                "sample",
                ColumnType::Int32,
                "number of the response to its query, from 0",
            ),
            required(
                "response",
                ColumnType::Text,
                "what follows the prompt, stripped",
            ),
            required(
                "origin",
                ColumnType::Text,
                "`policy`, or how a golden answer was made",
            ),
            required(
                "finish",
                ColumnType::Text,
                "`stop`, `length`, `turn` or `empty`",
            ),
            optional(
                "tokens",
                ColumnType::Int32,
                "tokens generated, including the end of text",
            ),
            optional(
                "log_prob",
                ColumnType::Float32,
                "sum over these tokens under the model that sampled them, at temperature 1, nats",
            ),
            optional(
                "reward",
                ColumnType::Float32,
                "the reward model's score, null until scored",
            ),
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.query_id).into());
        put((&self.subset).into());
        put((&self.prompt).into());
        put(self.sample.into());
        put((&self.response).into());
        put((&self.origin).into());
        put(self.finish.as_str().into());
        put(self.tokens.into());
        put(self.log_prob.into());
        put(self.reward.into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let sample = values[3].int32().unwrap_or(-1);
        if sample < 0 {
            return Err(("sample", format!("is {sample}, expected a number from 0")));
        }
        let finish = values[6]
            .text()
            .parse()
            .map_err(|problem| ("finish", problem))?;
        let response = values[4].text();
        if response.trim().is_empty() && finish != Finish::Empty {
            let problem = format!("is empty, though `finish` is `{finish}`, not `empty`");
            return Err(("response", problem));
        }
        Ok(Self {
            query_id: values[0].text(),
            subset: values[1].text(),
            prompt: prompt(&values[2])?,
            sample,
            response,
            origin: values[5].text(),
            finish,
            tokens: values[7].int32(),
            log_prob: values[8].float(),
            reward: values[9].float(),
        })
    }
}

/// One optimiser step of a training.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Metric {
    /// The step, from 1.
    pub step: i64,
    /// Passes over the training's examples so far.
    pub epoch: f32,
    /// The loss.
    pub loss: f32,
    /// The learning rate.
    pub lr: f32,
    /// Global norm of the gradient, before clipping.
    pub grad_norm: f32,
    /// Tokens computed in this step.
    pub tokens: i64,
    /// Tokens computed per second.
    pub tokens_per_second: f32,
    /// Mean reward of the preferred responses.
    pub rewards_chosen: Option<f32>,
    /// Mean reward of the others.
    pub rewards_rejected: Option<f32>,
    /// Mean difference of the two.
    pub rewards_margins: Option<f32>,
    /// Fraction of pairs in the right order.
    pub rewards_accuracies: Option<f32>,
    /// Mean log-prob of the preferred responses, nats.
    pub logps_chosen: Option<f32>,
    /// Mean log-prob of the others, nats.
    pub logps_rejected: Option<f32>,
}

impl Row for Metric {
    const TABLE: &'static Table = &Table {
        name: "metrics",
        written_by: &["rm-train", "align"],
        columns: &[
            required("step", ColumnType::Int64, "optimiser step, from 1"),
            required(
                "epoch",
                ColumnType::Float32,
                "passes over the training's examples so far",
            ),
            required("loss", ColumnType::Float32, "loss of the step"),
            required("lr", ColumnType::Float32, "learning rate"),
            required(
                "grad_norm",
                ColumnType::Float32,
                "global norm of the gradient, before clipping",
            ),
            required("tokens", ColumnType::Int64, "tokens computed in the step"),
            required(
                "tokens_per_second",
                ColumnType::Float32,
                "tokens computed per second",
            ),
            optional(
                "rewards/chosen",
                ColumnType::Float32,
                "mean reward of the preferred",
            ),
            optional(
                "rewards/rejected",
                ColumnType::Float32,
                "mean reward of the others",
            ),
            optional(
                "rewards/margins",
                ColumnType::Float32,
                "mean difference of the two",
            ),
            optional(
                "rewards/accuracies",
                ColumnType::Float32,
                "fraction of pairs in the right order",
            ),
            optional(
                "logps/chosen",
                ColumnType::Float32,
                "mean log-prob of the preferred, nats",
            ),
            optional(
                "logps/rejected",
                ColumnType::Float32,
                "mean log-prob of the others, nats",
            ),
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put(self.step.into());
        put(self.epoch.into());
        put(self.loss.into());
        put(self.lr.into());
        put(self.grad_norm.into());
        put(self.tokens.into());
        put(self.tokens_per_second.into());
        put(self.rewards_chosen.into());
        put(self.rewards_rejected.into());
        put(self.rewards_margins.into());
        put(self.rewards_accuracies.into());
        put(self.logps_chosen.into());
        put(self.logps_rejected.into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let float = |i: usize| values[i].float().unwrap_or(f32::NAN);
        Ok(Self {
            step: values[0].int().unwrap_or(0),
            epoch: float(1),
            loss: float(2),
            lr: float(3),
            grad_norm: float(4),
            tokens: values[5].int().unwrap_or(0),
            tokens_per_second: float(6),
            rewards_chosen: values[7].float(),
            rewards_rejected: values[8].float(),
            rewards_margins: values[9].float(),
            rewards_accuracies: values[10].float(),
            logps_chosen: values[11].float(),
            logps_rejected: values[12].float(),
        })
    }
}

/// A rejected row of the raw data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Name of the file.
    pub file: String,
    /// Line of the file, from 1.
    pub line: i64,
    /// Why it was rejected, in one word.
    pub reason: String,
    /// What is wrong with it, in a sentence.
    pub detail: String,
    /// The beginning of the row.
    pub excerpt: String,
}

impl Row for Reject {
    const TABLE: &'static Table = &Table {
        name: "rejects",
        written_by: &["hh-split"],
        columns: &[
            required("file", ColumnType::Text, "name of the file"),
            required("line", ColumnType::Int64, "line or row of the file, from 1"),
            required(
                "reason",
                ColumnType::Text,
                "why it was rejected, such as `same_response`",
            ),
            required("detail", ColumnType::Text, "what is wrong with it"),
            required("excerpt", ColumnType::Text, "the beginning of the row"),
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.file).into());
        put(self.line.into());
        put((&self.reason).into());
        put((&self.detail).into());
        put((&self.excerpt).into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        Ok(Self {
            file: values[0].text(),
            line: values[1].int().unwrap_or(0),
            reason: values[2].text(),
            detail: values[3].text(),
            excerpt: values[4].text(),
        })
    }
}

/// All tables, in the order of the documentation.
pub const ALL: [&Table; 7] = [
    Pair::TABLE,
    Query::TABLE,
    Response::TABLE,
    Metric::TABLE,
    Reject::TABLE,
    VerdictRow::TABLE,
    SheetKey::TABLE,
];
