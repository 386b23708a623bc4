//! Calibration of a reward model's preference probabilities (APO § 4.1).
//!
//! The paper weighs a bin by `|D_b| / B`, where B is the number of bins. That is a slip
//! for `|D_b| / N`, where N is the number of entries, which is used here.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::checks::check_columns;

/// How far stated probabilities are from the observed frequencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Number of entries; a pair counts as two.
    pub n: usize,
    /// Expected calibration error: the gaps of all bins, each weighed by its
    /// share of the entries.
    pub ece: f64,
    /// Average calibration error: the unweighted mean of the gaps of the bins that are
    /// not empty.
    pub ace: f64,
    /// Maximum calibration error: the largest gap.
    pub mce: f64,
    /// Brier score: mean squared difference of probability and outcome.
    pub brier: f64,
    /// All bins in order, including empty ones.
    pub bins: Vec<Bin>,
}

/// The entries whose probability lies in `[low, high)`; 1 is in the last bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower edge of the bin.
    pub low: f64,
    /// Upper edge of the bin.
    pub high: f64,
    /// Number of entries in it.
    pub n: usize,
    /// Mean of their probabilities; `None` for an empty bin.
    pub expected: Option<f64>,
    /// Share of them that came true; `None` for an empty bin.
    pub observed: Option<f64>,
}

impl Bin {
    /// Returns `|observed − expected|`; `None` for an empty bin.
    pub fn gap(&self) -> Option<f64> {
        Some((self.observed? - self.expected?).abs())
    }
}

/// Returns the calibration of probabilities against outcomes over `n_bins` equal bins:
/// `bin = floor(p · n_bins)` in `f64`, and a probability of 1 is in the last bin. `None`
/// if there are no entries.
///
/// # Panics
///
/// When the columns differ in length, a probability is not in `[0, 1]`, or
/// there are no bins.
pub fn calibration(probabilities: &[f64], outcomes: &[bool], n_bins: usize) -> Option<Calibration> {
    assert!(n_bins > 0, "expected one bin or more");
    assert_eq!(
        probabilities.len(),
        outcomes.len(),
        "rows of `probabilities` and `outcomes` differ"
    );
    let n = probabilities.len();
    if n == 0 {
        return None;
    }
    let mut sums = vec![(0usize, 0.0f64, 0usize); n_bins];
    let mut squares = 0.0;
    for (&p, &outcome) in probabilities.iter().zip(outcomes) {
        assert!(
            (0.0..=1.0).contains(&p),
            "expected a probability, found {p}"
        );
        let bin = ((p * n_bins as f64) as usize).min(n_bins - 1);
        let (count, sum, n_true) = &mut sums[bin];
        *count += 1;
        *sum += p;
        *n_true += usize::from(outcome);
        squares += (p - f64::from(u8::from(outcome))).powi(2);
    }
    let bins: Vec<Bin> = sums
        .into_iter()
        .enumerate()
        .map(|(bin, (n, sum, n_true))| Bin {
            low: bin as f64 / n_bins as f64,
            high: (bin + 1) as f64 / n_bins as f64,
            n,
            expected: (n > 0).then(|| sum / n as f64),
            observed: (n > 0).then(|| n_true as f64 / n as f64),
        })
        .collect();
    let gaps = || bins.iter().filter_map(|bin| Some((bin.n, bin.gap()?)));
    Some(Calibration {
        n,
        ece: gaps()
            .map(|(count, gap)| count as f64 / n as f64 * gap)
            .sum(),
        ace: gaps().map(|(_, gap)| gap).sum::<f64>() / gaps().count() as f64,
        mce: gaps().map(|(_, gap)| gap).fold(0.0, f64::max),
        brier: squares / n as f64,
        bins,
    })
}

/// Returns the probability that the chosen response is preferred,
/// `σ(reward(chosen) − reward(rejected))` (APO eq. 2), of each pair.
///
/// # Panics
///
/// When the columns differ in length or hold a number that is not finite.
fn pair_probabilities(chosen: &[f64], rejected: &[f64]) -> Vec<f64> {
    check_columns("chosen", chosen, "rejected", rejected);
    let pairs = chosen.iter().zip(rejected);
    pairs
        .map(|(chosen, rejected)| sigmoid(chosen - rejected))
        .collect()
}

fn sigmoid(x: f64) -> f64 {
    // `exp` of a number that is not positive cannot overflow.
    let e = (-x.abs()).exp();
    if x >= 0.0 {
        1.0 / (1.0 + e)
    } else {
        e / (1.0 + e)
    }
}

