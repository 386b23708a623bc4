//! Who won, how certain that is, and how well the judges agree.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use apo_endpoint_stage::Asked;
use apo_measures::{
    JudgeSummary, JudgedOutcome, PooledRate, VerdictSummary, WinRate, bootstrap, cohens_kappa,
    fleiss_kappa, length_controlled, mean, win_rate,
};
use apo_stage::format_table;
use apo_tables::VerdictRow;
use serde::Serialize;

use crate::args::BootstrapArgs;

/// Two lengths are similar if they differ by at most this share of the longer.
const ALIKE: f64 = 0.2;

/// What was to be judged, and how intervals are computed.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Queries.
    pub queries: usize,
    /// How often each judge was asked.
    pub repeats: usize,
    /// How intervals are computed.
    pub bootstrap: BootstrapArgs,
}

/// What `judge compare` and `judge human tally` print.
#[derive(Debug, Serialize)]
pub struct JudgingSummary {
    #[serde(flatten)]
    summary: VerdictSummary,
    /// The requests that were sent; `None` if nothing was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
}

impl JudgingSummary {
    /// Computes rates and agreement. The rows of a query are in the order of judges
    /// and repeats.
    ///
    /// # Errors
    ///
    /// When nothing was judged.
    pub fn of(
        judges: &[String],
        rows: &[VerdictRow],
        plan: Plan,
        asked: Option<Asked>,
    ) -> Result<Self> {
        let of = |get: fn(&VerdictRow) -> i32| {
            let values: Vec<f64> = rows.iter().map(|row| f64::from(get(row))).collect();
            mean(&values)
                .map(|it| it.mean)
                .context("nothing was judged")
        };
        let characters = [of(|row| row.characters_a)?, of(|row| row.characters_b)?];
        // The first repeat represents a judge.
        let firsts = || rows.iter().filter(|row| row.repeat == 0);
        let by_query = firsts().map(|row| (&row.query_id, row));
        let (agreement, agreement_queries) = agreement(by_query, judges.len());
        let summary = VerdictSummary {
            judged: rows.len(),
            failed: (plan.queries * plan.repeats * judges.len()).saturating_sub(rows.len()),
            characters,
            judges: judges
                .iter()
                .map(|judge| of_judge(judge, rows, plan))
                .collect(),
            pooled: (judges.len() > 1).then(|| pooled(firsts(), plan)).flatten(),
            agreement,
            agreement_queries,
        };
        Ok(Self { summary, asked })
    }

    /// Formats it as tables.
    pub fn text(&self) -> String {
        let (judges, together) = (self.judges(), self.together());
        format!("{}\n{}", format_table(&judges), format_table(&together))
    }

    /// A row for each judge, under a row of names.
    fn judges(&self) -> Vec<Vec<String>> {
        let heads = [
            "judge",
            "A",
            "B",
            "tie",
            "inconsistent",
            "invalid",
            "none",
            "win rate of A",
            "similar length",
            "length-controlled",
            "κ of repeats",
        ];
        let rate_of = |it: &WinRate| {
            let rate = it.rate.map(|rate| percent(rate, it.interval));
            rate.unwrap_or_default()
        };
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        for it in &self.summary.judges {
            let controlled = it.length_controlled;
            table.push(vec![
                it.judge.clone(),
                it.all.wins.to_string(),
                it.all.losses.to_string(),
                it.all.ties.to_string(),
                it.all.inconsistent.to_string(),
                it.all.invalid.to_string(),
                it.failed.to_string(),
                rate_of(&it.all),
                rate_of(&it.alike),
                controlled.map_or(String::new(), |it| percent(it.rate, it.interval)),
                it.self_agreement
                    .map_or(String::new(), |it| format!("{it:.3}")),
            ]);
        }
        table
    }

