//! Who won, how sure that is, and how far those who judge agree.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use apo_endpoint_stage::Asked;
use apo_measures::{
    LengthControlled, Outcome, WinRate, bootstrap, cohens_kappa, fleiss_kappa, length_controlled,
    mean, win_rate,
};
use apo_stage::report::columns;
use apo_tables::Comparison;
use serde::{Deserialize, Serialize};

use crate::args::BootstrapArgs;

/// Lengths are alike where they differ by no more than this share of the longer.
const ALIKE: f64 = 0.2;

/// What was to be judged, and how intervals are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    /// Queries.
    pub queries: usize,
    /// Times that each judge was asked.
    pub repeats: usize,
    /// How intervals are drawn.
    pub bootstrap: BootstrapArgs,
}

/// What came of a comparison.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Comparisons that have a verdict.
    pub judged: usize,
    /// Those that have none: no reply came, no vote was given.
    pub failed: usize,
    /// Mean characters of a response.
    pub characters: [f64; 2],
    pub judges: Vec<Judged>,
    /// All judges', where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// κ of the judges; of two Cohen's, of more Fleiss'. None of one, or where
    /// all say the same one thing.
    pub agreement: Option<f64>,
    /// Queries that it is of: those that both judged, or that as many judged as
    /// most did.
    #[serde(default)]
    pub agreement_queries: usize,
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    asked: Option<Asked>,
}

/// What a judge found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Judged {
    pub judge: String,
    /// Its comparisons that have no verdict.
    #[serde(default)]
    pub failed: usize,
    #[serde(flatten)]
    pub all: WinRate,
    /// Of pairs of like length.
    pub alike: WinRate,
    pub length_controlled: Option<LengthControlled>,
    /// κ between its repeats, where it was asked more than once.
    self_agreement: Option<f64>,
}

/// What all judges found: a query's points are the mean of its judges'.
#[derive(Debug, Serialize, Deserialize)]
pub struct Together {
    pub queries: usize,
    pub rate: f64,
    pub interval: Option<[f64; 2]>,
}

impl Summary {
    /// Sums rows up, a query's in the order of judges and repeats.
    ///
    /// # Errors
    ///
    /// When nothing was judged.
    pub fn of(
        judges: &[String],
        rows: &[Comparison],
        drawn: Drawn,
        asked: Option<Asked>,
    ) -> Result<Self> {
        let of = |get: fn(&Comparison) -> i32| {
            let values: Vec<f64> = rows.iter().map(|row| f64::from(get(row))).collect();
            mean(&values)
                .map(|it| it.mean)
                .context("nothing was judged")
        };
        let characters = [of(|row| row.characters_a)?, of(|row| row.characters_b)?];
        // Each judge's first time stands for it.
        let firsts = || rows.iter().filter(|row| row.repeat == 0);
        let by_query = firsts().map(|row| (&row.query_id, row));
        let (agreement, agreement_queries) = agreement(by_query, judges.len());
        Ok(Self {
            judged: rows.len(),
            failed: (drawn.queries * drawn.repeats * judges.len()).saturating_sub(rows.len()),
            characters,
            judges: judges
                .iter()
                .map(|judge| Judged::of(judge, rows, drawn))
                .collect(),
            together: (judges.len() > 1)
                .then(|| Together::of(firsts(), drawn))
                .flatten(),
            agreement,
            agreement_queries,
            asked,
        })
    }

    /// Lays it out for people.
    pub fn text(&self) -> String {
        let percent = |it: f64| format!("{:.1} %", 100.0 * it);
        let rate = |it: Option<f64>, interval: Option<[f64; 2]>| match (it, interval) {
            (Some(rate), Some([low, high])) => format!(
                "{} ({:.1} to {:.1})",
                percent(rate),
                100.0 * low,
                100.0 * high
            ),
            (Some(rate), None) => percent(rate),
            _ => String::new(),
        };
        let heads = [
            "judge",
            "A",
            "B",
            "tie",
            "inconsistent",
            "invalid",
            "none",
            "win rate of A",
            "like length",
            "length-controlled",
            "κ of repeats",
        ];
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        for it in &self.judges {
            let controlled = it.length_controlled;
            table.push(vec![
                it.judge.clone(),
                it.all.wins.to_string(),
                it.all.losses.to_string(),
                it.all.ties.to_string(),
                it.all.inconsistent.to_string(),
                it.all.invalid.to_string(),
                it.failed.to_string(),
                rate(it.all.rate, it.all.interval),
                rate(it.alike.rate, it.alike.interval),
                controlled.map_or(String::new(), |it| rate(Some(it.rate), it.interval)),
                it.self_agreement
                    .map_or(String::new(), |it| format!("{it:.3}")),
            ]);
        }
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rest = vec![
            row("judged", self.judged.to_string()),
            row("failed, without a verdict", self.failed.to_string()),
            row("mean characters of A", format!("{:.1}", self.characters[0])),
            row("mean characters of B", format!("{:.1}", self.characters[1])),
        ];
        if let Some(it) = &self.together {
            let rate = rate(Some(it.rate), it.interval);
            rest.push(row("win rate of A, all judges together", rate));
        }
        if self.judges.len() > 1 {
            let name = format!("κ of the judges, on {} queries", self.agreement_queries);
            let kappa = self.agreement.map(|it| format!("{it:.3}"));
            rest.push(row(&name, kappa.unwrap_or_else(|| "-".to_owned())));
        }
        format!("{}\n{}", columns(&table), columns(&rest))
    }
}

