//! Numbers as tables and pages write them; nothing where there is none.

use apo_measures::Estimate;

/// Writes a mean with its standard error.
pub fn with_error(it: Option<Estimate>) -> String {
    it.map_or(String::new(), |it| match it.standard_error {
        Some(error) => format!("{:.3} ± {error:.3}", it.mean),
        None => format!("{:.3}", it.mean),
    })
}

/// Writes a share.
pub fn percent(it: Option<f64>) -> String {
    it.map_or(String::new(), |it| format!("{:.1} %", 100.0 * it))
}

/// Writes a number with so many digits.
pub fn number(it: Option<f64>, digits: usize) -> String {
    it.map_or(String::new(), |it| format!("{it:.digits$}"))
}
