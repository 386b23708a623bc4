//! `judge claims`: which of the paper's claims hold over several seeds.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_measures::{Interval, interval};
use apo_stage::{bad_input, format_table, print_result};
use serde::Serialize;

use crate::args::ClaimsArgs;
use crate::run_file::{ArtifactKind, RunFile};
use crate::seed_tables::{LEVEL, Measure, SeedTable};
use crate::table::Row;

mod contrasts;

use contrasts::{CLAIMS, Contrast, Expected, PaperClaim};

/// Prints for each of the paper's claims whether it holds.
///
/// # Errors
///
/// When a file is not what `judge table --json` prints, or lacks a row.
pub fn run(args: &ClaimsArgs) -> Result<()> {
    let paths = match &args.run {
        Some(dir) => seeds(dir)?,
        None => args.tables.clone(),
    };
    let tables = SeedTable::read_all(&paths)?;
    let claims: Vec<ClaimResult> = CLAIMS
        .iter()
        .map(|claim| ClaimResult::of(claim, &tables))
        .collect::<Result<_>>()?;
    let summary = ClaimsSummary {
        seeds: tables.len(),
        level: LEVEL,
        claims,
    };
    print_result(&args.report, &summary, || summary.text())
}

/// Returns the tables of a run's seeds.
fn seeds(dir: &Path) -> Result<Vec<PathBuf>> {
    let run = RunFile::read(dir)?;
    let seeds = run.of(&[ArtifactKind::Seed]);
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

/// Tells whether a table can have such a contrast: true quality is known only in a generated
/// world, and not every run has a judge.
fn knows(table: &SeedTable, contrast: &Contrast) -> bool {
    let has = |of: fn(&Row) -> bool| table.rows.iter().any(of);
    match (contrast.is_of_truth(), contrast.by) {
        (true, _) => has(|row| row.policy.true_quality.is_some()),
        (_, Measure::WinRate) => has(|row| row.win_rate.is_some()),
        _ => true,
    }
}

/// All claims.
#[derive(Debug, Serialize)]
struct ClaimsSummary {
    seeds: usize,
    level: f64,
    claims: Vec<ClaimResult>,
}

/// Whether a claim holds, and the contrasts that say so.
#[derive(Debug, Serialize)]
struct ClaimResult {
    claim: &'static str,
    says: &'static str,
    /// By what the paper measures.
    measured: Option<ClaimStatus>,
    /// By true quality.
    truth: Option<ClaimStatus>,
    comparisons: Vec<ContrastResult>,
}

/// A contrast over the seeds.
#[derive(Debug, Serialize)]
struct ContrastResult {
    of: String,
    by: &'static str,
    #[serde(flatten)]
    difference: Interval,
    expected: String,
    verdict: ClaimStatus,
    #[serde(skip)]
    measure: Measure,
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum ClaimStatus {
    Holds,
    Fails,
    /// The interval covers both sides.
    Open,
}

impl ClaimStatus {
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

    /// Combines several: the whole fails if one fails, and is open if one is open.
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

impl ClaimResult {
    fn of(claim: &PaperClaim, tables: &[SeedTable]) -> Result<Self> {
        let asked = claim.contrasts();
        // If only some seeds have it, reading the others is an error that names the row.
        let known = |it: &&Contrast| tables.iter().any(|table| knows(table, it));
        let asked = asked.iter().filter(known);
        let contrasts = asked.map(|it| Ok((it.is_of_truth(), ContrastResult::of(it, tables)?)));
        let contrasts: Vec<(bool, ContrastResult)> = contrasts.collect::<Result<_>>()?;
        let verdict = |truth: bool| {
            let these = contrasts.iter().filter(|it| it.0 == truth);
            ClaimStatus::all(these.map(|it| it.1.verdict))
        };
        Ok(Self {
            claim: claim.name,
            says: claim.says,
            measured: verdict(false),
            truth: verdict(true),
            comparisons: contrasts.into_iter().map(|it| it.1).collect(),
        })
    }
}

impl ContrastResult {
    fn of(contrast: &Contrast, tables: &[SeedTable]) -> Result<Self> {
        let by = contrast.by;
        let of_seed = |table: &SeedTable| -> Result<f64> {
            let terms = contrast.terms.iter();
            let terms = terms.map(|(weight, name)| Ok(weight * table.get(name, by)?));
            terms.sum()
        };
        let differences: Vec<f64> = tables.iter().map(of_seed).collect::<Result<_>>()?;
        let difference = interval(&differences, LEVEL).expect("tables of two seeds or more");
        let expected = match contrast.expected {
            Expected::Above(0.0) => "above 0".to_owned(),
            Expected::Above(least) => format!("above {}", by.write(least)),
            Expected::Within(margin) => format!("within ± {}", by.write(margin)),
        };
        Ok(Self {
            of: contrast.title(),
            by: by.name(),
            difference,
            expected,
            verdict: ClaimStatus::of(difference, contrast.expected),
            measure: by,
        })
    }
}

impl ClaimsSummary {
    fn text(&self) -> String {
        let word = |it: Option<ClaimStatus>| it.map_or("", ClaimStatus::word).to_owned();
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
                let write = |number| compared.measure.write(number);
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
        let above = |low, high| ClaimStatus::of(between(low, high), Expected::Above(0.0));
        assert_eq!(above(0.1, 0.3), ClaimStatus::Holds);
        assert_eq!(above(-0.1, 0.3), ClaimStatus::Open);
        assert_eq!(above(-0.3, -0.1), ClaimStatus::Fails);
        let near = |low, high| ClaimStatus::of(between(low, high), Expected::Within(0.05));
        assert_eq!(near(-0.04, 0.03), ClaimStatus::Holds);
        assert_eq!(near(0.01, 0.06), ClaimStatus::Open);
        assert_eq!(near(0.06, 0.1), ClaimStatus::Fails);
    }

    #[test]
    fn one_part_that_fails_fails_the_claim() {
        use ClaimStatus::{Fails, Holds, Open};
        let all = |verdicts: &[ClaimStatus]| ClaimStatus::all(verdicts.iter().copied());
        assert_eq!(all(&[Holds, Holds]), Some(Holds));
        assert_eq!(all(&[Holds, Open]), Some(Open));
        assert_eq!(all(&[Open, Fails, Holds]), Some(Fails));
        assert_eq!(all(&[]), None);
    }

    #[test]
    fn every_difference_takes_as_much_away_as_it_adds() {
        for claim in &CLAIMS {
            let contrasts = claim.contrasts();
            assert!(!contrasts.is_empty(), "{} compares nothing", claim.name);
            for contrast in contrasts {
                // A win rate is a contrast by itself.
                let sum = f64::from(contrast.by == Measure::WinRate);
                let terms = contrast.terms.iter().map(|it| it.0);
                assert_eq!(terms.sum::<f64>(), sum, "{}", contrast.title());
            }
        }
    }
}
