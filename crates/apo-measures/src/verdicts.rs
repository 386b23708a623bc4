//! Comparisons of two policies: merged orders, win rates, their intervals.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A judge's verdict on two responses, independent of their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The first policy is better.
    A,
    /// The second one is.
    B,
    /// They are equally good, or equally bad.
    Same,
    /// No verdict can be read.
    Invalid,
}

impl Verdict {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Same => "same",
            Self::Invalid => "invalid",
        }
    }
}

/// The outcome of a comparison in both orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The first policy wins.
    A,
    /// The second one does.
    B,
    /// Both orders say "same".
    Tie,
    /// The verdict follows the position; it counts as a tie in the rates.
    Inconsistent,
    /// An order has no verdict; it is left out of the rates.
    Invalid,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::A,
        Self::B,
        Self::Tie,
        Self::Inconsistent,
        Self::Invalid,
    ];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Tie => "tie",
            Self::Inconsistent => "inconsistent",
            Self::Invalid => "invalid",
        }
    }

    /// Returns the outcome with this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Returns the first policy's points: 1, 0, or a half; `None` without a verdict.
    pub fn point(self) -> Option<f64> {
        match self {
            Self::A => Some(1.0),
            Self::B => Some(0.0),
            Self::Tie | Self::Inconsistent => Some(0.5),
            Self::Invalid => None,
        }
    }
}

/// Merges the verdicts of both orders (APO appendix B): a side that wins one
/// order and does not lose the other wins.
pub fn merge(first: Verdict, second: Verdict) -> Outcome {
    match (first, second) {
        (Verdict::Invalid, _) | (_, Verdict::Invalid) => Outcome::Invalid,
        (Verdict::A, Verdict::B) | (Verdict::B, Verdict::A) => Outcome::Inconsistent,
        (Verdict::Same, Verdict::Same) => Outcome::Tie,
        (Verdict::A, _) | (_, Verdict::A) => Outcome::A,
        (Verdict::B, _) | (_, Verdict::B) => Outcome::B,
    }
}

/// How often each outcome occurred, and the first policy's win rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WinRate {
    /// The first policy's wins.
    pub wins: usize,
    /// The second one's.
    pub losses: usize,
    /// Ties in both orders.
    pub ties: usize,
    /// Verdicts that follow the position; they count as ties in the rate.
    pub inconsistent: usize,
    /// Comparisons without a verdict; they are left out of the rate.
    pub invalid: usize,
    /// (wins + ties/2) / (wins + ties + losses); `None` if nothing was judged.
    pub rate: Option<f64>,
    /// The rate's interval at 95 %, by bootstrap.
    pub interval: Option<[f64; 2]>,
}

/// Returns the win rate with its 95 % interval: percentiles of `n` bootstrap
/// draws of whole comparisons, so that both orders of a query stay together.
pub fn win_rate(outcomes: &[Outcome], n: usize, seed: u64) -> WinRate {
    let count = |outcome| outcomes.iter().filter(|it| **it == outcome).count();
    let points: Vec<f64> = outcomes.iter().filter_map(|it| it.point()).collect();
    WinRate {
        wins: count(Outcome::A),
        losses: count(Outcome::B),
        ties: count(Outcome::Tie),
        inconsistent: count(Outcome::Inconsistent),
        invalid: count(Outcome::Invalid),
        rate: mean_of(&points),
        interval: bootstrap(&points, n, seed, mean_of),
    }
}

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

/// A ridge that keeps the fit finite if lengths do not differ, or decide everything.
const RIDGE: f64 = 1e-3;

