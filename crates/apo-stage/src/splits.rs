//! What must not be learnt from: queries that are kept for testing.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_dialogue::hh;
use apo_tables::provenance::TEST;
use apo_tables::{Input, Provenance, Query, Reader};

use crate::exit::bad_input;
use crate::report::warn;

/// Refuses to learn from tables of the test part, and from tables of different
/// splits, in one of which a query may be for testing that the other trains on.
///
/// `inputs` are the files and folders that are learnt from. A table among them
/// that says nothing of its origin is compared with the test part where that
/// lies beside them, and else is a warning.
///
/// # Errors
///
/// When there are such tables: the error names them.
pub fn check_splits<'a>(
    provenance: &Provenance,
    inputs: impl IntoIterator<Item = &'a Path>,
    allow_test: bool,
) -> Result<()> {
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
    let inputs: Vec<&Path> = inputs.into_iter().collect();
    check_unknown(&inputs, first.map(|it| it.of).as_deref())
}

/// Compares tables that say nothing of their origin with the test part.
fn check_unknown(inputs: &[&Path], split: Option<&str>) -> Result<()> {
    let unknown: Vec<&Path> = inputs
        .iter()
        .copied()
        // What is no table of queries, as a model, has no part.
        .filter(|path| {
            Reader::<Query>::open(path).is_ok_and(|it| it.split().is_ok_and(|it| it.is_none()))
        })
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let tests = tests_beside(inputs, split);
    if tests.is_empty() {
        for path in unknown {
            warn(&format!(
                "{} says nothing of its origin (no `apo` in its footer), and there is no test part \
                 nearby to compare it with: it may contain test queries",
                path.display()
            ));
        }
        return Ok(());
    }
    let mut kept = HashSet::new();
    for path in &tests {
        for query in Reader::<Query>::open(path)? {
            let query = query?;
            kept.insert(hh::query_id(&query.prompt));
            kept.insert(query.query_id);
        }
    }
    for path in unknown {
        let (mut n, mut first) = (0, None);
        for (row, query) in Reader::<Query>::open(path)?.enumerate() {
            let query = query?;
            if kept.contains(&query.query_id) || kept.contains(&hh::query_id(&query.prompt)) {
                n += 1;
                first.get_or_insert(row);
            }
        }
        if let Some(row) = first {
            let rows = if n == 1 { "row" } else { "rows" };
            return Err(bad_input(format!(
                "{} holds queries of the test part ({}) in {n} {rows}, the first is row {row} \
                 (from 0): what learns from them cannot be tested on them. Leave them out, or give \
                 --allow-test where this is meant",
                path.display(),
                tests[0].display()
            )));
        }
    }
    Ok(())
}

/// Finds tables of the test part in the inputs' folders, in those around them,
/// and in a `data` of these, by what their footers say.
fn tests_beside(inputs: &[&Path], split: Option<&str>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for input in inputs {
        let input = input.canonicalize().unwrap_or_else(|_| (*input).into());
        for folder in input.ancestors().skip(1).take(3) {
            folders.push(folder.to_owned());
            folders.push(folder.join("data"));
        }
    }
    folders.sort();
    folders.dedup();
    let is_test = |path: &PathBuf| {
        Reader::<Query>::open(path)
            .and_then(|it| it.split())
            .is_ok_and(|it| {
                it.is_some_and(|it| it.part == TEST && split.is_none_or(|split| it.of == split))
            })
    };
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten();
    let mut tables: Vec<PathBuf> = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "parquet"))
        .filter(is_test)
        .collect();
    tables.sort();
    tables
}
