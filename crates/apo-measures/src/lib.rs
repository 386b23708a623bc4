//! Accuracy, calibration, means and their errors.
//!
//! Rewards are `f64` slices with one entry for each pair or response. Results can be
//! serialised, and formatted for people. A measure of no data is `None`, never 0. The
//! caller refuses numbers that are not finite, naming file and row; here they are a bug
//! and panic.
//!
//! | Measure | What | Here |
//! |---|---|---|
//! | accuracy | share of pairs in the right order, ties wrong | [`accuracy()`] |
//! | ECE, ACE, MCE, Brier | whether a stated 0.8 comes true 8 times in 10 | [`calibration()`] |
//! | RM score | mean reward with its standard error | [`mean()`] |
//! | gain | rewards above others', and what of it is not length | [`gain()`], [`correlation()`] |
//! | KL per token | log-ratios over tokens, responses of all lengths | [`ratio()`] |
//! | interval | a mean over seeds with its interval | [`interval()`] |
//! | p value | whether a mean over seeds is zero, alone and among many | [`p_value()`], [`holm()`] |
//! | repeats | share of a text's 3-grams that occurred in it before | [`repeats()`] |
//! | win rate | two policies before a judge, both orders merged | [`win_rate()`], [`length_controlled()`] |
//! | κ | agreement of judges beyond chance | [`cohens_kappa()`], [`fleiss_kappa()`] |
//! | by subset | any of these, for each part of the data | [`by_subset()`] |

mod accuracy;
mod agreement;
mod bootstrap;
mod calibration;
mod checks;
mod gain;
mod interval;
mod length_controlled;
mod mean;
mod outcome;
mod repeats;
mod significance;
mod subset;
mod summaries;
mod win_rate;

pub use accuracy::{Accuracy, accuracy};
pub use agreement::{cohens_kappa, fleiss_kappa};
pub use bootstrap::bootstrap;
pub use calibration::{Bin, Calibration, calibration, pair_calibration};
pub use gain::{Gain, LikeLength, correlation, gain};
pub use interval::{Interval, interval};
pub use length_controlled::{LengthControlled, length_controlled};
pub use mean::{Mean, mean, ratio};
pub use outcome::{JudgedOutcome, Verdict, merge};
pub use repeats::repeats;
pub use significance::{holm, p_value};
pub use subset::{BySubset, by_subset};
pub use summaries::{
    AccuracySummary, CeilingSummary, Estimate, JudgeSummary, KlSummary, PooledRate, ScoreSummary,
    VerdictSummary,
};
pub use win_rate::{WinRate, win_rate};
