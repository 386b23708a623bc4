//! Preference accuracy of a reward model.

use serde::{Deserialize, Serialize};

use crate::checks::check_columns;

/// How many pairs a reward model orders as people do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Number of pairs.
    pub n_pairs: usize,
    /// Pairs with `reward(chosen) > reward(rejected)`.
    pub n_correct: usize,
    /// Pairs with equal rewards; they are not correct.
    pub n_ties: usize,
    /// `n_correct / n_pairs`.
    pub accuracy: f64,
    /// Standard error of the accuracy as a binomial share,
    /// `√(accuracy · (1 − accuracy) / n_pairs)`.
    pub standard_error: f64,
}

/// Returns the share of pairs in which the chosen response has the higher
/// reward (APO § 4.1: strictly higher, so that a tie is wrong); `None` if there are no
/// pairs.
///
/// # Panics
///
/// When the columns differ in length or hold a number that is not finite.
#[expect(clippy::float_cmp, reason = "a tie is an exact tie")]
pub fn accuracy(chosen: &[f64], rejected: &[f64]) -> Option<Accuracy> {
    check_columns("chosen", chosen, "rejected", rejected);
    let n_pairs = chosen.len();
    if n_pairs == 0 {
        return None;
    }
    let pairs = || chosen.iter().zip(rejected);
    let n_correct = pairs()
        .filter(|(chosen, rejected)| chosen > rejected)
        .count();
    let n_ties = pairs()
        .filter(|(chosen, rejected)| chosen == rejected)
        .count();
    let accuracy = n_correct as f64 / n_pairs as f64;
    Some(Accuracy {
        n_pairs,
        n_correct,
        n_ties,
        accuracy,
        standard_error: (accuracy * (1.0 - accuracy) / n_pairs as f64).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_is_wrong_and_counted() {
        let found = accuracy(&[1.0, 0.5, -1.0, 2.0], &[0.0, 0.5, 1.0, 1.0]).unwrap();
        assert_eq!((found.n_pairs, found.n_correct, found.n_ties), (4, 2, 1));
        assert!((found.accuracy - 0.5).abs() < 1e-15);
        // √(½ · ½ / 4)
        assert!((found.standard_error - 0.25).abs() < 1e-15);
    }

    #[test]
    fn swapping_every_pair_leaves_ties_and_turns_the_rest() {
        let (chosen, rejected) = ([3.0, 1.0, 1.0], [2.0, 1.0, 5.0]);
        let there = accuracy(&chosen, &rejected).unwrap();
        let back = accuracy(&rejected, &chosen).unwrap();
        assert_eq!(there.n_ties, back.n_ties);
        assert_eq!(there.n_correct + back.n_correct + there.n_ties, 3);
    }

    #[test]
    fn no_pairs_have_no_accuracy() {
        assert_eq!(accuracy(&[], &[]), None);
    }

    #[test]
    #[should_panic(expected = "rows of `chosen` and `rejected` differ")]
    fn columns_of_different_length_are_a_bug() {
        let _ = accuracy(&[1.0], &[]);
    }

    #[test]
    #[should_panic(expected = "not finite")]
    fn a_reward_that_is_no_number_is_a_bug() {
        let _ = accuracy(&[1.0, f64::NAN], &[0.0, 0.0]);
    }
}