/// Returns the 2.5th and 97.5th percentile of `of` over `n` draws of the rows with
/// replacement. Draws for which it returns `None` are left out. `None` if there are no
/// rows or draws, or if all draws give the same: such rows do not tell how certain they
/// are.
pub fn bootstrap<T: Copy>(
    rows: &[T],
    n: usize,
    seed: u64,
    of: impl Fn(&[T]) -> Option<f64>,
) -> Option<[f64; 2]> {
    if rows.is_empty() {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<f64> = (0..n)
        .filter_map(|_| {
            let draw = (0..rows.len()).map(|_| rows[rng.random_range(0..rows.len())]);
            of(&draw.collect::<Vec<T>>())
        })
        .collect();
    if found.is_empty() {
        return None;
    }
    found.sort_unstable_by(f64::total_cmp);
    if found.first() == found.last() {
        return None;
    }
    Some([0.025, 0.975].map(|level| percentile(&found, level)))
}

fn mean_of(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns a percentile of sorted values with linear interpolation, as `NumPy`'s default
/// does.
fn percentile(sorted: &[f64], level: f64) -> f64 {
    let at = level * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = at.ceil() as usize;
    sorted[below] + (sorted[above] - sorted[below]) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_orders_comes_to_what_the_paper_says() {
        use Verdict::{A, B, Invalid, Same};
        for (first, second, expected) in [
            (A, A, Outcome::A),
            (B, B, Outcome::B),
            (Same, Same, Outcome::Tie),
            (A, Same, Outcome::A),
            (Same, A, Outcome::A),
            (B, Same, Outcome::B),
            (Same, B, Outcome::B),
            (A, B, Outcome::Inconsistent),
            (B, A, Outcome::Inconsistent),
            (Invalid, A, Outcome::Invalid),
            (Invalid, B, Outcome::Invalid),
            (Invalid, Same, Outcome::Invalid),
            (A, Invalid, Outcome::Invalid),
            (B, Invalid, Outcome::Invalid),
            (Same, Invalid, Outcome::Invalid),
            (Invalid, Invalid, Outcome::Invalid),
        ] {
            assert_eq!(merge(first, second), expected, "{first:?}, {second:?}");
        }
    }

    #[test]
    fn ties_and_inconsistent_ones_are_half_a_win_and_invalid_ones_none() {
        use Outcome::{A, B, Inconsistent, Invalid, Tie};
        let found = win_rate(&[A, A, A, B, Tie, Inconsistent, Invalid, Invalid], 1000, 1);
        assert_eq!((found.wins, found.losses, found.ties), (3, 1, 1));
        assert_eq!((found.inconsistent, found.invalid), (1, 2));
        assert!((found.rate.unwrap() - 4.0 / 6.0).abs() < 1e-12);
        let [low, high] = found.interval.unwrap();
        assert!(low < 4.0 / 6.0 && 4.0 / 6.0 < high, "{low} {high}");
        assert_eq!(win_rate(&[Invalid], 10, 1).rate, None);
        assert_eq!(win_rate(&[], 10, 1).interval, None);
    }

    #[test]
    fn the_bootstrap_has_the_spread_of_a_mean() {
        // 400 values of deviation ½: an error of 0.025, the interval 2 · 1.96 of it.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let of = |n, seed| bootstrap(&values, n, seed, mean_of);
        let [low, high] = of(4000, 3).unwrap();
        assert!((low - (0.5 - 0.049)).abs() < 0.004, "{low}");
        assert!((high - (0.5 + 0.049)).abs() < 0.004, "{high}");
        assert_eq!(of(100, 3), of(100, 3));
        assert_ne!(of(100, 3), of(100, 4));
    }

    #[test]
    fn the_bootstrap_is_scipys() {
        // scipy 1.17.1: bootstrap((points,), mean, n_resamples=1000000,
        // method='percentile') of 60 queries, 23 won, 17 tied, 20 lost; a mean is
        // a multiple of 1/120, and the percentile one of these.
        let points: Vec<f64> = [(23, 1.0), (17, 0.5), (20, 0.0)]
            .iter()
            .flat_map(|(n, point)| vec![*point; *n])
            .collect();
        let [low, high] = bootstrap(&points, 20_000, 7, mean_of).unwrap();
        assert!((low - 0.416_667).abs() < 1e-6, "{low}");
        assert!((high - 0.633_333).abs() < 1e-6, "{high}");
    }

    fn points(outcomes: &[Outcome]) -> Vec<f64> {
        outcomes.iter().filter_map(|it| it.point()).collect()
    }

    #[test]
    fn a_rate_that_is_all_length_is_a_half_once_length_is_out() {
        // The longer one wins, by as much on either side.
        let outcomes: Vec<Outcome> = (0..200)
            .map(|i| match i % 10 {
                0..7 => Outcome::A,
                7..9 => Outcome::B,
                _ => Outcome::Tie,
            })
            .collect();
        let all_a_is_longer: Vec<[f64; 2]> = outcomes
            .iter()
            .map(|it| match it {
                Outcome::A => [200.0, 100.0],
                Outcome::B => [100.0, 200.0],
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
                let outcome = if wins { Outcome::A } else { Outcome::B };
                let lengths = if longer {
                    [200.0, 100.0]
                } else {
                    [100.0, 200.0]
                };
                rows.push((outcome, lengths));
            }
        }
        let (outcomes, lengths): (Vec<Outcome>, Vec<[f64; 2]>) = rows.into_iter().unzip();
        let plain = win_rate(&outcomes, 0, 1).rate.unwrap();
        assert!((plain - 7.0 / 12.0).abs() < 1e-9, "{plain}");
        let found = length_controlled(&points(&outcomes), &lengths, 200, 1).unwrap();
        assert!((found.rate - 0.5).abs() < 1e-4, "{found:?}");
        let [low, high] = found.interval.unwrap();
        assert!(low < 0.5 && 0.5 < high, "{low} {high}");
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8], [2.5, 50, 97.5])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (level, expected) in [(0.025, 1.075), (0.5, 3.0), (0.975, 7.7)] {
            assert!((percentile(&sorted, level) - expected).abs() < 1e-12);
        }
    }
}
