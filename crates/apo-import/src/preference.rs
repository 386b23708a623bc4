//! A preference for one of two responses.

use crate::extra::Extra;
use crate::messages::Text;

/// A preference as HH, TRL and Hugging Face's datasets write it: `chosen` and
/// `rejected`, with or without a `prompt`, as texts or conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// The prompt of both responses; `None` if it is their common beginning.
    pub prompt: Option<Text>,
    /// The preferred response or dialogue.
    pub chosen: Text,
    /// The other one.
    pub rejected: Text,
    /// The score of the preferred response, if the row has scores; of a vote, 1 or 0.
    pub score_chosen: Option<f64>,
    /// The score of the other response.
    pub score_rejected: Option<f64>,
    /// By how much the preferred response is better, if the row says so: a vote does not.
    pub margin: Option<f64>,
    /// The other columns of the row.
    pub extra: Extra,
}
