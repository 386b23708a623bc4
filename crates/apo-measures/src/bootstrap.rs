//! Intervals by bootstrap.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

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

/// Returns the mean of values; `None` if there are none.
pub(crate) fn mean_of(values: &[f64]) -> Option<f64> {
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

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8], [2.5, 50, 97.5])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (level, expected) in [(0.025, 1.075), (0.5, 3.0), (0.975, 7.7)] {
            assert!((percentile(&sorted, level) - expected).abs() < 1e-12);
        }
    }
}
