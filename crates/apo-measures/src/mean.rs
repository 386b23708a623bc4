//! Means with their standard errors.

use serde::Serialize;

/// A mean over rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// Values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Its standard error, `s / √n` with `s` over `n − 1`; none of one value.
    pub standard_error: Option<f64>,
}

/// Returns the mean of values and its standard error; `None` of no values.
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
