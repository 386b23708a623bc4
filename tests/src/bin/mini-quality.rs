//! `mini-quality`: the mean true quality of a table of responses.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use apo_tables::{Reader, Response};
use apo_tests::quality;
use clap::Parser;

/// Measures the true quality of responses to the mini world's queries
///
/// The result is the mean over the table's rows, its standard error (of one
/// row: none), and the number of rows. What quality is stands in the
/// documentation of `apo_tests::quality`.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Responses, scored or not
    #[arg(long, value_name = "PARQUET")]
    responses: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, serde::Serialize)]
struct Summary {
    mean: f64,
    standard_error: Option<f64>,
    n: usize,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let summary = summarise(&qualities(&args.responses)?);
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&summary)?)?;
    } else {
        let error = summary
            .standard_error
            .map_or(String::new(), |it| format!(" ± {it:.4}"));
        writeln!(
            stdout,
            "true quality {:.4}{error} of {} responses",
            summary.mean, summary.n
        )?;
    }
    Ok(())
}

fn qualities(path: &Path) -> Result<Vec<f64>> {
    let reader = Reader::<Response>::open(path).context("cannot read responses")?;
    let mut qualities = Vec::new();
    for (row, response) in reader.enumerate() {
        let response = response?;
        let quality = quality(&response.prompt, &response.response).with_context(|| {
            format!(
                "{} row {row}: the prompt asks nothing of the mini world",
                path.display()
            )
        })?;
        qualities.push(quality);
    }
    ensure!(!qualities.is_empty(), "{} has no rows", path.display());
    Ok(qualities)
}

fn summarise(qualities: &[f64]) -> Summary {
    let n = qualities.len() as f64;
    let mean = qualities.iter().sum::<f64>() / n;
    let squares: f64 = qualities.iter().map(|it| (it - mean).powi(2)).sum();
    Summary {
        mean,
        standard_error: (qualities.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()),
        n: qualities.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_the_deviation_over_the_root_of_n() {
        // Deviations −½, 0, ½: variance ¼, over 3.
        let summary = summarise(&[0.0, 0.5, 1.0]);
        assert!((summary.mean - 0.5).abs() < 1e-12);
        assert!((summary.standard_error.unwrap() - (0.25_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(summarise(&[0.5]).standard_error, None);
    }
}
