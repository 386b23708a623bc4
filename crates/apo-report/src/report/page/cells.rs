//! Numbers as the page shows them.

use apo_measures::{CeilingSummary, JudgeSummary, Mean};
use maud::{Markup, html};

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

/// Draws an accuracy as a bar, with marks where chance and the ceiling are.
pub fn accuracy_bar(it: Option<&OnPairs>, ceiling: Option<&CeilingSummary>) -> Markup {
    let at = |share: f64| format!("{:.1}", 100.0 * share);
    html! {
        @if let Some(it) = it {
            svg.bar viewBox="0 0 100 12" role="img" aria-label=(accuracy(Some(it))) {
                rect x="0" y="2" width=(at(it.accuracy)) height="8" {}
                line.chance x1="50" x2="50" y1="0" y2="12" {}
                @if let Some(ceiling) = ceiling {
                    line.ceiling x1=(at(ceiling.ceiling)) x2=(at(ceiling.ceiling)) y1="0" y2="12" {}
                }
            }
        }
    }
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
