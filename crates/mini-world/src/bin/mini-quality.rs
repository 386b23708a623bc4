//! `mini-quality`: measures the true quality of a table of responses, and relabels
//! human preferences by it.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use apo_provenance::Provenance;
use apo_tables::{Finish, Pair, Reader, Response, Writer};
use clap::{ArgGroup, Parser};
use mini_world::quality;

/// Measure the true quality of responses to the mini world's queries
///
/// Prints the mean over the table's rows, its standard error (none for one row) and the
/// number of rows. The documentation of `mini_world::quality` defines quality.
///
/// With --pairs, writes preferences by true quality: the truly better response of each
/// pair becomes the chosen one, and pairs of equal quality are left out. With --ceiling, it
/// prints the highest accuracy that a reward model can be expected to have on the pairs as
/// they are, since annotators err.
#[derive(Debug, Parser)]
#[command(version)]
#[command(group(ArgGroup::new("table").required(true).args(["responses", "pairs"])))]
struct Args {
    /// Responses to measure, a `responses` table
    #[arg(long, value_name = "PARQUET")]
    responses: Option<PathBuf>,
    /// Measure only the response with the highest reward of each query: the one that the
    /// reward model likes best
    #[arg(long, requires = "responses")]
    best: bool,
    /// Preferences to relabel by true quality, a `pairs` table
    #[arg(long, value_name = "PARQUET")]
    pairs: Option<PathBuf>,
    /// Print the highest accuracy that a reward model can be expected to have on --pairs
    #[arg(long, requires = "pairs")]
    ceiling: bool,
    /// The table to write the relabelled preferences to
    #[arg(long, value_name = "PARQUET", requires = "pairs", conflicts_with = "ceiling",
          required_unless_present_any = ["responses", "ceiling"])]
    out: Option<PathBuf>,
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
    if let (Some(pairs), Some(out)) = (&args.pairs, &args.out) {
        return put_right(pairs, out);
    }
    if let Some(pairs) = &args.pairs {
        return show_ceiling(pairs, args.json);
    }
    let responses = args.responses.as_ref();
    let responses = responses.context("clap asks for one of the two")?;
    let summary = summarise(&qualities(responses, args.best)?);
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

/// Writes the pairs with the truly better response as the chosen one.
fn put_right(pairs: &Path, out: &Path) -> Result<()> {
    let reader = Reader::<Pair>::open(pairs).context("cannot read pairs")?;
    let provenance =
        Provenance::new("mini-quality", env!("CARGO_PKG_VERSION")).input("pairs", reader.input()?);
    let beside = out.with_extension("parquet.new");
    let mut writer = Writer::create(&beside, &provenance)?;
    for (row, pair) in reader.enumerate() {
        let mut pair = pair?;
        let chosen = quality_of(pairs, row, &pair.prompt, &pair.chosen)?;
        let rejected = quality_of(pairs, row, &pair.prompt, &pair.rejected)?;
        if chosen == rejected {
            continue;
        }
        if chosen < rejected {
            std::mem::swap(&mut pair.chosen, &mut pair.rejected);
            pair.pair_id = apo_hh::pair_id(&pair.prompt, &pair.chosen, &pair.rejected);
        }
        writer.write(&pair)?;
    }
    writer.finish()?;
    fs::rename(&beside, out).with_context(|| format!("cannot write {}", out.display()))
}

/// Prints the mean ceiling of the pairs.
fn show_ceiling(pairs: &Path, json: bool) -> Result<()> {
    let reader = Reader::<Pair>::open(pairs).context("cannot read pairs")?;
    let (mut sum, mut n) = (0.0, 0);
    for (row, pair) in reader.enumerate() {
        let pair = pair?;
        let of_pair = mini_world::ceiling(&pair.prompt, &pair.chosen, &pair.rejected);
        sum += of_pair.with_context(|| foreign(pairs, row))?;
        n += 1;
    }
    ensure!(n > 0, "{} has no rows", pairs.display());
    let ceiling = sum / f64::from(n);
    let mut stdout = std::io::stdout().lock();
    if json {
        let source = format!("the annotators of {n} pairs");
        let summary = serde_json::json!({ "ceiling": ceiling, "source": source });
        writeln!(stdout, "{summary}")?;
    } else {
        writeln!(stdout, "ceiling {:.1} % of {n} pairs", 100.0 * ceiling)?;
    }
    Ok(())
}

fn foreign(path: &Path, row: usize) -> String {
    format!(
        "{} row {row}: the prompt asks nothing of the mini world",
        path.display()
    )
}

fn quality_of(path: &Path, row: usize, prompt: &str, response: &str) -> Result<f64> {
    quality(prompt, response).with_context(|| foreign(path, row))
}

/// Returns the quality of every response, or of each query's best by reward.
fn qualities(path: &Path, best: bool) -> Result<Vec<f64>> {
    let reader = Reader::<Response>::open(path).context("cannot read responses")?;
    let mut qualities = Vec::new();
    // A query's highest reward so far, and the index of its quality.
    let mut highest: HashMap<String, (f32, usize)> = HashMap::new();
    for (row, response) in reader.enumerate() {
        let response = response?;
        let quality = quality_of(path, row, &response.prompt, &response.response)?;
        if !best {
            qualities.push(quality);
            continue;
        }
        let Some(reward) = response.reward else {
            bail!("{} row {row}: `reward` is null", path.display());
        };
        if response.finish == Finish::Empty {
            continue;
        }
        let next = qualities.len();
        let (top, at) = highest
            .entry(response.query_id)
            .or_insert((f32::NEG_INFINITY, next));
        if *at == qualities.len() {
            qualities.push(quality);
        }
        if reward > *top {
            (*top, qualities[*at]) = (reward, quality);
        }
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