impl Judged {
    fn of(judge: &str, rows: &[Comparison], drawn: Drawn) -> Self {
        let own: Vec<&Comparison> = rows.iter().filter(|row| row.judge == judge).collect();
        // A query's repeats are no further evidence: its first time counts.
        let first: Vec<&Comparison> = own.iter().filter(|it| it.repeat == 0).copied().collect();
        let outcomes = |rows: &[&Comparison]| -> Vec<Outcome> {
            rows.iter().map(|row| outcome(row)).collect()
        };
        let lengths = |row: &Comparison| [row.characters_a, row.characters_b].map(f64::from);
        let alike: Vec<&Comparison> = first
            .iter()
            .filter(|row| {
                let [a, b] = lengths(row);
                (a - b).abs() <= ALIKE * a.max(b)
            })
            .copied()
            .collect();
        let all = outcomes(&first);
        let judged = all.iter().zip(&first);
        let judged = judged.filter_map(|(it, row)| Some((it.point()?, lengths(row))));
        let (points, of_points): (Vec<f64>, Vec<[f64; 2]>) = judged.unzip();
        Self {
            judge: judge.to_owned(),
            failed: (drawn.queries * drawn.repeats).saturating_sub(own.len()),
            all: win_rate(&all, drawn.bootstrap.draws, drawn.bootstrap.seed),
            alike: win_rate(
                &outcomes(&alike),
                drawn.bootstrap.draws,
                drawn.bootstrap.seed,
            ),
            length_controlled: length_controlled(
                &points,
                &of_points,
                drawn.bootstrap.draws,
                drawn.bootstrap.seed,
            ),
            self_agreement: agreement(own.iter().map(|row| (&row.query_id, *row)), drawn.repeats).0,
        }
    }
}

fn outcome(row: &Comparison) -> Outcome {
    Outcome::of(&row.outcome).expect("the reader checks outcomes")
}

impl Together {
    /// None where nothing has a point.
    fn of<'a>(rows: impl Iterator<Item = &'a Comparison>, drawn: Drawn) -> Option<Self> {
        let mut queries: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for row in rows {
            if let Some(point) = outcome(row).point() {
                queries.entry(&row.query_id).or_default().push(point);
            }
        }
        let mean_of = |points: &[f64]| mean(points).map(|it| it.mean);
        let points: Vec<f64> = queries.values().filter_map(|it| mean_of(it)).collect();
        Some(Self {
            queries: points.len(),
            rate: mean_of(&points)?,
            interval: bootstrap(
                &points,
                drawn.bootstrap.draws,
                drawn.bootstrap.seed,
                mean_of,
            ),
        })
    }
}

/// Returns κ of `n` judges, or of as many repeats, and the queries that it is of;
/// none of fewer than two outcomes a query.
fn agreement<'a>(
    rows: impl Iterator<Item = (&'a String, &'a Comparison)>,
    n: usize,
) -> (Option<f64>, usize) {
    let mut queries: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
    for (query, row) in rows {
        queries.entry(query).or_default().push(&row.outcome);
    }
    let mut items: Vec<Vec<&str>> = queries.into_values().filter(|it| it.len() > 1).collect();
    if n == 2 {
        let (first, second): (Vec<&str>, Vec<&str>) = items.iter().map(|it| (it[0], it[1])).unzip();
        return (cohens_kappa(&first, &second), items.len());
    }
    // Fleiss' judges need not be the same people, but as many everywhere.
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for item in &items {
        *sizes.entry(item.len()).or_default() += 1;
    }
    let most = sizes
        .into_iter()
        .max_by_key(|it| (it.1, it.0))
        .map(|it| it.0);
    items.retain(|it| Some(it.len()) == most);
    (fleiss_kappa(&items), items.len())
}
