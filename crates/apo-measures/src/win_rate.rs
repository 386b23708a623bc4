//! How often one policy wins against another.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{bootstrap, mean_of};
use crate::outcome::JudgedOutcome;

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
pub fn win_rate(outcomes: &[JudgedOutcome], n: usize, seed: u64) -> WinRate {
    let count = |outcome| outcomes.iter().filter(|it| **it == outcome).count();
    let points: Vec<f64> = outcomes.iter().filter_map(|it| it.point()).collect();
    WinRate {
        wins: count(JudgedOutcome::A),
        losses: count(JudgedOutcome::B),
        ties: count(JudgedOutcome::Tie),
        inconsistent: count(JudgedOutcome::Inconsistent),
        invalid: count(JudgedOutcome::Invalid),
        rate: mean_of(&points),
        interval: bootstrap(&points, n, seed, mean_of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_inconsistent_ones_are_half_a_win_and_invalid_ones_none() {
        use JudgedOutcome::{A, B, Inconsistent, Invalid, Tie};
        let found = win_rate(&[A, A, A, B, Tie, Inconsistent, Invalid, Invalid], 1000, 1);
        assert_eq!((found.wins, found.losses, found.ties), (3, 1, 1));
        assert_eq!((found.inconsistent, found.invalid), (1, 2));
        assert!((found.rate.unwrap() - 4.0 / 6.0).abs() < 1e-12);
        let [low, high] = found.interval.unwrap();
        assert!(low < 4.0 / 6.0 && 4.0 / 6.0 < high, "{low} {high}");
        assert_eq!(win_rate(&[Invalid], 10, 1).rate, None);
        assert_eq!(win_rate(&[], 10, 1).interval, None);
    }
}
