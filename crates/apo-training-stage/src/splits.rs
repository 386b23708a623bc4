//! Keeps test queries out of the training.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_decoder::ModelManifest;
use apo_provenance::{Input, Provenance, Split, TEST};
use apo_tables::{Query, Reader};

use apo_stage::{bad_input, warn};

/// Refuses to train on tables of the test part, and on tables of different
/// splits: a query that one trains on may be for testing in the other.
///
/// `inputs` are the files and folders to train on. A table without a known
/// origin is compared with test parts near the inputs; unless one of these
/// belongs to the same run, there is also a warning.
///
/// # Errors
///
/// When there are such tables; the error names them.
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
             Give a table of the training part, or --allow-test if you mean this",
            of_test.join(" and ")
        )));
    }
    let first = tables().next().and_then(|it| split(&it));
    let other = |it: &(&String, &Input)| split(it).map(|it| it.of) != first.clone().map(|it| it.of);
    if let (Some(one), Some(another)) = (tables().next(), tables().find(other)) {
        return Err(bad_input(format!(
            "{} and {} are of different splits: a query that one trains on may be for testing in \
             the other. Give tables of one run of hh-split, or --allow-test if you mean this",
            named(one),
            named(another)
        )));
    }
    let inputs: Vec<&Path> = inputs.into_iter().collect();
    let is_unknown = |path: &&Path| {
        // A file that is not a table of queries, such as a model, has no part.
        Reader::<Query>::open(path).is_ok_and(|it| it.split().is_ok_and(|it| it.is_none()))
    };
    let unknown: Vec<&Path> = inputs.iter().copied().filter(is_unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let tests = TestPart::near(provenance, inputs);
    for path in unknown {
        let mut overlap = tests.overlap(path);
        for (row, query) in Reader::<Query>::open(path)?.enumerate() {
            let query = query?;
            let place = || format!("row {row} (from 0)");
            overlap.add(place, Some(&query.query_id), &query.prompt);
        }
        overlap.finish()?;
    }
    Ok(())
}

/// The test queries of the tables near a run's inputs.
#[derive(Debug, Default)]
pub struct TestPart {
    /// The table of each query's key.
    keys: HashMap<String, usize>,
    tables: Vec<PathBuf>,
    /// Whether one of the tables is the whole test part of the inputs' run.
    is_of_run: bool,
}

/// The test queries found in a table of unknown origin.
#[derive(Debug)]
pub struct Overlap<'a> {
    tests: &'a TestPart,
    path: &'a Path,
    n: u64,
    /// Place of the first such row, and its test table.
    first: Option<(String, usize)>,
}

impl TestPart {
    /// Reads the test tables in the inputs' folders, in the folders around
    /// them, and in their `data` folders; footers identify them. If other
    /// inputs tell the run, only tables of that run count. One that cannot be read is
    /// left out, with a warning.
    pub fn near<'a>(provenance: &Provenance, inputs: impl IntoIterator<Item = &'a Path>) -> Self {
        let inputs: Vec<&Path> = inputs.into_iter().collect();
        let runs = runs(provenance, &inputs);
        let mut found = Self::default();
        for path in tables_near(&inputs) {
            let Ok(Some(made)) = apo_tables::provenance(&path) else {
                continue;
            };
            let is_of_run = |it: &Split| runs.contains(&it.of);
            let Some(split) = made.split().filter(|it| it.part == TEST) else {
                continue;
            };
            if !runs.is_empty() && !is_of_run(split) {
                continue;
            }
            let Ok(queries) = Reader::<Query>::open_filled(&path) else {
                continue;
            };
            let keys_of = |query: Query| keys(&query.prompt).into_iter().chain([query.query_id]);
            let read: Result<Vec<_>, _> = queries.map(|query| query.map(keys_of)).collect();
            let of_queries = match read {
                Ok(of_queries) => of_queries,
                // It is next to the inputs, not one of them.
                Err(error) => {
                    warn(&format!("{error}; nothing is compared with this test part"));
                    continue;
                }
            };
            let table = found.tables.len();
            for key in of_queries.into_iter().flatten() {
                found.keys.entry(key).or_insert(table);
            }
            // A table made from test queries need not hold all of them.
            found.is_of_run |= made.split.as_ref().is_some_and(is_of_run);
            found.tables.push(path);
        }
        found
    }

    /// Begins to compare a table.
    pub fn overlap<'a>(&'a self, path: &'a Path) -> Overlap<'a> {
        Overlap {
            tests: self,
            path,
            n: 0,
            first: None,
        }
    }
}

