//! The win rate without the effect of length.

use serde::{Deserialize, Serialize};

use crate::bootstrap::bootstrap;

/// A ridge that keeps the fit finite if lengths do not differ, or decide everything.
const RIDGE: f64 = 1e-3;

/// The win rate that responses of equal length would have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LengthControlled {
    /// The rate.
    pub rate: f64,
    /// Its interval at 95 %; the bootstrap repeats the whole fit.
    pub interval: Option<[f64; 2]>,
}

/// Returns the win rate without the effect of length (after Dubois et al. 2024,
/// `AlpacaEval` 2): a logistic regression of the first policy's points, 0 to 1, on an
/// intercept and tanh of the difference of lengths over its standard deviation. The rate
/// is its prediction for equal lengths. It lacks `AlpacaEval`'s term for an instruction's
/// difficulty, which needs the verdicts on many models.
///
/// `lengths` are those of both responses. `None` if there are no rows, or if one side
/// wins all.
///
/// # Panics
///
/// When the columns differ in length.
pub fn length_controlled(
    points: &[f64],
    lengths: &[[f64; 2]],
    n: usize,
    seed: u64,
) -> Option<LengthControlled> {
    assert_eq!(
        points.len(),
        lengths.len(),
        "rows of points and lengths differ"
    );
    let rows = points.iter().zip(lengths);
    let rows: Vec<[f64; 2]> = rows.map(|(point, [a, b])| [*point, a - b]).collect();
    Some(LengthControlled {
        rate: fit_at_no_difference(&rows)?,
        interval: bootstrap(&rows, n, seed, fit_at_no_difference),
    })
}

/// Fits σ(θ + φ·tanh(d/s)) to points by Newton's method, and returns σ(θ).
fn fit_at_no_difference(rows: &[[f64; 2]]) -> Option<f64> {
    let n = rows.len() as f64;
    let mean = rows.iter().map(|it| it[1]).sum::<f64>() / n;
    let variance = rows.iter().map(|it| (it[1] - mean).powi(2)).sum::<f64>() / n;
    let scale = variance.sqrt();
    let rows: Vec<[f64; 2]> = rows
        .iter()
        .map(|[y, d]| [*y, if scale > 0.0 { (d / scale).tanh() } else { 0.0 }])
        .collect();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut theta, mut phi) = (0.0, 0.0);
    for _ in 0..50 {
        let (mut g, mut h) = ([0.0; 2], [0.0, 0.0, RIDGE]);
        g[1] -= RIDGE * phi;
        for [y, x] in &rows {
            let p = sigmoid(theta + phi * x);
            let w = p * (1.0 - p);
            g[0] += y - p;
            g[1] += (y - p) * x;
            h[0] += w;
            h[1] += w * x;
            h[2] += w * x * x;
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [
            (h[2] * g[0] - h[1] * g[1]) / determinant,
            (h[0] * g[1] - h[1] * g[0]) / determinant,
        ];
        if !step.iter().all(|it| it.is_finite()) {
            return None;
        }
        theta += step[0];
        phi += step[1];
        if step.iter().all(|it| it.abs() < 1e-10) {
            return Some(sigmoid(theta));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::JudgedOutcome;
    use crate::win_rate::win_rate;

    fn points(outcomes: &[JudgedOutcome]) -> Vec<f64> {
        outcomes.iter().filter_map(|it| it.point()).collect()
    }

    #[test]
    fn a_rate_that_is_all_length_is_a_half_once_length_is_out() {
        // The longer one wins, by as much on either side.
        let outcomes: Vec<JudgedOutcome> = (0..200)
            .map(|i| match i % 10 {
                0..7 => JudgedOutcome::A,
                7..9 => JudgedOutcome::B,
                _ => JudgedOutcome::Tie,
            })
            .collect();
        let all_a_is_longer: Vec<[f64; 2]> = outcomes
            .iter()
            .map(|it| match it {
                JudgedOutcome::A => [200.0, 100.0],
                JudgedOutcome::B => [100.0, 200.0],
                _ => [150.0, 150.0],
            })
            .collect();
        let found = length_controlled(&points(&outcomes), &all_a_is_longer, 0, 1).unwrap();
        // Up to the ridge, without which φ would have no end.
        assert!((found.rate - 0.5).abs() < 1e-3, "{found:?}");
        assert_eq!(length_controlled(&[1.0; 4], &[[1.0, 2.0]; 4], 0, 1), None);
        // Both lengths win at 3 of 4, and A is longer in 2 of 3: 7/12 in all,
        // half without length.
        let mut rows = Vec::new();
        for (longer, n) in [(true, 80), (false, 40)] {
            for i in 0..n {
                let wins = (i % 4 != 0) == longer;
                let outcome = if wins {
                    JudgedOutcome::A
                } else {
                    JudgedOutcome::B
                };
                let lengths = if longer {
                    [200.0, 100.0]
                } else {
                    [100.0, 200.0]
                };
                rows.push((outcome, lengths));
            }
        }
        let (outcomes, lengths): (Vec<JudgedOutcome>, Vec<[f64; 2]>) = rows.into_iter().unzip();
        let plain = win_rate(&outcomes, 0, 1).rate.unwrap();
        assert!((plain - 7.0 / 12.0).abs() < 1e-9, "{plain}");
        let found = length_controlled(&points(&outcomes), &lengths, 200, 1).unwrap();
        assert!((found.rate - 0.5).abs() < 1e-4, "{found:?}");
        let [low, high] = found.interval.unwrap();
        assert!(low < 0.5 && 0.5 < high, "{low} {high}");
    }
}
