//! What must not be learnt from: queries that are kept for testing.

use anyhow::Result;
use apo_tables::provenance::TEST;
use apo_tables::{Input, Provenance};

use crate::exit::bad_input;

/// Refuses to learn from tables of the test part, and from tables of different
/// splits, in one of which a query may be for testing that the other trains on.
///
/// # Errors
///
/// When there are such tables: the error names them.
pub fn check_splits(provenance: &Provenance, allow_test: bool) -> Result<()> {
    if allow_test {
        return Ok(());
    }
    let named = |(name, input): (&String, &Input)| format!("--{name} ({})", input.name);
    let split = |it: &(&String, &Input)| it.1.split.clone();
    let tables = || provenance.inputs.iter().filter(|it| it.1.split.is_some());
    let of_test = tables().filter(|it| split(it).is_some_and(|it| it.part == TEST));
    let of_test: Vec<String> = of_test.map(named).collect();
    if !of_test.is_empty() {
        return Err(bad_input(format!(
            "{} holds queries of the test part: what learns from them cannot be tested on them. \
             Give a table of the training part, or --allow-test where this is meant",
            of_test.join(" and ")
        )));
    }
    let first = tables().next().and_then(|it| split(&it));
    let other = |it: &(&String, &Input)| split(it).map(|it| it.of) != first.clone().map(|it| it.of);
    if let (Some(one), Some(another)) = (tables().next(), tables().find(other)) {
        return Err(bad_input(format!(
            "{} and {} are of different splits: a query that one trains on may be for testing in \
             the other. Give tables of one run of hh-split, or --allow-test where this is meant",
            named(one),
            named(another)
        )));
    }
    Ok(())
}
