//! Tests of means, and their correction for many.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use crate::mean::mean;

/// Returns the p value of the two-sided t test that the mean of independent values is
/// zero, with `n − 1` degrees of freedom; `None` for fewer than two values.
///
/// Equal values have no error: their p value is 0, or 1 if they are zero.
///
/// # Panics
///
/// When a value is not finite.
pub fn p_value(values: &[f64]) -> Option<f64> {
    let found = mean(values)?;
    let error = found.standard_error?;
    if error == 0.0 {
        return Some(f64::from(found.mean == 0.0));
    }
    let freedom = (found.n - 1) as f64;
    let student = StudentsT::new(0.0, 1.0, freedom).expect("at least one degree of freedom");
    Some(2.0 * student.cdf(-(found.mean / error).abs()))
}

/// Corrects the p values of several tests by Holm's method: if each test is rejected whose
/// corrected value is below a level, the probability of any false rejection is below that
/// level.
///
/// ```
/// // The smallest counts three times, the next twice, but no less than the one before.
/// assert_eq!(apo_measures::holm(&[0.25, 0.125, 0.125]), [0.375, 0.375, 0.375]);
/// ```
pub fn holm(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut corrected = vec![0.0; n];
    let mut largest: f64 = 0.0;
    for (rank, &at) in order.iter().enumerate() {
        largest = largest.max((n - rank) as f64 * values[at]).min(1.0);
        corrected[at] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval;

    #[test]
    fn a_p_value_is_that_of_the_tables_of_students_t() {
        // Mean 3, error √½: t = 4.242641 with 4 degrees of freedom. By the closed form of
        // its distribution, with y = t/√(4 + t²): p = 1 − 3/2 · (y − y³/3).
        let found = p_value(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let t = 3.0 / 0.5_f64.sqrt();
        let y = t / (4.0 + t * t).sqrt();
        assert!((found - (1.0 - 1.5 * (y - y.powi(3) / 3.0))).abs() < 1e-9);
        assert_eq!(p_value(&[-1.0, 1.0]), Some(1.0));
        assert_eq!(p_value(&[1.0]), None);
    }

    #[test]
    fn it_is_below_a_twentieth_where_the_interval_excludes_zero() {
        for shift in [0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5] {
            let values = [-1.0, 0.5, 0.0, 1.0, -0.5].map(|it| it + shift);
            let is_above = interval(&values, 0.95).unwrap().is_above(0.0);
            assert_eq!(p_value(&values).unwrap() < 0.05, is_above, "{shift}");
        }
    }

    #[test]
    fn equal_values_are_certain() {
        assert_eq!(p_value(&[0.25, 0.25]), Some(0.0));
        assert_eq!(p_value(&[0.0, 0.0]), Some(1.0));
    }

    #[test]
    fn the_correction_is_that_of_statsmodels() {
        // multipletests([0.01, 0.04, 0.03, 0.005], method='holm')
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(holm(&[0.5, 0.75]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
