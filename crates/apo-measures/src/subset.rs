//! Measures of each part of the data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A measure of all rows, and of the rows of each subset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BySubset<T> {
    /// Of all rows.
    pub all: T,
    /// Of each subset, by name.
    pub subsets: BTreeMap<String, T>,
}

/// Measures all rows and the rows of each subset; `None` if `measure` returns `None` for
/// all rows.
///
/// `subsets` names the subset of each row; `measure` gets the numbers of rows.
///
/// ```
/// let rewards = [1.0, 2.0, 5.0];
/// let found = apo_measures::by_subset(&["a", "b", "a"], |rows| {
///     apo_measures::mean(&rows.iter().map(|&row| rewards[row]).collect::<Vec<_>>())
/// });
/// assert_eq!(found.unwrap().subsets["a"].mean, 3.0);
/// ```
pub fn by_subset<T>(
    subsets: &[impl AsRef<str>],
    measure: impl Fn(&[usize]) -> Option<T>,
) -> Option<BySubset<T>> {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, subset) in subsets.iter().enumerate() {
        rows.entry(subset.as_ref()).or_default().push(row);
    }
    let all: Vec<usize> = (0..subsets.len()).collect();
    let measured = |(name, rows): (&str, Vec<usize>)| Some((name.to_owned(), measure(&rows)?));
    Some(BySubset {
        all: measure(&all)?,
        subsets: rows.into_iter().filter_map(measured).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{accuracy, mean};

    #[test]
    fn each_subset_is_measured_over_its_own_rows() {
        let (chosen, rejected) = ([1.0, 0.0, 3.0, 2.0], [0.0, 1.0, 1.0, 2.0]);
        let found = by_subset(&["helpful", "harmless", "helpful", "harmless"], |rows| {
            let pick = |column: &[f64]| rows.iter().map(|&row| column[row]).collect::<Vec<_>>();
            accuracy(&pick(&chosen), &pick(&rejected))
        })
        .unwrap();
        assert_eq!((found.all.n_pairs, found.all.n_correct), (4, 2));
        assert_eq!(found.subsets["helpful"].n_correct, 2);
        assert_eq!(
            (
                found.subsets["harmless"].n_correct,
                found.subsets["harmless"].n_ties
            ),
            (0, 1)
        );
        assert_eq!(found.subsets.len(), 2);
    }

    #[test]
    fn no_rows_have_no_measures() {
        assert_eq!(by_subset(&[""; 0], |_| mean(&[])), None);
    }

    #[test]
    fn what_is_measured_serialises_with_the_names_of_its_fields() {
        let found = by_subset(&["a"], |_| mean(&[2.0])).unwrap();
        let json = serde_json::to_value(&found).unwrap();
        let mean = serde_json::json!({"n": 1, "mean": 2.0, "standard_error": null});
        assert_eq!(
            json,
            serde_json::json!({"all": mean, "subsets": {"a": mean}})
        );
    }
}