impl Overlap<'_> {
    /// Compares a row; `place` describes its place.
    pub fn add(&mut self, place: impl FnOnce() -> String, query_id: Option<&str>, prompt: &str) {
        if self.tests.keys.is_empty() {
            return;
        }
        let keys = keys(prompt);
        let mut keys = keys.iter().map(String::as_str).chain(query_id);
        if let Some(table) = keys.find_map(|key| self.tests.keys.get(key)) {
            self.n += 1;
            self.first.get_or_insert_with(|| (place(), *table));
        }
    }

    /// Ends the comparison; warns if it cannot exclude that the table holds
    /// test queries.
    ///
    /// # Errors
    ///
    /// When the table holds a test query.
    pub fn finish(self) -> Result<()> {
        let (path, tests) = (self.path.display(), &self.tests.tables);
        if let Some((place, table)) = self.first {
            let (n, rows) = (self.n, if self.n == 1 { "row" } else { "rows" });
            return Err(bad_input(format!(
                "{path} holds queries of the test part ({}) in {n} {rows}, the first is {place}: \
                 what learns from them cannot be tested on them. Leave them out, or give \
                 --allow-test if you mean this",
                tests[table].display()
            )));
        }
        if self.tests.is_of_run {
            return Ok(());
        }
        let compared = match &tests[..] {
            [] => "there is no test part of its run nearby to compare it with".to_owned(),
            [first, others @ ..] => {
                let more = match others.len() {
                    0 => String::new(),
                    n => format!(" and {n} more"),
                };
                format!(
                    "it shares no query with {}{more}, which may not be its run's test part",
                    first.display()
                )
            }
        };
        warn(&format!(
            "{path} does not record which split it came from (in an `apo` footer), and \
             {compared}: it may contain test queries"
        ));
        Ok(())
    }
}

/// Returns the keys of a query: of its prompt, of the prompt with stripped turns, and of
/// that without its system message: a test question under another one is still known.
fn keys(prompt: &str) -> [String; 3] {
    let turns = apo_hh::turns(prompt);
    let of = |turns: &[apo_hh::Turn]| {
        apo_hh::prompt_of(turns.iter().map(|it| (it.role, it.text.as_str())))
    };
    let bare = match turns.first() {
        Some(first) if first.role == apo_hh::Role::System => &turns[1..],
        _ => &turns[..],
    };
    [prompt, &of(&turns), &of(bare)].map(apo_hh::query_id)
}

/// Returns the splits of a run, from its tables or else from its models.
fn runs(provenance: &Provenance, inputs: &[&Path]) -> HashSet<String> {
    let tables = provenance.inputs.values();
    let tables = tables.filter_map(|it| Some(it.split.as_ref()?.of.clone()));
    let of_tables: HashSet<String> = tables.collect();
    if !of_tables.is_empty() {
        return of_tables;
    }
    let models = inputs.iter().filter(|it| it.is_dir());
    let models = models.filter_map(|it| ModelManifest::read(it).ok().flatten());
    models
        .filter_map(|it| Some(it.output.provenance.split()?.of.clone()))
        .collect()
}

/// Finds the Parquet files in the inputs' folders, in the folders around them,
/// and in their `data` folders.
fn tables_near(inputs: &[&Path]) -> Vec<PathBuf> {
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
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten();
    let mut tables: Vec<PathBuf> = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "parquet"))
        .collect();
    tables.sort();
    tables
}
