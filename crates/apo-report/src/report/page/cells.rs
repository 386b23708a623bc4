//! Numbers as the page shows them.

use apo_measures::{JudgeSummary, Mean};

use crate::cells::percent;
use crate::report::measurements::OnPairs;

/// Formats a difference with its sign.
pub fn signed(it: Option<Mean>) -> String {
    it.map_or(String::new(), |it| match it.standard_error {
        Some(error) => format!("{:+.3} ± {error:.3}", it.mean),
        None => format!("{:+.3}", it.mean),
    })
}

/// Formats a number of things.
pub fn counted(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

/// Formats a share of pairs with its standard error.
pub fn accuracy(it: Option<&OnPairs>) -> String {
    it.map_or(String::new(), |it| {
        format!(
            "{:.1} ± {:.1} %",
            100.0 * it.accuracy,
            100.0 * it.standard_error
        )
    })
}

/// Formats a win rate with its interval.
pub fn rate(rate: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match (rate, interval) {
        (Some(rate), Some([low, high])) => {
            format!(
                "{:.1} % ({:.1} to {:.1})",
                100.0 * rate,
                100.0 * low,
                100.0 * high
            )
        }
        (rate, _) => percent(rate),
    }
}

/// Returns the number of queries behind a judge's rate.
pub fn compared(judge: &JudgeSummary) -> usize {
    let it = &judge.all;
    it.wins + it.losses + it.ties + it.inconsistent
}
