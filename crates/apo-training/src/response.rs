//! A response to a query, as token ids, and its role.

use serde::{Deserialize, Serialize};

/// The role of a response among those to its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResponseRole {
    /// A golden answer.
    Golden,
    /// A sample of the policy.
    Sample,
    /// An empty sample, kept apart where samples are ranked: it is never the chosen
    /// one.
    Empty,
    /// The response that people preferred.
    Chosen,
    /// The response that they did not prefer.
    Rejected,
}

/// A response to a query, as token ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizedResponse {
    /// The query's id.
    pub query_id: String,
    /// Its role.
    pub role: ResponseRole,
    /// Sample number, or the number of the pair.
    pub number: u32,
    /// Whether an end of text follows it.
    pub complete: bool,
    /// Its reward, if the table is scored.
    pub reward: Option<f32>,
    /// Its log-prob under the reference, if it is known.
    pub reference: Option<f32>,
    /// The prompt's ids.
    pub prompt: Vec<u32>,
    /// The response's ids, without end of text.
    pub response: Vec<u32>,
}
