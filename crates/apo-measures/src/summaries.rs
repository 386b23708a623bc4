//! What the commands of `judge` print as JSON, and later commands read.

use serde::{Deserialize, Serialize};

use crate::{Accuracy, BySubset, Calibration, Mean};

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error; none of one value.
    pub standard_error: Option<f64>,
}

impl From<Mean> for Estimate {
    fn from(it: Mean) -> Self {
        Self {
            mean: it.mean,
            standard_error: it.standard_error,
        }
    }
}

/// What a table of scored responses says about the policy that wrote them:
/// `judge score`.
///
/// Means and errors are over queries: a query's samples count as one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ScoreSummary {
    /// Rows of the table.
    pub responses: u64,
    /// Mean reward.
    pub reward: BySubset<Mean>,
    /// Mean tokens of a response, end of text included; of the responses that
    /// state them.
    pub mean_tokens: Option<f64>,
    /// Share of responses that ended by themselves.
    pub ended: f64,
    /// Mean share of a response's 3-grams that it said before; of the responses
    /// with three words or more.
    pub repeats: Option<f64>,
}

/// A reward model on people's preferences, overall and by subset: `judge
/// accuracy`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct AccuracySummary {
    /// Share of pairs in the right order.
    pub accuracy: BySubset<Accuracy>,
    /// How far stated probabilities are from what comes true.
    pub calibration: BySubset<Calibration>,
}

/// How far a policy has moved from its reference: `judge kl`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct KlSummary {
    /// Responses that were measured.
    pub responses: usize,
    /// Their tokens.
    pub tokens: u64,
    /// Nats a token.
    pub kl_per_token: Mean,
    /// Nats a response.
    pub kl: Mean,
}
