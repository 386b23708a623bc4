//! Numbers as tables and pages write them; a missing number is empty.

use apo_measures::{Estimate, Gain};

/// Formats a mean with its standard error.
pub fn with_error(it: Option<Estimate>) -> String {
    it.map_or(String::new(), |it| match it.standard_error {
        Some(error) => format!("{:.3} ± {error:.3}", it.mean),
        None => format!("{:.3}", it.mean),
    })
}

/// Formats a share.
pub fn percent(it: Option<f64>) -> String {
    it.map_or(String::new(), |it| format!("{:.1} %", 100.0 * it))
}

/// Formats a number with this many decimals.
pub fn number(it: Option<f64>, digits: usize) -> String {
    it.map_or(String::new(), |it| format!("{it:.digits$}"))
}

/// Formats a gain at like length with its interval.
pub fn like_length(it: Option<Gain>) -> String {
    it.map_or(String::new(), |it| match it.at_like_length.interval {
        Some([low, high]) => format!("{:.3} ({low:.3} to {high:.3})", it.at_like_length.mean),
        None => format!("{:.3}", it.at_like_length.mean),
    })
}
