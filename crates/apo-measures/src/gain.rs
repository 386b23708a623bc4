//! By how much rewards are higher than others, and how far they follow length.

use serde::{Deserialize, Serialize};

use crate::bootstrap::bootstrap;
use crate::mean::{Mean, mean};

/// Draws of the bootstrap, and their seed: the same for all who ask.
const DRAWS: usize = 1000;
const SEED: u64 = 1;

/// By how much one policy's rewards are higher than another's, over queries that both
/// answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The mean difference.
    #[serde(flatten)]
    pub raw: Mean,
    /// The difference that answers of like length would have.
    pub at_like_length: LikeLength,
}

/// A difference of rewards without the effect of length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LikeLength {
    /// The difference.
    pub mean: f64,
    /// Its interval at 95 %; the bootstrap repeats the whole fit.
    pub interval: Option<[f64; 2]>,
}

/// Returns by how much rewards are higher, from the difference of rewards and the
/// difference of lengths of each query; `None` if there are no queries.
///
/// At like length it is the intercept of a linear regression of the former on the latter,
/// by least squares: what a query gains whose answer is as long as the other one. If all
/// lengths differ by the same, they explain nothing, and it is the mean.
///
/// ```
/// // A reward that is two higher, and a tenth of the additional characters.
/// let rows = [[3.0, 10.0], [2.0, 0.0], [4.0, 20.0]];
/// let found = apo_measures::gain(&rows).unwrap();
/// assert_eq!(found.raw.mean, 3.0);
/// assert!((found.at_like_length.mean - 2.0).abs() < 1e-12);
/// ```
///
/// # Panics
///
/// When a difference of rewards is not finite.
pub fn gain(rows: &[[f64; 2]]) -> Option<Gain> {
    Some(Gain {
        raw: mean(&rows.iter().map(|it| it[0]).collect::<Vec<f64>>())?,
        at_like_length: LikeLength {
            mean: intercept(rows)?,
            interval: bootstrap(rows, DRAWS, SEED, intercept),
        },
    })
}

/// Fits θ + φ·x to y by least squares, and returns θ; rows are `[y, x]`.
fn intercept(rows: &[[f64; 2]]) -> Option<f64> {
    if rows.is_empty() {
        return None;
    }
    let [y, x] = means(rows);
    let [_, covariance, variance] = moments(rows);
    let slope = if variance > 0.0 {
        covariance / variance
    } else {
        0.0
    };
    Some(y - slope * x)
}

/// Returns the correlation (Pearson's r) of two columns; `None` if there are fewer than
/// two rows, or if all of one column are equal.
///
/// # Panics
///
/// When the columns differ in length.
pub fn correlation(first: &[f64], second: &[f64]) -> Option<f64> {
    assert_eq!(first.len(), second.len(), "columns differ in length");
    let rows: Vec<[f64; 2]> = first.iter().zip(second).map(|(a, b)| [*a, *b]).collect();
    if rows.len() < 2 {
        return None;
    }
    let [of_first, of_both, of_second] = moments(&rows);
    let scale = (of_first * of_second).sqrt();
    (scale > 0.0).then(|| of_both / scale)
}

fn means(rows: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|column| rows.iter().map(|it| it[column]).sum::<f64>() / rows.len() as f64)
}

/// Returns the sums of squares and products around the means: of the first column, of
/// both, and of the second.
fn moments(rows: &[[f64; 2]]) -> [f64; 3] {
    let [a, b] = means(rows);
    let sum = |of: fn(f64, f64) -> f64| rows.iter().map(|it| of(it[0] - a, it[1] - b)).sum();
    [sum(|a, _| a * a), sum(|a, b| a * b), sum(|_, b| b * b)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_length_explains_is_no_gain_at_like_length() {
        // numpy.polyfit([30, -10, 55, 0, 20], [1.5, -0.25, 2.0, 0.5, 0.75], 1)
        let rows = [
            [1.5, 30.0],
            [-0.25, -10.0],
            [2.0, 55.0],
            [0.5, 0.0],
            [0.75, 20.0],
        ];
        let found = gain(&rows).unwrap();
        assert_eq!((found.raw.n, found.raw.mean), (5, 0.9));
        let at_like_length = found.at_like_length;
        assert!(
            (at_like_length.mean - 0.269_083_969_465_648_7).abs() < 1e-12,
            "{found:?}"
        );
        let [low, high] = at_like_length.interval.unwrap();
        assert!(low < at_like_length.mean && at_like_length.mean < high);
        // numpy.corrcoef of the same
        let columns = [0, 1].map(|column| rows.map(|it| it[column]));
        let r = correlation(&columns[0], &columns[1]).unwrap();
        assert!((r - 0.969_272_847_506_725_6).abs() < 1e-12, "{r}");
    }

    #[test]
    fn equal_lengths_explain_nothing() {
        let found = gain(&[[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]]).unwrap();
        assert_eq!(found.at_like_length.mean, 3.0);
        assert_eq!(gain(&[]), None);
        assert_eq!(correlation(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(correlation(&[1.0], &[3.0]), None);
        assert_eq!(correlation(&[1.0, 2.0], &[3.0, 1.0]), Some(-1.0));
    }
}
