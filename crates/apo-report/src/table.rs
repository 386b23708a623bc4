//! `judge table`: policies and reward models side by side.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_measures::{AccuracySummary, CeilingSummary, Gain, VerdictSummary};
use apo_stage::{bad_input, format_table, print_result};
use serde::{Deserialize, Serialize};

use crate::args::{Named, TableArgs};
use crate::cells::{like_length, number, percent, with_error};
use crate::data;
use crate::measures::{PolicyFiles, PolicyMeasures, gain_above_start, read_json};
use crate::run_file::{ArtifactKind, Entry, RunFile};

/// A policy, a reward model, or a policy against another.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Row {
    /// Name of the policy, of the reward model with its pairs, or of the comparison.
    pub name: String,
    /// Of a policy.
    #[serde(flatten)]
    pub policy: PolicyMeasures,
    /// How far a policy is above its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<Gain>,
    /// Share of pairs that a reward model puts in the right order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Expected calibration error of a reward model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ece: Option<f64>,
    /// Of the first of two policies, before a judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win_rate: Option<f64>,
}

/// Shows the results of other commands as one table.
///
/// # Errors
///
/// When a file is not the output of the command that should have written it, or the
/// run lacks a row.
pub fn run(args: &TableArgs) -> Result<()> {
    let rows = match (&args.run, &args.table) {
        (Some(run), Some(table)) => {
            let run = RunFile::read(run)?;
            if let Some(sizes) = data::of_run(&run, table)? {
                return data::show(&args.report, &sizes);
            }
            rows_of(&run, table)?
        }
        _ => rows_given(args)?,
    };
    print_result(&args.report, &rows, || text(&rows))
}

/// Reads the rows of a run's table: policies and other samples with a quality, then
/// reward models, then verdicts; each in the table's order.
fn rows_of(run: &RunFile, table: &str) -> Result<Vec<Row>> {
    let entries = run.table(table)?;
    let (mut policies, mut models, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        if let Some(kind) = entry.kind {
            let path = run.find(kind, &entry.of);
            let what = || format!("measurement on {} pairs", kind.name());
            let path = path.ok_or_else(|| run.lacks_row(&what(), entry, table))?;
            models.push(accuracy(entry.shown.clone(), &path)?);
            continue;
        }
        let files = PolicyFiles::of(run, &entry.of);
        // Samples may have a quality and no score. A policy needs a score.
        let is_policy = run.find(ArtifactKind::Policy, &entry.of).is_some();
        if files.score.is_some() || (files.quality.is_some() && !is_policy) {
            policies.push(Row {
                gain: gain_above_start(run, &entry.of)?,
                ..policy(entry.shown.clone(), &files)?
            });
            continue;
        }
        if let Some(measured) = accuracies(run, entry) {
            for (name, path) in measured {
                models.push(accuracy(name, &path)?);
            }
        } else if let Some(path) = run.find(ArtifactKind::Verdicts, &entry.of) {
            verdicts.extend(win_rates(&entry.shown, &path)?);
        } else {
            return Err(run.lacks_row("measurement", entry, table));
        }
    }
    if !models.is_empty() {
        for ceiling in run.of(&[ArtifactKind::Ceiling]) {
            let pairs = ceiling.name.to_lowercase();
            let measured: CeilingSummary = read_json(&run.at(ceiling), "mini-quality --ceiling")?;
            models.push(Row {
                name: format!("ceiling, {pairs}"),
                accuracy: Some(measured.ceiling),
                ..Row::default()
            });
        }
    }
    Ok([policies, models, verdicts].into_iter().flatten().collect())
}

/// Returns the names and files of a reward model's rows, on test and dev pairs; `None`
/// if a file is missing.
fn accuracies(run: &RunFile, entry: &Entry) -> Option<Vec<(String, PathBuf)>> {
    let found = [ArtifactKind::Test, ArtifactKind::Dev].map(|kind| {
        let path = run.find(kind, &entry.of)?;
        Some((Entry::name_of(&entry.shown, Some(kind)), path))
    });
    found.into_iter().collect()
}

