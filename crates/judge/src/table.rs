//! `judge table`: policies and reward models of a round, one beside the other.

use std::path::Path;

use anyhow::Result;
use apo_stage::bad_input;
use apo_stage::report::{columns, result};
use apo_tables::file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::accuracy::Measured;
use crate::args::{Named, TableArgs};
use crate::kl::Kl;
use crate::score::{MeanOnly, Score};
use crate::verdicts::Summary;

/// A policy or a reward model.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Row {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<MeanOnly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_quality: Option<MeanOnly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score_all: Option<MeanOnly>,
    /// Nats a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    kl: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ece: Option<f64>,
    /// Of the first of two policies, before a judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win_rate: Option<f64>,
}

/// Lays out what other commands found.
///
/// # Errors
///
/// When a page is not what the command wrote that should have.
pub fn run(args: &TableArgs) -> Result<()> {
    let mut rows = Vec::new();
    for named in &args.score {
        let score: Score = page(&named.path, "judge score --json")?;
        let quality = args.quality.iter().find(|it| it.name == named.name);
        let quality = quality.map(|it| page(&it.path, "a measure of quality"));
        let kl = args.kl.iter().find(|it| it.name == named.name);
        let kl = kl.map(|it| page::<Kl>(&it.path, "judge kl --json"));
        let all = args.score_all.iter().find(|it| it.name == named.name);
        let all = all.map(|it| page::<Score>(&it.path, "judge score --json"));
        rows.push(Row {
            name: named.name.clone(),
            kl: kl.transpose()?.map(|it| it.kl_per_token.mean),
            score: Some(score.reward.all),
            score_all: all.transpose()?.map(|it| it.reward.all),
            true_quality: quality.transpose()?,
            tokens: score.mean_tokens,
            ended: score.ended,
            repeats: score.repeats,
            ..Row::default()
        });
    }
    let scored = |named: &&Named| args.score.iter().any(|it| it.name == named.name);
    let beside = [("--kl", &args.kl), ("--score-all", &args.score_all)];
    let mut beside = beside.into_iter().flat_map(|(option, named)| {
        let option = move |named| (option, named);
        named.iter().map(option)
    });
    if let Some((option, stranger)) = beside.find(|it| !scored(&it.1)) {
        let name = &stranger.name;
        return Err(bad_input(format!(
            "{option} '{name}': no --score has this name"
        )));
    }
    for named in args.quality.iter().filter(|it| !scored(it)) {
        rows.push(Row {
            name: named.name.clone(),
            true_quality: Some(page(&named.path, "a measure of quality")?),
            ..Row::default()
        });
    }
    for named in &args.accuracy {
        let measured: Measured = page(&named.path, "judge accuracy --json")?;
        rows.push(Row {
            name: named.name.clone(),
            accuracy: Some(measured.accuracy.all.accuracy),
            ece: Some(measured.calibration.all.ece),
            ..Row::default()
        });
    }
    for named in &args.verdicts {
        let Summary { judges, .. } = page(&named.path, "judge compare --json")?;
        let alone = judges.len() == 1;
        rows.extend(judges.into_iter().map(|it| Row {
            name: if alone {
                named.name.clone()
            } else {
                format!("{}, {}", named.name, it.judge)
            },
            win_rate: it.all.rate,
            ..Row::default()
        }));
    }
    result(&args.report, &rows, || text(&rows))
}

/// Reads what a command printed.
///
/// # Errors
///
/// When the file is not there or holds something else.
pub fn page<T: DeserializeOwned>(path: &Path, by: &str) -> Result<T> {
    let text = file::text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let at = path.display();
        bad_input(format!("{at}: not what `{by}` prints: {error}"))
    })
}

fn text(rows: &[Row]) -> String {
    let with_error = |it: Option<MeanOnly>| {
        it.map_or(String::new(), |it| match it.standard_error {
            Some(error) => format!("{:.3} ± {error:.3}", it.mean),
            None => format!("{:.3}", it.mean),
        })
    };
    let percent = |it: Option<f64>| it.map_or(String::new(), |it| format!("{:.1} %", 100.0 * it));
    let cells = |row: &Row| {
        [
            row.name.clone(),
            with_error(row.score),
            with_error(row.score_all),
            with_error(row.true_quality),
            row.kl.map_or(String::new(), |it| format!("{it:.3}")),
            row.tokens.map_or(String::new(), |it| format!("{it:.1}")),
            percent(row.ended),
            percent(row.repeats),
            percent(row.accuracy),
            row.ece.map_or(String::new(), |it| format!("{it:.3}")),
            percent(row.win_rate),
        ]
    };
    let heads = [
        "",
        "RM_Test score",
        "RM_All score",
        "true quality",
        "KL a token",
        "tokens",
        "ended",
        "repeats",
        "accuracy",
        "ECE",
        "win rate",
    ];
    let mut table = vec![heads.map(str::to_owned)];
    table.extend(rows.iter().map(cells));
    // A column that nobody fills is left out.
    let filled = |column: usize| column == 0 || table[1..].iter().any(|it| !it[column].is_empty());
    let kept: Vec<usize> = (0..heads.len()).filter(|&column| filled(column)).collect();
    let table: Vec<Vec<String>> = table
        .iter()
        .map(|row| kept.iter().map(|&column| row[column].clone()).collect())
        .collect();
    columns(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_columns_are_left_out_and_errors_stand_beside_their_means() {
        let rows = [
            Row {
                name: "SFT".to_owned(),
                score: Some(MeanOnly {
                    mean: 0.3125,
                    standard_error: Some(0.04),
                }),
                tokens: Some(31.2),
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
