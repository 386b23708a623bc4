//! `judge data`: sizes of a run's data beside the paper's.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_stage::{ReportArgs, bad_input, format_table, print_result};
use apo_tables::{Query, Reader};
use serde::Serialize;

use crate::args::DataArgs;
use crate::paper;
use crate::run_file::{ArtifactKind, RunFile};

/// The name of the table of data in a run.
const TABLE_1: &str = "1";

/// A table's size.
#[derive(Debug, Serialize)]
pub struct Size {
    /// What the table is.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Distinct queries among them.
    pub queries: u64,
    /// Rows by subset.
    subsets: BTreeMap<String, u64>,
    /// The paper's rows of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<u64>,
}

/// Counts the rows and queries of tables.
///
/// # Errors
///
/// When a table cannot be read.
pub fn run(args: &DataArgs) -> Result<()> {
    let sizes = if let Some(dir) = &args.run {
        let run = RunFile::read(dir)?;
        of_run(&run, TABLE_1)?.ok_or_else(|| {
            bad_input(format!(
                "table {TABLE_1} of {} is not a table of data",
                run.path().display()
            ))
        })?
    } else {
        let given = args.tables.iter();
        given
            .map(|it| Size::of(&it.name, &it.path))
            .collect::<Result<_>>()?
    };
    show(&args.report, &sizes)
}

/// Counts the rows of a run's table of data; `None` for a table of something else.
///
/// # Errors
///
/// When the run has no table of this name, lacks one of its rows, or a file cannot be
/// read.
pub fn of_run(run: &RunFile, table: &str) -> Result<Option<Vec<Size>>> {
    let entries = run.table(table)?;
    let paths = entries
        .iter()
        .map(|it| run.find(ArtifactKind::Table, &it.of));
    let paths: Vec<Option<PathBuf>> = paths.collect();
    if paths.iter().all(Option::is_none) {
        return Ok(None);
    }
    let sizes = entries.iter().zip(paths).map(|(entry, path)| {
        let path = path.ok_or_else(|| run.lacks_row("data", entry, table))?;
        Size::of(&entry.shown, &path)
    });
    sizes.collect::<Result<_>>().map(Some)
}

/// Prints sizes.
///
/// # Errors
///
/// As [`print_result`].
pub fn show(report: &ReportArgs, sizes: &[Size]) -> Result<()> {
    print_result(report, &sizes, || text(sizes))
}

impl Size {
    /// Counts a table's rows and queries.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn of(name: &str, path: &Path) -> Result<Self> {
        let mut rows = 0;
        let mut queries = HashSet::new();
        let mut subsets = BTreeMap::new();
        for query in Reader::<Query>::open(path)? {
            let query = query?;
            rows += 1;
            queries.insert(query.query_id);
            *subsets.entry(query.subset).or_default() += 1;
        }
        Ok(Self {
            name: name.to_owned(),
            rows,
            queries: queries.len() as u64,
            subsets,
            paper: paper::size(name),
        })
    }
}

fn text(sizes: &[Size]) -> String {
    let mut names: Vec<&String> = sizes.iter().flat_map(|it| it.subsets.keys()).collect();
    names.sort();
    names.dedup();
    let heads = ["", "rows", "queries"].into_iter();
    let heads = heads.chain(names.iter().map(|it| it.as_str()));
    let heads = heads.chain(["paper's rows"]).map(str::to_owned);
    let mut table = vec![heads.collect::<Vec<String>>()];
    for size in sizes {
        let of = |name: &&String| size.subsets.get(*name).copied().unwrap_or(0);
        let counts = [size.rows, size.queries].into_iter();
        let counts = counts.chain(names.iter().map(of));
        let counts = counts.map(|it| it.to_string());
        let paper = size.paper.map_or(String::new(), |it| it.to_string());
        table.push(
            [size.name.clone()]
                .into_iter()
                .chain(counts)
                .chain([paper])
                .collect(),
        );
    }
    format_table(&table)
}
