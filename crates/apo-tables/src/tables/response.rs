//! The table of responses.

use std::fmt;
use std::str::FromStr;

use apo_provenance::RowsDigest;
use apo_provenance::stage_names::{JUDGE_LOG_PROBS, JUDGE_SCORE, SAMPLE};

use super::query::Query;
use super::shared::{PROMPT, QUERY_ID, SUBSET, one_per_column, read_prompt};
use crate::schema::{ColumnType, Row, Table, Value, optional, required};

/// The `origin` of the responses that a policy gave.
pub const POLICY: &str = "policy";

/// Whether a column `origin` says that a policy gave the response, also as other
/// programs spell it.
pub fn is_policy(origin: &str) -> bool {
    origin.trim().eq_ignore_ascii_case(POLICY)
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

    /// Returns a digest of the prompt and the response. White space around the response
    /// does not count.
    pub fn content(&self) -> RowsDigest {
        RowsDigest::of(&[&self.prompt, self.response.trim()])
    }
}

impl Row for Response {
    const TABLE: &'static Table = &Table {
        name: "responses",
        written_by: &[SAMPLE, "gold-collect", JUDGE_SCORE, JUDGE_LOG_PROBS],
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
                "what follows the prompt, stripped; quoted markers as in the prompt",
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
        let [
            query_id,
            subset,
            prompt,
            sample,
            response,
            origin,
            finish,
            tokens,
            log_prob,
            reward,
        ] = one_per_column(values);
        let sample = sample.int32().unwrap_or(-1);
        if sample < 0 {
            return Err(("sample", format!("is {sample}, expected a number from 0")));
        }
        let finish = finish
            .text()
            .parse()
            .map_err(|problem| ("finish", problem))?;
        let response = response.text();
        if response.trim().is_empty() && finish != Finish::Empty {
            let problem = format!("is empty, though `finish` is `{finish}`, not `empty`");
            return Err(("response", problem));
        }
        Ok(Self {
            query_id: query_id.text(),
            subset: subset.text(),
            prompt: read_prompt(prompt)?,
            sample,
            response,
            origin: origin.text(),
            finish,
            tokens: tokens.int32(),
            log_prob: log_prob.float(),
            reward: reward.float(),
        })
    }
}
