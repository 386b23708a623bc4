//! Agreement between judges.

use std::collections::{BTreeMap, BTreeSet};

/// Returns Cohen's κ of two judges' categories, row by row: their agreement beyond
/// chance (Cohen 1960); `None` if there are no rows, or if both always give the same
/// category.
///
/// # Panics
///
/// When the columns differ in length.
pub fn cohens_kappa<T: Ord>(first: &[T], second: &[T]) -> Option<f64> {
    assert_eq!(first.len(), second.len(), "rows of two judges differ");
    let n = first.len() as f64;
    let agreed = first.iter().zip(second).filter(|(a, b)| a == b).count();
    let shares =
        |judge: &[T], category: &T| judge.iter().filter(|it| *it == category).count() as f64 / n;
    let categories: BTreeSet<&T> = first.iter().chain(second).collect();
    let by_chance: f64 = categories
        .into_iter()
        .map(|it| shares(first, it) * shares(second, it))
        .sum();
    beyond(agreed as f64 / n, by_chance)
}

/// Returns Fleiss' κ of items, each with the categories that several judges gave it
/// (Fleiss 1971); different items may have different judges. `None` if there are no
/// items, fewer than two votes for each, or only one category.
///
/// # Panics
///
/// When items have different numbers of votes.
pub fn fleiss_kappa<T: Ord>(items: &[Vec<T>]) -> Option<f64> {
    let n_votes = items.first()?.len();
    assert!(
        items.iter().all(|it| it.len() == n_votes),
        "items have different numbers of votes"
    );
    if n_votes < 2 {
        return None;
    }
    let votes = n_votes as f64;
    let mut totals: BTreeMap<&T, f64> = BTreeMap::new();
    let mut agreement = 0.0;
    for item in items {
        let mut counts: BTreeMap<&T, f64> = BTreeMap::new();
        for vote in item {
            *counts.entry(vote).or_default() += 1.0;
            *totals.entry(vote).or_default() += 1.0;
        }
        let pairs: f64 = counts.values().map(|n| n * (n - 1.0)).sum();
        agreement += pairs / (votes * (votes - 1.0));
    }
    let n = items.len() as f64;
    let by_chance = totals.values().map(|total| (total / (n * votes)).powi(2));
    beyond(agreement / n, by_chance.sum())
}

/// κ: (observed − by chance) / (1 − by chance).
fn beyond(observed: f64, by_chance: f64) -> Option<f64> {
    let kappa = (observed - by_chance) / (1.0 - by_chance);
    kappa.is_finite().then_some(kappa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cohens_kappa_is_that_of_a_known_table() {
        // 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: (0.7 − 0.5) / 0.5.
        let votes = |counts: [usize; 4], which: usize| -> Vec<u8> {
            let pairs = [[1, 1], [1, 0], [0, 1], [0, 0]];
            let rows = counts.iter().zip(pairs);
            rows.flat_map(|(n, pair)| vec![pair[which]; *n]).collect()
        };
        let counts = [20, 5, 10, 15];
        let kappa = cohens_kappa(&votes(counts, 0), &votes(counts, 1)).unwrap();
        assert!((kappa - 0.4).abs() < 1e-12, "{kappa}");
        assert_eq!(cohens_kappa::<u8>(&[], &[]), None);
        assert_eq!(cohens_kappa(&[1, 1], &[1, 1]), None);
    }

    #[test]
    fn fleiss_kappa_is_that_of_his_example_as_it_is_often_told() {
        // Ten items, fourteen votes, five categories: κ = 0.210 (Fleiss 1971's
        // kind of table, as Wikipedia works it out).
        let table = [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ];
        let items: Vec<Vec<usize>> = table
            .iter()
            .map(|counts| {
                let counts = counts.iter().enumerate();
                counts.flat_map(|(i, n)| vec![i; *n]).collect()
            })
            .collect();
        let kappa = fleiss_kappa(&items).unwrap();
        assert!((kappa - 0.209_930_7).abs() < 1e-6, "{kappa}");
        assert_eq!(fleiss_kappa::<u8>(&[]), None);
        assert_eq!(fleiss_kappa(&[vec![1]]), None);
    }

    /// Draws from `kinds` by a congruential generator, as any language can.
    fn draws(seed: u64, kinds: u64) -> Vec<u64> {
        let mut state = seed;
        let draw = |_| {
            state = (1_103_515_245 * state + 12_345) % (1 << 31);
            (state >> 16) % kinds
        };
        (0..60).map(draw).collect()
    }

    /// A judge who agrees with another except once in `kinds` times.
    fn follower(of: &[u64], seed: u64, kinds: u64) -> Vec<u64> {
        let (own, follows) = (draws(seed + 1, 3), draws(seed, kinds));
        let votes = of.iter().zip(own).zip(follows);
        votes
            .map(|((of, own), it)| if it > 0 { *of } else { own })
            .collect()
    }

    #[test]
    fn kappas_are_those_of_known_packages() {
        // scikit-learn 1.9.1's cohen_kappa_score, statsmodels 0.15.0's
        // fleiss_kappa of the same draws.
        let a = draws(1, 3);
        let (b, c) = (follower(&a, 2, 4), follower(&a, 4, 3));
        for (first, second, expected) in [
            (&a, &b, 0.797_468_354_430_379_8),
            (&a, &c, 0.745_114_698_385_726_4),
            (&b, &c, 0.595_959_595_959_596),
        ] {
            let kappa = cohens_kappa(first, second).unwrap();
            assert!((kappa - expected).abs() < 1e-12, "{kappa}");
        }
        let items: Vec<Vec<u64>> = (0..60).map(|i| vec![a[i], b[i], c[i]]).collect();
        let kappa = fleiss_kappa(&items).unwrap();
        assert!((kappa - 0.712_514_092_446_448_7).abs() < 1e-12, "{kappa}");
    }
}
