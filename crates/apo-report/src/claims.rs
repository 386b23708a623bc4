//! `judge claims`: which of the paper's claims hold, over seeds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_measures::{Interval, interval};
use apo_stage::bad_input;
use apo_stage::report::{format_table, result};
use serde::Serialize;

use crate::args::ClaimsArgs;
use crate::measures::read_json;
use crate::run_file::{Kind, RunFile};
use crate::table::Row;

mod paper;

use paper::{CLAIMS, Claim, Comparison, Expected, Measure};

/// Level of the intervals.
const LEVEL: f64 = 0.95;

/// Prints for each of the paper's claims whether it holds.
///
/// # Errors
///
/// When a page is not what `judge table --json` prints, or lacks a row.
pub fn run(args: &ClaimsArgs) -> Result<()> {
    let same = |a: &PathBuf, b: &PathBuf| {
        a == b
            || a.canonicalize()
                .is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
    };
    let paths = match &args.run {
        Some(dir) => seeds(dir)?,
        None => args.tables.clone(),
    };
    let mut rest = paths.iter();
    while let Some(path) = rest.next() {
        if rest.clone().any(|it| same(path, it)) {
            let path = path.display();
            return Err(bad_input(format!(
                "{path} is given twice; a seed is one table"
            )));
        }
    }
    let tables: Vec<Table> = paths
        .iter()
        .map(|path| Table::read(path))
        .collect::<Result<_>>()?;
    let claims: Vec<Found> = CLAIMS
        .iter()
        .map(|claim| Found::of(claim, &tables))
        .collect::<Result<_>>()?;
    let summary = Summary {
        seeds: tables.len(),
        level: LEVEL,
        claims,
    };
    result(&args.report, &summary, || summary.text())
}

/// Returns the tables of a run's seeds.
fn seeds(dir: &Path) -> Result<Vec<PathBuf>> {
    let run = RunFile::read(dir)?;
    let seeds = run.of(&[Kind::Seed]);
    let seeds: Vec<PathBuf> = seeds.map(|it| run.at(it)).collect();
    if seeds.len() < 2 {
        return Err(bad_input(format!(
            "{} has {} seeds, and claims need two or more: make claims SEEDS='1 2 3'",
            run.path().display(),
            seeds.len()
        )));
    }
    Ok(seeds)
}

/// A seed's rows by name.
struct Table<'a> {
    path: &'a Path,
    rows: HashMap<String, Row>,
}

impl<'a> Table<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let rows: Vec<Row> = read_json(path, "judge table --json")?;
        let mut by_name = HashMap::new();
        for row in rows {
            let name = row.name.clone();
            if by_name.insert(name.clone(), row).is_some() {
                return Err(bad_input(format!(
                    "{}: two rows are called '{name}'; expected each once",
                    path.display()
                )));
            }
        }
        Ok(Self {
            path,
            rows: by_name,
        })
    }

    /// Returns a measure of a row.
    fn get(&self, name: &str, by: Measure) -> Result<f64> {
        let row = self.rows.get(name);
        row.and_then(|row| by.of(row)).ok_or_else(|| {
            bad_input(format!(
                "{}: no {} of '{name}'; expected a table with the rows of the paper's tables",
                self.path.display(),
                by.name()
            ))
        })
    }

    /// Tells whether such a comparison is possible: the truth is known only in a
    /// generated world, and not every run has a judge.
    fn knows(&self, comparison: &Comparison) -> bool {
        let has = |of: fn(&Row) -> bool| self.rows.values().any(of);
        match (comparison.is_of_truth(), comparison.by) {
            (true, _) => has(|row| row.policy.true_quality.is_some()),
            (_, Measure::WinRate) => has(|row| row.win_rate.is_some()),
            _ => true,
        }
    }
}

/// What was found of all claims.
#[derive(Debug, Serialize)]
struct Summary {
    seeds: usize,
    level: f64,
    claims: Vec<Found>,
}

/// What was found of a claim.
#[derive(Debug, Serialize)]
struct Found {
    claim: &'static str,
    says: &'static str,
    /// As the paper measures.
    measured: Option<Verdict>,
    /// By what is true.
    truth: Option<Verdict>,
    comparisons: Vec<Compared>,
}

/// A difference over the seeds.
#[derive(Debug, Serialize)]
struct Compared {
    of: String,
    by: &'static str,
    #[serde(flatten)]
    difference: Interval,
    expected: String,
    verdict: Verdict,
    #[serde(skip)]
    scale: Scale,
}

/// How a difference is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// In percentage points.
    Points,
    Plain,
}

/// Whether a difference is as claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Holds,
    Fails,
    /// The interval lies on both sides.
    Open,
}

impl Verdict {
    fn of(difference: Interval, expected: Expected) -> Self {
        let (holds, fails) = match expected {
            Expected::Above(least) => (difference.is_above(least), difference.is_below(least)),
            Expected::Within(margin) => (
                difference.is_above(-margin) && difference.is_below(margin),
                difference.is_above(margin) || difference.is_below(-margin),
            ),
        };
        match (holds, fails) {
            (true, _) => Self::Holds,
            (_, true) => Self::Fails,
            _ => Self::Open,
        }
    }

