//! What the commands of `judge` print as JSON, and later commands read.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Accuracy, BySubset, Calibration, LengthControlled, Mean, WinRate};

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error; none of one value.
    #[serde(default, deserialize_with = "not_negative")]
    pub standard_error: Option<f64>,
}

/// Reads a standard error, which others may have written.
pub(crate) fn not_negative<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let found = Option::<f64>::deserialize(deserializer)?;
    if let Some(error) = found.filter(|it| *it < 0.0) {
        let problem = format!("`standard_error` is {error}, expected none below 0");
        return Err(D::Error::custom(problem));
    }
    Ok(found)
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

/// What judges, language models or people, said of two policies: `judge compare`
/// and `judge human tally`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VerdictSummary {
    /// Comparisons that have a verdict.
    pub judged: usize,
    /// Those that have none: no reply came, no vote was given.
    pub failed: usize,
    /// Mean characters of a response of each policy.
    pub characters: [f64; 2],
    /// What each judge found.
    pub judges: Vec<JudgeSummary>,
    /// What all judges found, if there are several.
    #[serde(default, rename = "together", skip_serializing_if = "Option::is_none")]
    pub pooled: Option<PooledRate>,
    /// κ of the judges: Cohen's of two, Fleiss' of more. None of one judge, or
    /// if all say the same one thing.
    pub agreement: Option<f64>,
    /// Queries behind `agreement`: those that both judged, or that as many judged
    /// as most did.
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
    /// Of all pairs, without what length explains.
    pub length_controlled: Option<LengthControlled>,
    /// κ between its repeats, if it was asked more than once.
    pub self_agreement: Option<f64>,
}

/// What all judges found: a query's points are the mean of its judges'.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct PooledRate {
    /// Queries with a verdict.
    pub queries: usize,
    /// Win rate of the first policy.
    pub rate: f64,
    /// Its 95 % interval over queries.
    pub interval: Option<[f64; 2]>,
}
