//! `judge figure`: scores or quality of policies over rounds, as a picture. The report
//! draws the same lines.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_measures::{Estimate, ScoreSummary};
use apo_plots::{Line, Lines, Point};
use apo_stage::{bad_input, pages, print_result};
use apo_tables::file;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::args::{FigureArgs, PolicyMeasure};
use crate::measures::parse_json;
use crate::run_file::{Arm, ArtifactKind, RunFile};

/// What each picture's beginning contains.
pub(crate) const MARKS: [&str; 2] = ["<svg ", apo_plots::STYLE];

/// The table among a run's tables whose numbers the figure draws.
const ROUNDS: &str = "rounds";

/// Distinguishes what `judge score --json` prints from any other mean.
#[derive(Deserialize)]
struct Scored {
    reward: Option<IgnoredAny>,
}

/// What a figure shows: its lines, its title, and what is measured.
struct Figure {
    lines: Vec<Line>,
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
        Some(dir) => Figure::of_run(args, &RunFile::read(dir)?)?,
        None => Figure::of_files(args)?,
    };
    let title = args.title.clone().unwrap_or(figure.title);
    let measure = figure.measure;
    let y = args.y.clone();
    let y = y.unwrap_or_else(|| format!("{measure} of the test answers, ± standard error"));
    let svg = Lines::new(title, &args.x, y, figure.lines).svg();
    let svg = svg.map_err(|error| bad_input(error.to_string()))?;
    pages::write(&args.out, &svg.alone())?;
    let shown = serde_json::json!({ "out": args.out });
    print_result(&args.report, &shown, || args.out.display().to_string())
}

/// Returns Figure 5's lines: one for each arm, with a point for each of its policies
/// for which `value` returns one. The start is round 0 of every arm; an arm without a
/// later point has no line.
///
/// # Errors
///
/// When `value` fails.
pub fn over_rounds(
    arms: &[Arm],
    value: impl Fn(&str) -> Result<Option<Estimate>>,
) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for arm in arms {
        let mut points = Vec::new();
        for (round, policy) in arm.list.rows.iter().enumerate() {
            points.extend(value(policy)?.map(|it| point(round, it)));
        }
        if points.iter().any(|it| it.x > 0.0) {
            lines.push(Line {
                name: arm.list.name.clone(),
                points,
            });
        }
    }
    Ok(lines)
}

impl Figure {
    /// Reads the lines that the command line names.
    fn of_files(args: &FigureArgs) -> Result<Self> {
        let inputs = args.lines.iter().flat_map(|it| &it.paths);
        pages::check(&args.out, &MARKS, inputs.map(PathBuf::as_path))?;
        let lines = args.lines.iter().map(|series| {
            let points = series.paths.iter().enumerate();
            let points = points.map(|(round, path)| Ok(point(round, estimate(path)?)));
            Ok(Line {
                name: series.name.clone(),
                points: points.collect::<Result<_>>()?,
            })
        });
        Ok(Self {
            lines: lines.collect::<Result<_>>()?,
            title: "Policies over rounds".to_owned(),
            measure: "mean reward",
        })
    }

    /// Reads Figure 5's lines, of the policies in the table of rounds.
    fn of_run(args: &FigureArgs, run: &RunFile) -> Result<Self> {
        let (kind, measure, ending) = match args.by {
            PolicyMeasure::Score => (ArtifactKind::Score, "mean RM_Test score", " (Figure 5)"),
            PolicyMeasure::Quality => (
                ArtifactKind::Quality,
                "mean true quality",
                ", by true quality",
            ),
        };
        let inputs: Vec<PathBuf> = run.of(&[kind]).map(|it| run.at(it)).collect();
        pages::check(&args.out, &MARKS, inputs.iter().map(PathBuf::as_path))?;
        let rows = run.table(ROUNDS)?;
        let lines = over_rounds(&run.arms, |policy| {
            if !rows.iter().any(|row| row.of == policy) {
                return Ok(None);
            }
            let path = run.find(kind, policy).ok_or_else(|| {
                run.lacks(
                    &kind.name(),
                    policy,
                    "which the figure shows; make figure-5",
                )
            })?;
            estimate(&path).map(Some)
        })?;
        let names: Vec<&str> = lines.iter().map(|it| it.name.as_str()).collect();
        Ok(Self {
            title: names.join(" against ") + ending,
            measure,
            lines,
        })
    }
}

fn point(round: usize, value: Estimate) -> Point {
    Point {
        x: round as f64,
        y: value.mean,
        error: value.standard_error,
    }
}

/// Reads a mean, from what `judge score --json` printed or from any other JSON with a mean.
fn estimate(path: &Path) -> Result<Estimate> {
    const BY: &str = "judge score --json";
    let text = file::text(path)?;
    let scored: Scored = parse_json(&text, path, BY)?;
    if scored.reward.is_some() {
        let score: ScoreSummary = parse_json(&text, path, BY)?;
        return Ok(score.reward.all.into());
    }
    parse_json(&text, path, BY)
}
