//! `judge data`: how much data a run has, beside the paper's.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use apo_stage::report::{columns, result};
use apo_tables::{Query, Reader};
use serde::Serialize;

use crate::args::{DataArgs, Named};

/// The paper's Table 1 and section 4.1, in rows; LLM's are queries.
const PAPER: [(&str, u64); 5] = [
    ("HH_Train", 86_000),
    ("HH_RM", 20_000),
    ("HH_LLM", 66_000),
    ("HH_Dev", 10_000),
    ("HH_Test", 4_700),
];

/// A table's size.
#[derive(Debug, Serialize)]
pub struct Size {
    pub name: String,
    pub rows: u64,
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
    let sizes: Vec<Size> = args.tables.iter().map(Size::of).collect::<Result<_>>()?;
    result(&args.report, &sizes, || text(&sizes))
}

impl Size {
    /// Counts a table's rows and queries.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn of(table: &Named) -> Result<Self> {
        let mut rows = 0;
        let mut queries = HashSet::new();
        let mut subsets = BTreeMap::new();
        for query in Reader::<Query>::open(&table.path)? {
            let query = query?;
            rows += 1;
            queries.insert(query.query_id);
            *subsets.entry(query.subset).or_default() += 1;
        }
        let paper = PAPER.iter().find(|it| it.0 == table.name);
        Ok(Self {
            name: table.name.clone(),
            rows,
            queries: queries.len() as u64,
            subsets,
            paper: paper.map(|it| it.1),
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
    columns(&table)
}
