//! `judge figure`: scores or quality of policies over rounds, as a picture.

use std::path::PathBuf;

use anyhow::Result;
use apo_measures::{Estimate, ScoreSummary};
use apo_plots::{Line, Lines, Point};
use apo_stage::report::result;
use apo_stage::{bad_input, pages};
use apo_tables::file;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::args::{FigureArgs, PolicyMeasure, Series};
use crate::measures::parse_json;
use crate::run_file::{ArtifactKind, RunFile};

/// What each picture's beginning contains.
const MARKS: [&str; 2] = ["<svg ", apo_plots::STYLE];

/// The table among a run's tables whose numbers the figure draws.
const ROUNDS: &str = "rounds";

/// Distinguishes what `judge score --json` prints from any other mean.
#[derive(Deserialize)]
struct Page {
    reward: Option<IgnoredAny>,
}

/// What a figure shows: its lines, its title, and what is measured.
struct Figure {
    lines: Vec<Series>,
    title: String,
    measure: &'static str,
}

/// Draws a line for every series.
///
/// # Errors
///
/// When a file has no mean, the run lacks what the figure shows, or the picture
/// cannot be written.
pub fn run(args: &FigureArgs) -> Result<()> {
    let figure = match &args.run {
        Some(dir) => Figure::of_run(&RunFile::read(dir)?, args.by)?,
        None => Figure {
            lines: args.lines.clone(),
            title: "Policies over rounds".to_owned(),
            measure: "mean reward",
        },
    };
    let inputs = figure.lines.iter().flat_map(|it| &it.paths);
    pages::check(&args.out, &MARKS, inputs.map(PathBuf::as_path))?;
    let lines = figure
        .lines
        .iter()
        .map(line)
        .collect::<Result<Vec<Line>>>()?;
    let title = args.title.clone().unwrap_or(figure.title);
    let measure = figure.measure;
    let y = args.y.clone();
    let y = y.unwrap_or_else(|| format!("{measure} of the test answers, ± standard error"));
    let svg = Lines::new(title, &args.x, y, lines).svg();
    let svg = svg.map_err(|error| bad_input(error.to_string()))?;
    pages::write(&args.out, &svg.alone())?;
    let shown = serde_json::json!({ "out": args.out });
    result(&args.report, &shown, || args.out.display().to_string())
}

impl Figure {
    /// Finds Figure 5's lines: the arms of the table of rounds.
    fn of_run(run: &RunFile, by: PolicyMeasure) -> Result<Self> {
        let (kind, measure, ending) = match by {
            PolicyMeasure::Score => (ArtifactKind::Score, "mean RM_Test score", " (Figure 5)"),
            PolicyMeasure::Quality => (
                ArtifactKind::Quality,
                "mean true quality",
                ", by true quality",
            ),
        };
        let rows = run.table(ROUNDS)?;
        let mut lines = Vec::new();
        for arm in &run.arms {
            let shown = |policy: &&String| rows.iter().any(|row| row.of == **policy);
            let policies: Vec<&String> = arm.rows.iter().filter(shown).collect();
            // The start is round 0 of every arm. Alone, it is not a line.
            if policies.len() < 2 {
                continue;
            }
            let paths = policies.iter().map(|policy| {
                run.find(kind, policy).ok_or_else(|| {
                    run.lacks(
                        &kind.name(),
                        policy,
                        "which the figure shows; make figure-5",
                    )
                })
            });
            lines.push(Series {
                name: arm.name.clone(),
                paths: paths.collect::<Result<_>>()?,
            });
        }
        let names: Vec<&str> = lines.iter().map(|it| it.name.as_str()).collect();
        Ok(Self {
            title: names.join(" against ") + ending,
            measure,
            lines,
        })
    }
}

fn line(series: &Series) -> Result<Line> {
    let points = (0..).zip(&series.paths).map(|(round, path)| {
        const BY: &str = "judge score --json";
        let text = file::text(path)?;
        let page: Page = parse_json(&text, path, BY)?;
        let found: Estimate = match page.reward {
            Some(_) => parse_json::<ScoreSummary>(&text, path, BY)?
                .reward
                .all
                .into(),
            None => parse_json(&text, path, BY)?,
        };
        Ok(Point {
            x: f64::from(round),
            y: found.mean,
            error: found.standard_error,
        })
    });
    Ok(Line {
        name: series.name.clone(),
        points: points.collect::<Result<_>>()?,
    })
}
