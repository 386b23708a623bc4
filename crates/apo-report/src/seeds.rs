//! `judge seeds`: the rows of a table over several seeds, and differences of rows.

use anyhow::Result;
use apo_measures::{Interval, interval, mean};
use apo_stage::{bad_input, format_table, join_names, print_result};
use serde::Serialize;

use crate::args::SeedsArgs;
use crate::seed_tables::{LEVEL, Measure, SeedTable};

/// How many rows an error names at most.
const MOST_NAMED: usize = 20;

/// Prints what the tables of several seeds hold, and how their rows differ.
///
/// # Errors
///
/// When a file is not what `judge table --json` prints, or no table has the two rows of a
/// difference.
pub fn run(args: &SeedsArgs) -> Result<()> {
    let tables = SeedTable::read_all(&args.tables)?;
    let names = names(&tables);
    let rows = names
        .iter()
        .flat_map(|name| over(name, &tables, |table, by| table.find(name, by)));
    let rows = rows.collect();
    let mut differences = Vec::new();
    for it in &args.differences {
        for name in [&it.of, &it.from] {
            if !names.contains(&name.as_str()) {
                let names = names.iter().map(|it| format!("'{it}'")).collect();
                return Err(bad_input(format!(
                    "no table has the row '{name}'; expected one of {}",
                    join_names(names, MOST_NAMED)
                )));
            }
        }
        let title = format!("{} − {}", it.of, it.from);
        let found = over(&title, &tables, |table, by| {
            Some(table.find(&it.of, by)? - table.find(&it.from, by)?)
        });
        if found.is_empty() {
            return Err(bad_input(format!(
                "no table has a measure that both '{}' and '{}' have",
                it.of, it.from
            )));
        }
        differences.extend(found);
    }
    let summary = SeedsSummary {
        seeds: tables.len(),
        level: LEVEL,
        rows,
        differences,
    };
    print_result(&args.report, &summary, || summary.text())
}

/// Returns the names of all rows, in the order in which they first appear.
fn names<'a>(tables: &'a [SeedTable]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in tables.iter().flat_map(|it| &it.rows) {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    names
}

/// All rows and differences.
#[derive(Debug, Serialize)]
struct SeedsSummary {
    seeds: usize,
    level: f64,
    rows: Vec<OverSeeds>,
    differences: Vec<OverSeeds>,
}

/// A number over the seeds.
#[derive(Debug, Serialize)]
struct OverSeeds {
    of: String,
    by: &'static str,
    /// Of each seed, in the order of the tables.
    values: Vec<Option<f64>>,
    /// Over the seeds that have it.
    mean: f64,
    /// If there are two or more of these.
    interval: Option<Interval>,
    #[serde(skip)]
    measure: Measure,
}

/// Returns what `of` gives of each table, by every measure that one of them has.
fn over(
    title: &str,
    tables: &[SeedTable],
    of: impl Fn(&SeedTable, Measure) -> Option<f64>,
) -> Vec<OverSeeds> {
    let measured = |measure: Measure| {
        let values: Vec<Option<f64>> = tables.iter().map(|it| of(it, measure)).collect();
        let known: Vec<f64> = values.iter().copied().flatten().collect();
        Some(OverSeeds {
            of: title.to_owned(),
            by: measure.name(),
            values,
            mean: mean(&known)?.mean,
            interval: interval(&known, LEVEL),
            measure,
        })
    };
    Measure::ALL.into_iter().filter_map(measured).collect()
}

impl SeedsSummary {
    fn text(&self) -> String {
        let seeds = match self.seeds {
            1 => "1 seed".to_owned(),
            n => format!("{n} seeds"),
        };
        let tables = [&self.rows, &self.differences].into_iter();
        let tables = tables.filter(|it| !it.is_empty()).map(|it| text(it));
        format!("{seeds}\n\n{}", tables.collect::<Vec<_>>().join("\n"))
    }
}

fn text(all: &[OverSeeds]) -> String {
    let heads = ["", "by", "seeds", "mean", "95 % interval"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for it in all {
        let write = |number| it.measure.write(number);
        let ends = it.interval;
        let ends = ends.map(|it| format!("{} to {}", write(it.low), write(it.high)));
        rows.push(vec![
            it.of.clone(),
            it.by.to_owned(),
            it.values.iter().flatten().count().to_string(),
            write(it.mean),
            ends.unwrap_or_default(),
        ]);
    }
    format_table(&rows)
}
