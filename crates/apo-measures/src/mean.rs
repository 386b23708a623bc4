//! Means with their standard errors.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::checks::check_columns;

/// A mean over rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Number of values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Its standard error, `s / √n` with `s` over `n − 1`; `None` for one value.
    #[serde(default, deserialize_with = "not_negative")]
    pub standard_error: Option<f64>,
}

/// Reads a standard error.
pub(crate) fn not_negative<'de, D: Deserializer<'de>>(it: D) -> Result<Option<f64>, D::Error> {
    let found = Option::<f64>::deserialize(it)?;
    match found {
        Some(error) if error < 0.0 => Err(D::Error::custom(format!(
            "`standard_error` is {error}, expected none below 0"
        ))),
        found => Ok(found),
    }
}

/// Returns the mean of values and its standard error; `None` if there are no values.
///
/// # Panics
///
/// When a value is not finite.
pub fn mean(values: &[f64]) -> Option<Mean> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let fault = values.iter().find(|value| !value.is_finite());
    assert!(fault.is_none(), "expected finite values, found {fault:?}");
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = |n: f64| (squares / (n - 1.0) / n).sqrt();
    Some(Mean {
        n,
        mean,
        standard_error: (n > 1).then(|| error(n as f64)),
    })
}

/// Returns the ratio of two sums with its standard error, such as a mean over the tokens
/// of responses of different lengths; `None` if there are no rows, or if the second sum
/// is not above 0.
///
/// The error is the usual one of a ratio of means, `s(a − R·b) / (√n · mean b)`.
///
/// # Panics
///
/// When the columns differ in length or hold a number that is not finite.
pub fn ratio(a: &[f64], b: &[f64]) -> Option<Mean> {
    check_columns("a", a, "b", b);
    let total: f64 = b.iter().sum();
    if total <= 0.0 {
        return None;
    }
    let ratio = a.iter().sum::<f64>() / total;
    let residuals: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - ratio * b).collect();
    let n = residuals.len();
    let error = mean(&residuals)?.standard_error;
    Some(Mean {
        n,
        mean: ratio,
        standard_error: error.map(|error| error * n as f64 / total),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_and_its_error_are_those_worked_out_by_hand() {
        let found = mean(&[1.0, 2.0, 3.0, 6.0]).unwrap();
        assert!((found.mean - 3.0).abs() < 1e-15);
        // squares 4 + 1 + 0 + 9 = 14; variance 14/3; error √(14/3/4)
        assert!((found.standard_error.unwrap() - (14.0f64 / 12.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_shift_moves_the_mean_and_not_its_error() {
        let found = mean(&[1.0, 2.0, 4.0]).unwrap();
        let shifted = mean(&[1001.0, 1002.0, 1004.0]).unwrap();
        assert!((shifted.mean - found.mean - 1000.0).abs() < 1e-9);
        let (a, b) = (
            found.standard_error.unwrap(),
            shifted.standard_error.unwrap(),
        );
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }

    #[test]
    fn a_ratio_weighs_rows_by_their_length() {
        // 6/3; residuals 1 − 2, 5 − 4 of mean 0: variance 2, error √(2/2)/1.5.
        let found = ratio(&[1.0, 5.0], &[1.0, 2.0]).unwrap();
        assert!((found.mean - 2.0).abs() < 1e-12);
        assert!((found.standard_error.unwrap() - 1.0 / 1.5).abs() < 1e-12);
        assert_eq!(ratio(&[], &[]), None);
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }

    #[test]
    fn one_value_has_no_error_and_none_no_mean() {
        assert_eq!(mean(&[2.0]).unwrap().standard_error, None);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    #[should_panic(expected = "expected finite values")]
    fn an_infinite_value_is_a_bug() {
        let _ = mean(&[1.0, f64::INFINITY]);
    }
}
