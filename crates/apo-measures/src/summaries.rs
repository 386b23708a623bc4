//! The JSON that commands of `judge` print and others read.

use serde::{Deserialize, Serialize};

use crate::accuracy::Accuracy;
use crate::calibration::Calibration;
use crate::gain::Gain;
use crate::length_controlled::LengthControlled;
use crate::mean::{Mean, not_negative};
use crate::subset::BySubset;
use crate::win_rate::WinRate;

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error; `None` for one value.
    #[serde(default, deserialize_with = "not_negative")]
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

/// What `judge score` prints: measures of the policy that wrote a table of responses.
///
/// Means and errors are over queries: the samples of a query count as one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ScoreSummary {
    /// Rows of the table.
    pub responses: u64,
    /// Mean reward.
    pub reward: BySubset<Mean>,
    /// Mean tokens of a response, including the end of text, over the responses that
    /// state them.
    pub mean_tokens: Option<f64>,
    /// Share of responses that ended on their own.
    pub ended: f64,
    /// Mean share of a response's 3-grams that occurred in it before, over the responses
    /// with three words or more.
    pub repeats: Option<f64>,
    /// Correlation of the responses' rewards with their lengths in characters. Earlier
    /// versions did not print it.
    #[serde(default)]
    pub length_correlation: Option<f64>,
    /// By how much the rewards are higher than those of other answers, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<Gain>,
}

/// The accuracy that people's errors leave on pairs: no reward model can be expected to
/// agree with them more often.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct CeilingSummary {
    /// The highest expected accuracy.
    pub ceiling: f64,
    /// Where it is known from.
    pub source: String,
}

/// What `judge accuracy` prints: a reward model on human preferences, overall and by
/// subset.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct AccuracySummary {
    /// Share of pairs in the right order.
    pub accuracy: BySubset<Accuracy>,
    /// How far stated probabilities are from the observed frequencies.
    pub calibration: BySubset<Calibration>,
    /// The same share for a baseline that knows only length: the response with more
    /// characters wins. Earlier versions did not print it.
    #[serde(default)]
    pub longer_wins: Option<BySubset<Accuracy>>,
}

/// What `judge kl` prints: how far a policy has moved from its reference.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct KlSummary {
    /// Responses that were measured.
    pub responses: usize,
    /// Their tokens.
    pub tokens: u64,
    /// Nats per token.
    pub kl_per_token: Mean,
    /// Nats per response.
    pub kl: Mean,
}

/// What `judge compare` and `judge human tally` print: the verdicts of language models or
/// people on two policies.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VerdictSummary {
    /// Comparisons that have a verdict.
    pub judged: usize,
    /// Comparisons without a reply or a vote.
    pub failed: usize,
    /// Mean characters of a response of each policy.
    pub characters: [f64; 2],
    /// What each judge found.
    pub judges: Vec<JudgeSummary>,
    /// What all judges found, if there are several.
    #[serde(default, rename = "together", skip_serializing_if = "Option::is_none")]
    pub pooled: Option<PooledRate>,
    /// κ of the judges: Cohen's for two, Fleiss' for more. `None` for one judge, or if all
    /// verdicts are the same.
    pub agreement: Option<f64>,
    /// Queries behind `agreement`: those that both judges judged, or those with the most
    /// frequent number of judges.
    #[serde(default)]
    pub agreement_queries: usize,
}

/// What one judge found.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct JudgeSummary {
    /// Who judged.
    pub judge: String,
    /// Its comparisons that have no verdict.
    #[serde(default)]
    pub failed: usize,
    /// Of all pairs.
    #[serde(flatten)]
    pub all: WinRate,
    /// Of pairs of similar length.
    pub alike: WinRate,
    /// Of all pairs, without the effect of length.
    pub length_controlled: Option<LengthControlled>,
    /// κ between its repeats, if it was asked more than once.
    pub self_agreement: Option<f64>,
}

/// The win rate before all judges: a query's points are the mean of its judges'.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct PooledRate {
    /// Queries with a verdict.
    pub queries: usize,
    /// Win rate of the first policy.
    pub rate: f64,
    /// Its 95 % interval over queries.
    pub interval: Option<[f64; 2]>,
}
