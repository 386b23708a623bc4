//! Who won, how sure that is, and how far the judges agree.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use apo_endpoint::Counts;
use apo_measures::{
    LengthControlled, Outcome, WinRate, cohens_kappa, fleiss_kappa, length_controlled, mean,
    win_rate,
};
use apo_stage::endpoint::Asked;
use apo_stage::report::columns;
use apo_tables::Comparison;
use serde::Serialize;

use crate::args::CompareArgs;

/// Lengths are alike where they differ by no more than this share of the longer.
const ALIKE: f64 = 0.2;

/// What came of a comparison.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Comparisons that have both verdicts.
    judged: usize,
    /// Those that lack one, since no reply came.
    failed: u64,
    /// Mean characters of a response.
    characters: [f64; 2],
    judges: Vec<Judged>,
    /// κ of all judges on the queries that all judged; of two Cohen's, of more
    /// Fleiss'.
    agreement: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
}

/// What a judge found.
#[derive(Debug, Serialize)]
struct Judged {
    judge: String,
    #[serde(flatten)]
    all: WinRate,
    /// Of pairs of like length.
    alike: WinRate,
    length_controlled: Option<LengthControlled>,
    /// κ between its repeats, where it was asked more than once.
    self_agreement: Option<f64>,
}

impl Summary {
    /// Sums rows up, a query's in the order of judges and repeats.
    ///
    /// # Errors
    ///
    /// When nothing was judged.
    pub fn of(
        args: &CompareArgs,
        rows: &[Comparison],
        failed: u64,
        asked: Option<Counts>,
    ) -> Result<Self> {
        let of = |get: fn(&Comparison) -> i32| {
            let values: Vec<f64> = rows.iter().map(|row| f64::from(get(row))).collect();
            mean(&values)
                .map(|it| it.mean)
                .context("nothing was judged")
        };
        let characters = [of(|row| row.characters_a)?, of(|row| row.characters_b)?];
        let judges = args.models.iter();
        let judges = judges.map(|judge| Judged::of(args, judge, rows)).collect();
        // Each judge's first time stands for it.
        let first = rows.iter().filter(|row| row.repeat == 0);
        let firsts = first.map(|row| (&row.query_id, row));
        Ok(Self {
            judged: rows.len(),
            failed,
            characters,
            judges,
            agreement: agreement(firsts, args.models.len()),
            asked: asked.map(|counts| Asked::new(counts, args.endpoint.prices())),
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
            row("failed, without a reply", self.failed.to_string()),
            row("mean characters of A", format!("{:.1}", self.characters[0])),
            row("mean characters of B", format!("{:.1}", self.characters[1])),
        ];
        if let Some(kappa) = self.agreement {
            rest.push(row("κ of the judges", format!("{kappa:.3}")));
        }
        format!("{}\n{}", columns(&table), columns(&rest))
    }
}

impl Judged {
    fn of(args: &CompareArgs, judge: &str, rows: &[Comparison]) -> Self {
        let own: Vec<&Comparison> = rows.iter().filter(|row| row.judge == judge).collect();
        // A query's repeats are no further evidence: its first time counts.
        let first: Vec<&Comparison> = own.iter().filter(|it| it.repeat == 0).copied().collect();
        let outcomes = |rows: &[&Comparison]| -> Vec<Outcome> {
            let outcome = |row: &&Comparison| Outcome::of(&row.outcome);
            let found = rows.iter().map(outcome);
            found
                .map(|it| it.expect("the reader checks outcomes"))
                .collect()
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
            all: win_rate(&all, args.draws, args.seed),
            alike: win_rate(&outcomes(&alike), args.draws, args.seed),
            length_controlled: length_controlled(&points, &of_points, args.draws, args.seed),
            self_agreement: agreement(
                own.iter().map(|row| (&row.query_id, *row)),
                args.repeats as usize,
            ),
        }
    }
}

/// Returns κ over the queries that have all `n` outcomes; `None` of fewer than
/// two outcomes a query.
fn agreement<'a>(
    rows: impl Iterator<Item = (&'a String, &'a Comparison)>,
    n: usize,
) -> Option<f64> {
    if n < 2 {
        return None;
    }
    let mut queries: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
    for (query, row) in rows {
        queries.entry(query).or_default().push(&row.outcome);
    }
    let items: Vec<Vec<&str>> = queries.into_values().filter(|it| it.len() == n).collect();
    if n > 2 {
        return fleiss_kappa(&items);
    }
    let (first, second): (Vec<&str>, Vec<&str>) = items.iter().map(|it| (it[0], it[1])).unzip();
    cohens_kappa(&first, &second)
}
