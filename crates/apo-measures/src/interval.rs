//! Intervals of means.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use crate::mean::mean;

/// A mean and its interval.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Interval {
    /// Number of values.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Tells whether the whole interval lies above a number.
    pub fn is_above(&self, number: f64) -> bool {
        self.low > number
    }

    /// Tells whether the whole interval lies below a number.
    pub fn is_below(&self, number: f64) -> bool {
        self.high < number
    }
}

/// Returns the mean of independent values with its two-sided interval at a level such as
/// 0.95, by Student's t with `n − 1` degrees of freedom; `None` for fewer than two
/// values.
///
/// # Panics
///
/// When a value is not finite, or the level is not between 0 and 1.
pub fn interval(values: &[f64], level: f64) -> Option<Interval> {
    assert!(
        level > 0.0 && level < 1.0,
        "a level of {level} is not between 0 and 1"
    );
    let found = mean(values)?;
    let error = found.standard_error?;
    let freedom = (found.n - 1) as f64;
    let student = StudentsT::new(0.0, 1.0, freedom).expect("at least one degree of freedom");
    let reach = error * student.inverse_cdf(0.5 + level / 2.0);
    Some(Interval {
        n: found.n,
        mean: found.mean,
        low: found.mean - reach,
        high: found.mean + reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables_of_students_t() {
        // Five values of mean 3 and error √(10/4/5): t(4, 0.975) = 2.776445.
        let found = interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        let reach = 2.776_445_105 * 0.5f64.sqrt();
        assert!((found.mean - 3.0).abs() < 1e-12);
        assert!((found.high - 3.0 - reach).abs() < 1e-6, "{found:?}");
        assert!((3.0 - found.low - reach).abs() < 1e-6, "{found:?}");
        assert!(found.is_above(1.0) && !found.is_above(1.1));
        assert!(found.is_below(5.0) && !found.is_below(4.9));
    }

    #[test]
    fn one_value_has_no_interval() {
        assert_eq!(interval(&[1.0], 0.95), None);
        assert_eq!(interval(&[], 0.95), None);
    }
}
