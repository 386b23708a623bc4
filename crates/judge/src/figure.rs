//! `judge figure`: what policies are worth, round by round, as a picture.

use std::path::PathBuf;

use anyhow::Result;
use apo_plots::{Line, Lines, Point};
use apo_stage::bad_input;
use apo_stage::pages;
use apo_stage::report::result;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::args::{FigureArgs, Series};
use crate::score::{MeanOnly, Score};
use crate::table::page;

/// What the beginning of each picture holds.
const MARKS: [&str; 2] = ["<svg ", apo_plots::STYLE];

/// What tells a page of rewards from one of any other mean.
#[derive(Deserialize)]
struct Kind {
    reward: Option<IgnoredAny>,
}

/// Draws a line for every series.
///
/// # Errors
///
/// When a page holds no mean, or the picture cannot be written.
pub fn run(args: &FigureArgs) -> Result<()> {
    let inputs = args.lines.iter().flat_map(|it| &it.paths);
    pages::check(&args.out, &MARKS, inputs.map(PathBuf::as_path))?;
    let lines = args.lines.iter().map(line).collect::<Result<Vec<Line>>>()?;
    let figure = Lines::new(&args.title, &args.x, &args.y, lines);
    let svg = figure.svg().map_err(|error| bad_input(error.to_string()))?;
    pages::write(&args.out, &svg.alone())?;
    let shown = serde_json::json!({ "out": args.out });
    result(&args.report, &shown, || args.out.display().to_string())
}

fn line(series: &Series) -> Result<Line> {
    let points = (0..).zip(&series.paths).map(|(round, path)| {
        const BY: &str = "judge score --json";
        let kind: Kind = page(path, BY)?;
        let found = match kind.reward {
            Some(_) => page::<Score>(path, BY)?.reward.all,
            None => page::<MeanOnly>(path, BY)?,
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