/// Reads the rows that the command line names.
fn rows_given(args: &TableArgs) -> Result<Vec<Row>> {
    let named = |list: &'_ [Named], name: &str| {
        let found = list.iter().find(|it| it.name == name);
        found.map(|it| it.path.clone())
    };
    let mut rows = Vec::new();
    for score in &args.score {
        let files = PolicyFiles {
            score: Some(score.path.clone()),
            score_all: named(&args.score_all, &score.name),
            quality: named(&args.quality, &score.name),
            kl: named(&args.kl, &score.name),
        };
        rows.push(policy(score.name.clone(), &files)?);
    }
    let scored = |it: &&Named| args.score.iter().any(|score| score.name == it.name);
    let beside = [("--kl", &args.kl), ("--score-all", &args.score_all)];
    let mut beside = beside
        .into_iter()
        .flat_map(|(option, all)| all.iter().map(move |it| (option, it)));
    if let Some((option, stranger)) = beside.find(|it| !scored(&it.1)) {
        let name = &stranger.name;
        return Err(bad_input(format!(
            "{option} '{name}': no --score has this name"
        )));
    }
    for quality in args.quality.iter().filter(|it| !scored(it)) {
        let files = PolicyFiles {
            quality: Some(quality.path.clone()),
            ..PolicyFiles::default()
        };
        rows.push(policy(quality.name.clone(), &files)?);
    }
    for it in &args.accuracy {
        rows.push(accuracy(it.name.clone(), &it.path)?);
    }
    for it in &args.verdicts {
        rows.extend(win_rates(&it.name, &it.path)?);
    }
    Ok(rows)
}

fn accuracy(name: String, path: &Path) -> Result<Row> {
    let measured: AccuracySummary = read_json(path, "judge accuracy --json")?;
    Ok(Row {
        name,
        accuracy: Some(measured.accuracy.all.accuracy),
        ece: Some(measured.calibration.all.ece),
        ..Row::default()
    })
}

/// Reads a policy's row.
fn policy(name: String, files: &PolicyFiles) -> Result<Row> {
    Ok(Row {
        name,
        policy: files.read()?,
        ..Row::default()
    })
}

/// Reads a row for each judge.
fn win_rates(name: &str, path: &Path) -> Result<Vec<Row>> {
    let VerdictSummary { judges, .. } = read_json(path, "judge compare --json")?;
    let alone = judges.len() == 1;
    let rows = judges.into_iter().map(|it| Row {
        name: if alone {
            name.to_owned()
        } else {
            format!("{name}, {}", it.judge)
        },
        win_rate: it.all.rate,
        ..Row::default()
    });
    Ok(rows.collect())
}

fn text(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        [
            row.name.clone(),
            with_error(row.policy.score),
            with_error(row.gain.map(|it| it.raw.into())),
            like_length(row.gain),
            with_error(row.policy.score_all),
            with_error(row.policy.true_quality),
            number(row.policy.kl, 3),
            number(row.policy.tokens, 1),
            percent(row.policy.ended),
            percent(row.policy.repeats),
            number(row.policy.length_correlation, 2),
            percent(row.accuracy),
            number(row.ece, 3),
            percent(row.win_rate),
        ]
    };
    let heads = [
        "",
        "RM_Test score",
        "gain",
        "at like length",
        "RM_All score",
        "true quality",
        "KL per token",
        "tokens",
        "ended",
        "repeats",
        "r(length)",
        "accuracy",
        "ECE",
        "win rate",
    ];
    let mut table = vec![heads.map(str::to_owned)];
    table.extend(rows.iter().map(cells));
    // An empty column is left out.
    let filled = |column: usize| column == 0 || table[1..].iter().any(|it| !it[column].is_empty());
    let kept: Vec<usize> = (0..heads.len()).filter(|&column| filled(column)).collect();
    let table: Vec<Vec<String>> = table
        .iter()
        .map(|row| kept.iter().map(|&column| row[column].clone()).collect())
        .collect();
    format_table(&table)
}

#[cfg(test)]
mod tests {
    use apo_measures::Estimate;

    use super::*;

    #[test]
    fn empty_columns_are_left_out_and_errors_stand_beside_their_means() {
        let rows = [
            Row {
                name: "SFT".to_owned(),
                policy: PolicyMeasures {
                    score: Some(Estimate {
                        mean: 0.3125,
                        standard_error: Some(0.04),
                    }),
                    tokens: Some(31.2),
                    ..PolicyMeasures::default()
                },
                ..Row::default()
            },
            Row {
                name: "RM round 1".to_owned(),
                accuracy: Some(0.749),
                ece: Some(0.034),
                ..Row::default()
            },
        ];
        let expected = "            RM_Test score  tokens  accuracy    ECE\n\
                        SFT         0.312 ± 0.040    31.2\n\
                        RM round 1                           74.9 %  0.034\n";
        assert_eq!(text(&rows), expected);
    }
}