/// Returns the calibration of pairs, each in both orders, so that the set is
/// balanced: `(p, true)` and `(1 − p, false)`, where `p` is the probability
/// that the chosen response is preferred. `None` if there are no pairs.
///
/// # Panics
///
/// When the columns differ in length or hold a number that is not finite, or there are
/// no bins.
pub fn pair_calibration(chosen: &[f64], rejected: &[f64], n_bins: usize) -> Option<Calibration> {
    let outcomes = vec![true; chosen.len()];
    both_orders(&pair_probabilities(chosen, rejected), &outcomes, n_bins)
}

fn both_orders(probabilities: &[f64], outcomes: &[bool], n_bins: usize) -> Option<Calibration> {
    let there = probabilities.iter().copied();
    let all: Vec<f64> = there.chain(probabilities.iter().map(|p| 1.0 - p)).collect();
    let turned = outcomes.iter().map(|outcome| !outcome);
    let outcomes: Vec<bool> = outcomes.iter().copied().chain(turned).collect();
    calibration(&all, &outcomes, n_bins)
}

impl Calibration {
    /// Formats the bins for people, one on each line, with the gap drawn to scale.
    ///
    /// ```text
    /// probability        n  expected  observed     gap
    /// 0.0 - 0.5          3    0.2500    0.3333  0.0833  ##
    /// 0.5 - 1.0          3    0.7500    0.6667  0.0833  ##
    /// ```
    pub fn reliability_table(&self) -> String {
        /// Characters of a gap of 1.
        const SCALE: f64 = 20.0;
        // Enough decimals to tell the edges apart.
        let decimals = if 10 % self.bins.len() == 0 { 1 } else { 3 };
        let mut text = String::from("probability        n  expected  observed     gap\n");
        for bin in &self.bins {
            let edges = format!("{:.decimals$} - {:.decimals$}", bin.low, bin.high);
            let mut line = format!("{edges:<13} {:>6}", bin.n);
            if let (Some(expected), Some(observed), Some(gap)) =
                (bin.expected, bin.observed, bin.gap())
            {
                let drawn = "#".repeat((gap * SCALE).round() as usize);
                write!(
                    line,
                    "  {expected:>8.4}  {observed:>8.4}  {gap:.4}  {drawn}"
                )
                .expect("a String takes any text");
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// The values were rounded to 12 digits; the bound is the project's.
    const TOLERANCE: f64 = 1e-6;

    fn reference(name: &str) -> Vec<Value> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/losses.json");
        let text = std::fs::read_to_string(path).expect("the reference values are there");
        let all: Value = serde_json::from_str(&text).expect("they are JSON");
        let entries = all["entries"].as_array().expect("a list").iter();
        let found: Vec<Value> = entries
            .filter(|entry| entry["name"] == name)
            .cloned()
            .collect();
        assert!(!found.is_empty(), "no entry `{name}`");
        found
    }

    fn numbers(value: &Value) -> Vec<f64> {
        let list = value.as_array().expect("a list").iter();
        list.map(|number| number.as_f64().expect("a number"))
            .collect()
    }

    fn close(got: f64, expected: &Value, what: &str) {
        let expected = expected.as_f64().expect("a number");
        let close = (got - expected).abs() <= TOLERANCE; // false for NaN, too
        assert!(close, "{what}: got {got}, expected {expected}");
    }

    #[test]
    fn calibration_has_the_reference_values() {
        for entry in reference("calibration") {
            let (inputs, expected) = (&entry["inputs"], &entry["expected"]);
            let n_bins = entry["params"]["bins"].as_u64().unwrap() as usize;
            let outcomes: Vec<bool> = numbers(&inputs["outcome"])
                .iter()
                .map(|&outcome| outcome > 0.5)
                .collect();
            let found = calibration(&numbers(&inputs["probability"]), &outcomes, n_bins).unwrap();
            let case = format!("{} values, {n_bins} bins", outcomes.len());
            close(found.ece, &expected["ece"], &format!("{case}: ece"));
            close(
                found.ace,
                &expected["ace_equal_width"],
                &format!("{case}: ace"),
            );
            close(found.mce, &expected["mce"], &format!("{case}: mce"));
            close(found.brier, &expected["brier"], &format!("{case}: brier"));
            assert_eq!(found.bins.len(), n_bins, "{case}");
            let filled = found.bins.iter().enumerate().filter(|(_, bin)| bin.n > 0);
            let expected = expected["bins"].as_array().unwrap();
            assert_eq!(filled.clone().count(), expected.len(), "{case}");
            for ((index, bin), expected) in filled.zip(expected) {
                assert_eq!(expected["bin"], index, "{case}");
                assert_eq!(expected["n"], bin.n, "{case}: bin {index}");
                close(bin.observed.unwrap(), &expected["observed"], &case);
                close(bin.expected.unwrap(), &expected["expected"], &case);
            }
        }
    }

    #[test]
    fn both_orders_have_the_reference_values() {
        for entry in reference("calibration_symmetrised") {
            let (inputs, expected) = (&entry["inputs"], &entry["expected"]);
            let outcomes: Vec<bool> = numbers(&inputs["outcome"])
                .iter()
                .map(|&outcome| outcome > 0.5)
                .collect();
            let found = both_orders(&numbers(&inputs["probability"]), &outcomes, 10).unwrap();
            close(found.ece, &expected["ece"], "ece");
            close(found.mce, &expected["mce"], "mce");
            close(found.brier, &expected["brier"], "brier");
        }
    }

    #[test]
    fn accuracy_has_the_reference_values() {
        for entry in reference("preference_accuracy") {
            let (inputs, expected) = (&entry["inputs"], &entry["expected"]);
            let (chosen, rejected) = (numbers(&inputs["chosen"]), numbers(&inputs["rejected"]));
            let found = crate::accuracy(&chosen, &rejected).unwrap();
            close(found.accuracy, &expected["ties_wrong"], "accuracy");
            assert_eq!(expected["ties"], found.n_ties);
        }
    }

    #[test]
    fn one_is_in_the_last_bin_and_an_edge_in_the_upper_one() {
        let found = calibration(&[1.0, 0.5, 0.0], &[true, true, false], 2).unwrap();
        assert_eq!(
            found.bins.iter().map(|bin| bin.n).collect::<Vec<_>>(),
            [1, 2]
        );
    }

    #[test]
    fn a_pair_far_apart_stays_a_probability() {
        let found = pair_probabilities(&[500.0, -500.0, 0.0], &[-500.0, 500.0, 0.0]);
        assert_eq!(found[0].to_bits(), 1.0f64.to_bits());
        assert!(found[1] >= 0.0 && found[1] < 1e-300, "{}", found[1]);
        assert!((found[2] - 0.5).abs() < 1e-15);
    }

    #[test]
    fn nothing_has_no_calibration() {
        assert_eq!(pair_calibration(&[], &[], 10), None);
    }

    #[test]
    #[should_panic(expected = "expected a probability, found 1.5")]
    fn what_is_no_probability_is_a_bug() {
        let _ = calibration(&[1.5], &[true], 10);
    }

    #[test]
    fn the_table_shows_every_bin_and_leaves_empty_ones_empty() {
        let found = calibration(&[0.1, 0.2, 0.2, 0.9], &[false, true, false, true], 5).unwrap();
        let expected = "\
probability        n  expected  observed     gap
0.0 - 0.2          1    0.1000    0.0000  0.1000  ##
0.2 - 0.4          2    0.2000    0.5000  0.3000  ######
0.4 - 0.6          0
0.6 - 0.8          0
0.8 - 1.0          1    0.9000    1.0000  0.1000  ##
";
        assert_eq!(found.reliability_table(), expected);
    }

    proptest! {
        #[test]
        fn both_orders_are_balanced_and_the_gaps_ordered(
            margins in prop::collection::vec(-20.0f64..20.0, 1..60),
            n_bins in 1usize..25,
        ) {
            let zeros = vec![0.0; margins.len()];
            let found = pair_calibration(&margins, &zeros, n_bins).unwrap();
            prop_assert_eq!(found.n, 2 * margins.len());
            prop_assert_eq!(found.bins.iter().map(|bin| bin.n).sum::<usize>(), found.n);
            // Half of all entries come true, whichever way the pairs point.
            let n_true: f64 =
                found.bins.iter().filter_map(|bin| Some(bin.observed? * bin.n as f64)).sum();
            prop_assert!((n_true - margins.len() as f64).abs() < 1e-9);
            prop_assert!(found.ece <= found.mce + 1e-12 && found.ace <= found.mce + 1e-12);
            prop_assert!((0.0..=1.0).contains(&found.brier));
        }
    }
}