    /// Combines several: one that fails makes all fail, one that is open leaves all
    /// open.
    fn all(verdicts: impl Iterator<Item = Self>) -> Option<Self> {
        verdicts.reduce(|a, b| match (a, b) {
            (Self::Fails, _) | (_, Self::Fails) => Self::Fails,
            (Self::Open, _) | (_, Self::Open) => Self::Open,
            _ => Self::Holds,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Open => "open",
        }
    }
}

impl Found {
    fn of(claim: &Claim, tables: &[Table]) -> Result<Self> {
        let asked = claim.comparisons();
        // What one seed has and another lacks is an error that names the row.
        let known = |it: &&Comparison| tables.iter().any(|table| table.knows(it));
        let asked = asked.iter().filter(known);
        let comparisons = asked.map(|it| Ok((it.is_of_truth(), Compared::of(it, tables)?)));
        let comparisons: Vec<(bool, Compared)> = comparisons.collect::<Result<_>>()?;
        let verdict = |truth: bool| {
            let these = comparisons.iter().filter(|it| it.0 == truth);
            Verdict::all(these.map(|it| it.1.verdict))
        };
        Ok(Self {
            claim: claim.name,
            says: claim.says,
            measured: verdict(false),
            truth: verdict(true),
            comparisons: comparisons.into_iter().map(|it| it.1).collect(),
        })
    }
}

impl Compared {
    fn of(comparison: &Comparison, tables: &[Table]) -> Result<Self> {
        let by = comparison.by;
        let of_seed = |table: &Table| -> Result<f64> {
            let terms = comparison.terms.iter();
            let terms = terms.map(|(weight, name)| Ok(weight * table.get(name, by)?));
            terms.sum()
        };
        let differences: Vec<f64> = tables.iter().map(of_seed).collect::<Result<_>>()?;
        let difference = interval(&differences, LEVEL).expect("tables of two seeds or more");
        let scale = match by {
            Measure::Accuracy | Measure::WinRate => Scale::Points,
            _ => Scale::Plain,
        };
        let expected = match comparison.expected {
            Expected::Above(0.0) => "above 0".to_owned(),
            Expected::Above(least) => format!("above {}", scale.write(least)),
            Expected::Within(margin) => format!("within ± {}", scale.write(margin)),
        };
        Ok(Self {
            of: comparison.title(),
            by: by.name(),
            difference,
            expected,
            verdict: Verdict::of(difference, comparison.expected),
            scale,
        })
    }
}

impl Scale {
    fn write(self, number: f64) -> String {
        match self {
            Self::Points => format!("{:.1} %", 100.0 * number),
            Self::Plain => format!("{number:.3}"),
        }
    }
}

impl Summary {
    fn text(&self) -> String {
        let word = |it: Option<Verdict>| it.map_or("", Verdict::word).to_owned();
        let heads = ["claim", "as measured", "by the truth", ""];
        let mut claims = vec![heads.map(str::to_owned).to_vec()];
        let mut all = vec![
            [
                "claim",
                "difference",
                "by",
                "mean",
                "95 % interval",
                "expected",
                "",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for it in &self.claims {
            claims.push(vec![
                it.claim.to_owned(),
                word(it.measured),
                word(it.truth),
                it.says.to_owned(),
            ]);
            for compared in &it.comparisons {
                let write = |number| compared.scale.write(number);
                let ends = compared.difference;
                all.push(vec![
                    it.claim.to_owned(),
                    compared.of.clone(),
                    compared.by.to_owned(),
                    write(ends.mean),
                    format!("{} to {}", write(ends.low), write(ends.high)),
                    compared.expected.clone(),
                    compared.verdict.word().to_owned(),
                ]);
            }
        }
        let (claims, all) = (format_table(&claims), format_table(&all));
        format!("{} seeds\n\n{claims}\n{all}", self.seeds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(low: f64, high: f64) -> Interval {
        Interval {
            n: 5,
            mean: f64::midpoint(low, high),
            low,
            high,
        }
    }

    #[test]
    fn a_claim_holds_only_with_its_whole_interval() {
        let above = |low, high| Verdict::of(between(low, high), Expected::Above(0.0));
        assert_eq!(above(0.1, 0.3), Verdict::Holds);
        assert_eq!(above(-0.1, 0.3), Verdict::Open);
        assert_eq!(above(-0.3, -0.1), Verdict::Fails);
        let near = |low, high| Verdict::of(between(low, high), Expected::Within(0.05));
        assert_eq!(near(-0.04, 0.03), Verdict::Holds);
        assert_eq!(near(0.01, 0.06), Verdict::Open);
        assert_eq!(near(0.06, 0.1), Verdict::Fails);
    }

    #[test]
    fn one_part_that_fails_fails_the_claim() {
        use Verdict::{Fails, Holds, Open};
        let all = |verdicts: &[Verdict]| Verdict::all(verdicts.iter().copied());
        assert_eq!(all(&[Holds, Holds]), Some(Holds));
        assert_eq!(all(&[Holds, Open]), Some(Open));
        assert_eq!(all(&[Open, Fails, Holds]), Some(Fails));
        assert_eq!(all(&[]), None);
    }

    #[test]
    fn every_difference_takes_as_much_away_as_it_adds() {
        for claim in &CLAIMS {
            let comparisons = claim.comparisons();
            assert!(!comparisons.is_empty(), "{} compares nothing", claim.name);
            for comparison in comparisons {
                // A win rate is a comparison by itself.
                let sum = f64::from(comparison.by == Measure::WinRate);
                let terms = comparison.terms.iter().map(|it| it.0);
                assert_eq!(terms.sum::<f64>(), sum, "{}", comparison.title());
            }
        }
    }
}