    /// A row for each number that is of all judges.
    fn together(&self) -> Vec<Vec<String>> {
        let summary = &self.summary;
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let [a, b] = summary.characters;
        let mut table = vec![
            row("judged", summary.judged.to_string()),
            row("failed, without a verdict", summary.failed.to_string()),
            row("mean characters of A", format!("{a:.1}")),
            row("mean characters of B", format!("{b:.1}")),
        ];
        if let Some(it) = &summary.pooled {
            let rate = percent(it.rate, it.interval);
            table.push(row("win rate of A, all judges together", rate));
        }
        if summary.judges.len() > 1 {
            let name = format!("κ of the judges, on {} queries", summary.agreement_queries);
            let kappa = summary.agreement.map(|it| format!("{it:.3}"));
            table.push(row(&name, kappa.unwrap_or_else(|| "-".to_owned())));
        }
        table
    }
}

/// Formats a rate and its interval in per cent.
fn percent(rate: f64, interval: Option<[f64; 2]>) -> String {
    let rate = format!("{:.1} %", 100.0 * rate);
    match interval {
        Some([low, high]) => format!("{rate} ({:.1} to {:.1})", 100.0 * low, 100.0 * high),
        None => rate,
    }
}

fn of_judge(judge: &str, rows: &[VerdictRow], plan: Plan) -> JudgeSummary {
    let own: Vec<&VerdictRow> = rows.iter().filter(|row| row.judge == judge).collect();
    // Repeats of a query are not independent evidence: only the first counts.
    let first: Vec<&VerdictRow> = own.iter().filter(|it| it.repeat == 0).copied().collect();
    let outcomes = |rows: &[&VerdictRow]| -> Vec<JudgedOutcome> {
        rows.iter().map(|row| row.outcome).collect()
    };
    let lengths = |row: &VerdictRow| [row.characters_a, row.characters_b].map(f64::from);
    let alike: Vec<&VerdictRow> = first
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
    JudgeSummary {
        judge: judge.to_owned(),
        failed: (plan.queries * plan.repeats).saturating_sub(own.len()),
        all: win_rate(&all, plan.bootstrap.draws, plan.bootstrap.seed),
        alike: win_rate(&outcomes(&alike), plan.bootstrap.draws, plan.bootstrap.seed),
        length_controlled: length_controlled(
            &points,
            &of_points,
            plan.bootstrap.draws,
            plan.bootstrap.seed,
        ),
        self_agreement: agreement(own.iter().map(|row| (&row.query_id, *row)), plan.repeats).0,
    }
}

/// Pools the rows of all judges; `None` if no row counts for a rate.
fn pooled<'a>(rows: impl Iterator<Item = &'a VerdictRow>, plan: Plan) -> Option<PooledRate> {
    let mut queries: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        if let Some(point) = row.outcome.point() {
            queries.entry(&row.query_id).or_default().push(point);
        }
    }
    let mean_of = |points: &[f64]| mean(points).map(|it| it.mean);
    let points: Vec<f64> = queries.values().filter_map(|it| mean_of(it)).collect();
    Some(PooledRate {
        queries: points.len(),
        rate: mean_of(&points)?,
        interval: bootstrap(&points, plan.bootstrap.draws, plan.bootstrap.seed, mean_of),
    })
}

/// Returns κ of `n` judges or repeats, and the number of queries behind it; no κ if
/// no query has two outcomes.
fn agreement<'a>(
    rows: impl Iterator<Item = (&'a String, &'a VerdictRow)>,
    n: usize,
) -> (Option<f64>, usize) {
    let mut queries: BTreeMap<&String, Vec<JudgedOutcome>> = BTreeMap::new();
    for (query, row) in rows {
        queries.entry(query).or_default().push(row.outcome);
    }
    let mut items: Vec<Vec<JudgedOutcome>> =
        queries.into_values().filter(|it| it.len() > 1).collect();
    if n == 2 {
        let (first, second): (Vec<JudgedOutcome>, Vec<JudgedOutcome>) =
            items.iter().map(|it| (it[0], it[1])).unzip();
        return (cohens_kappa(&first, &second), items.len());
    }
    // Fleiss' κ allows different judges, but needs the same number everywhere.
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
