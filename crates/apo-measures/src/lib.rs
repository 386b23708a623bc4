//! Accuracy, calibration, means and their errors, on plain numbers.
//!
//! Rewards come in as `f64` slices, one entry a pair or a response; what comes
//! out serialises, and can be laid out for people. A measure of nothing is
//! absent (`None`), never 0. Numbers that are not finite are the caller's to
//! refuse, with file and row; here they are a bug and panic.
//!
//! | Measure | What | Here |
//! |---|---|---|
//! | accuracy | share of pairs in the right order, ties wrong | [`accuracy()`] |
//! | ECE, ACE, MCE, Brier | does a stated 0.8 come true 8 times in 10 | [`calibration()`] |
//! | RM score | mean reward with its standard error | [`mean()`] |
//! | KL per token | log-ratios over tokens, responses of all lengths | [`ratio()`] |
//! | interval | between what a mean over seeds lies | [`interval()`] |
//! | repeats | share of a text's 3-grams that it said before | [`repeats()`] |
//! | win rate | two policies before a judge, both orders merged | [`win_rate()`], [`length_controlled()`] |
//! | κ | agreement of judges beyond chance | [`cohens_kappa()`], [`fleiss_kappa()`] |
//! | by subset | any of these, apart for each part of the data | [`by_subset()`] |

mod accuracy;
mod agreement;
mod calibration;
mod interval;
mod mean;
mod repeats;
mod subset;
mod summaries;
mod verdicts;

pub use accuracy::{Accuracy, accuracy};
pub use agreement::{cohens_kappa, fleiss_kappa};
pub use calibration::{Bin, Calibration, calibration, pair_calibration, pair_probabilities};
pub use interval::{Interval, interval};
pub use mean::{Mean, mean, ratio};
pub use repeats::repeats;
pub use subset::{BySubset, by_subset};
pub use summaries::{
    AccuracySummary, Estimate, JudgeSummary, KlSummary, PooledRate, ScoreSummary, VerdictSummary,
};
pub use verdicts::{
    LengthControlled, Outcome, Verdict, WinRate, bootstrap, length_controlled, merge, win_rate,
};

/// Panics unless two columns belong to the same rows and hold finite numbers.
fn check(name: &str, first: &[f64], second_name: &str, second: &[f64]) {
    assert_eq!(
        first.len(),
        second.len(),
        "rows of `{name}` and `{second_name}` differ"
    );
    for (name, values) in [(name, first), (second_name, second)] {
        let fault = values.iter().position(|value| !value.is_finite());
        assert!(
            fault.is_none(),
            "`{name}` holds a number that is not finite: {fault:?}"
        );
    }
}
