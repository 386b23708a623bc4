//! `judge tally`: win rates of annotations that others published.

use anyhow::Result;
use apo_import::{Source, parse};
use apo_measures::{LengthControlled, length_controlled, mean};
use apo_stage::{bad_input, format_table, print_result};
use serde::{Deserialize, Serialize};

use crate::args::{BootstrapArgs, TallyArgs};

/// Records that are read at once.
const BATCH: usize = 1024;

/// The fields that are read.
const FIELDS: &[&str] = &[
    "generator_1",
    "generator_2",
    "output_1",
    "output_2",
    "preference",
];

/// A row of `AlpacaEval`'s annotations.
#[derive(Debug, Deserialize)]
struct Annotation {
    generator_1: String,
    generator_2: String,
    output_1: Option<String>,
    output_2: Option<String>,
    /// 1: the first is better; 2: the second is; 0 and 1.5: neither is. Values in
    /// between count in proportion. A null is not counted.
    preference: Option<f64>,
}

/// A leaderboard's row, with `AlpacaEval`'s names; rates in per cent.
#[derive(Debug, Serialize)]
struct Tally {
    /// The second generator.
    model: String,
    /// The first.
    baseline: String,
    win_rate: f64,
    standard_error: Option<f64>,
    n_wins: usize,
    n_wins_base: usize,
    n_draws: usize,
    n_total: usize,
    /// Rows without a preference.
    not_counted: usize,
    discrete_win_rate: f64,
    /// A share and its interval, from the rows that have both outputs.
    length_controlled: Option<LengthControlled>,
}

/// What the annotations of one pair of models say.
#[derive(Debug, Default)]
struct Annotations {
    /// The first generator and the second; `None` before the first row.
    generators: Option<[String; 2]>,
    /// The second generator's share of each row that has a preference.
    values: Vec<f64>,
    /// Rows without a preference.
    not_counted: usize,
    /// Those of `values` whose row has both outputs.
    of_both: Vec<f64>,
    /// Their outputs' characters, the second generator's first.
    lengths: Vec<[f64; 2]>,
}

/// Computes the win rate from the annotations of one pair of models.
///
/// # Errors
///
/// When a row is malformed or has other models than the first row, or no row has a
/// preference.
pub fn run(args: &TallyArgs) -> Result<()> {
    let path = args.annotations.display();
    let mut source = Source::open(&args.annotations, FIELDS)?;
    let mut annotations = Annotations::default();
    loop {
        let records = source.batch(BATCH)?;
        if records.is_empty() {
            break;
        }
        for record in records {
            let at = format!("{path} row {}", record.line);
            let row: Annotation = parse(&record)
                .map_err(|problem| bad_input(format!("{at}: not an annotation: {problem}")))?;
            let added = annotations.add(row);
            added.map_err(|problem| bad_input(format!("{at}: {problem}")))?;
        }
    }
    let tally = annotations.tally(args.bootstrap);
    let tally = tally.ok_or_else(|| bad_input(format!("{path}: no row has a preference")))?;
    print_result(&args.report, &tally, || tally.text())
}

impl Annotations {
    /// Adds a row; returns what is wrong with it, if anything is.
    fn add(&mut self, row: Annotation) -> Result<(), String> {
        let these = [row.generator_1, row.generator_2];
        let first = self.generators.get_or_insert_with(|| these.clone());
        if *first != these {
            return Err(format!(
                "compares {} with {}, but the rows before it compare {} with {}",
                these[0], these[1], first[0], first[1]
            ));
        }
        let Some(preference) = row.preference else {
            self.not_counted += 1;
            return Ok(());
        };
        let value = match preference {
            0.0 => 0.5,
            it if (1.0..=2.0).contains(&it) => it - 1.0,
            it => {
                return Err(format!(
                    "`preference` is {it}, expected 0 or a number from 1 to 2"
                ));
            }
        };
        self.values.push(value);
        if let (Some(first), Some(second)) = (&row.output_1, &row.output_2) {
            let characters = |text: &str| text.chars().count() as f64;
            self.of_both.push(value);
            self.lengths.push([characters(second), characters(first)]);
        }
        Ok(())
    }

    /// Returns the leaderboard's row; `None` if no row has a preference.
    fn tally(self, bootstrap: BootstrapArgs) -> Option<Tally> {
        let [baseline, model] = self.generators?;
        let found = mean(&self.values)?;
        let count = |of: fn(&f64) -> bool| self.values.iter().filter(|it| of(it)).count();
        let (n_wins, n_draws) = (count(|it| *it > 0.5), count(|it| *it == 0.5));
        let n_total = self.values.len();
        let BootstrapArgs { draws, seed } = bootstrap;
        Some(Tally {
            model,
            baseline,
            win_rate: 100.0 * found.mean,
            standard_error: found.standard_error.map(|it| 100.0 * it),
            n_wins,
            n_wins_base: n_total - n_wins - n_draws,
            n_draws,
            n_total,
            not_counted: self.not_counted,
            discrete_win_rate: 100.0 * (n_wins as f64 + 0.5 * n_draws as f64) / n_total as f64,
            length_controlled: length_controlled(&self.of_both, &self.lengths, draws, seed),
        })
    }
}

impl Tally {
    fn text(&self) -> String {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let error = self.standard_error;
        let error = error.map_or(String::new(), |it| format!(" ± {it:.2}"));
        let mut rows = vec![
            row("model", self.model.clone()),
            row("baseline", self.baseline.clone()),
            row("win rate, %", format!("{:.2}{error}", self.win_rate)),
            row("wins", self.n_wins.to_string()),
            row("wins of the baseline", self.n_wins_base.to_string()),
            row("draws", self.n_draws.to_string()),
            row("in all", self.n_total.to_string()),
            row("not counted", self.not_counted.to_string()),
            row(
                "discrete win rate, %",
                format!("{:.2}", self.discrete_win_rate),
            ),
        ];
        if let Some(controlled) = self.length_controlled {
            let interval = controlled.interval.map_or(String::new(), |[low, high]| {
                format!(" ({:.2} to {:.2})", 100.0 * low, 100.0 * high)
            });
            let rate = format!("{:.2}{interval}", 100.0 * controlled.rate);
            rows.push(row("length-controlled, %", rate));
        }
        format_table(&rows)
    }
}
