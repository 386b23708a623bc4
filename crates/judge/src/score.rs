//! `judge score`: a reward for every response of a table.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Error, Result};
use apo_dialogue::Codec;
use apo_llama::{Head, directory};
use apo_measures::{BySubset, Mean, by_subset, mean, repeats};
use apo_model_stage::models;
use apo_model_stage::rows::check_scored;
use apo_stage::report::{columns, result};
use apo_stage::{Claim, Kind, Progress, bad_input, note, warn};
use apo_tables::{Finish, Provenance, Reader, Response, ScoredWriter};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::args::ScoreArgs;
use crate::scorer::{Asked, Scored, Scorer, codec};
use crate::values::Values;

/// Below this share of responses that end by themselves, a policy is warned of.
const FEW_ENDED: f64 = 0.5;

/// Above this share of repeated 3-grams, likewise.
const MANY_REPEATS: f64 = 0.2;

/// Name of the table in the working folder.
const TABLE: &str = "scored.parquet";

/// Scores a table, and tells the mean reward.
///
/// # Errors
///
/// When the table or the model is not what it should be, when a reward is not
/// finite, or when the output cannot be written.
pub fn run(args: &ScoreArgs) -> Result<()> {
    let responses = Reader::<Response>::open_filled(&args.responses)?;
    responses.schema()?; // further columns are kept: all parts must have them
    let codec = codec(&args.scorer, Head::Reward)?;
    let provenance = provenance("judge score", args, &responses, &codec)?;
    let out = &args.output.out;
    let inputs = [args.scorer.model.as_path(), &args.responses];
    let summary = match args.output.claim(&provenance, Kind::Table, inputs)? {
        Claim::UpToDate => {
            note(&args.report, &format!("{} is up to date", out.display()));
            Summary::of(out)?
        }
        Claim::Work(output) => {
            let mut scorer = Scorer::load(&args.scorer, &args.scorer.model, Head::Reward, codec)?;
            let mut rewards = Values::open(output.dir())?;
            compute(args, "scoring", responses, &mut scorer, &mut rewards)?;
            scorer.tell_cuts(args.report);
            let path = output.dir().join(TABLE);
            write(&args.responses, &rewards.into_vec(), &path, &provenance)?;
            // Before it is in its place: what cannot be read back is no output.
            let summary = Summary::of(&path)?;
            output.publish(TABLE)?;
            summary
        }
    };
    summary.warn(args);
    result(&args.report, &summary, || columns(&summary.rows()))
}

/// Returns what the output depends on.
///
/// # Errors
///
/// When an input cannot be read.
pub fn provenance(
    stage: &str,
    args: &ScoreArgs,
    responses: &Reader<Response>,
    codec: &Codec,
) -> Result<Provenance> {
    let provenance = Provenance::new(stage, env!("CARGO_PKG_VERSION"));
    Ok(models::rendering(provenance, codec)
        .argument("limit", args.scorer.limit)
        .argument("precision", args.scorer.compute.precision()?.name())
        .input("model", directory::input(&args.scorer.model)?)
        .input("responses", responses.input()?))
}

/// Computes the values that are not there yet.
///
/// # Errors
///
/// When a row is not what it should be, a value is not finite, the disk is full,
/// or a signal stopped the work.
pub fn compute(
    args: &ScoreArgs,
    what: &str,
    responses: Reader<Response>,
    scorer: &mut Scorer,
    values: &mut Values,
) -> Result<()> {
    let there = values.len();
    let total = responses.n_rows();
    let mut progress = Progress::new(&args.report, what, "responses", there as u64, total);
    let mut keep = |found: Vec<Scored>| -> Result<()> {
        progress.inc(found.len() as u64);
        values.add(found.iter().map(|it| it.value).collect())?;
        Ok(())
    };
    for (row, response) in (0..).zip(responses) {
        let response = response?;
        let asked = Asked::of(&args.responses, &response);
        if row < there {
            scorer.fit(&asked)?;
        } else {
            keep(scorer.add(&asked)?)?;
        }
    }
    keep(scorer.flush()?)
}

/// The error of a table that has other rows than when its values were computed.
pub fn changed(responses: &Path) -> Error {
    bad_input(format!(
        "{} has changed while it was read",
        responses.display()
    ))
}

/// Writes the table as it came, with its rewards.
fn write(responses: &Path, rewards: &[f32], path: &Path, provenance: &Provenance) -> Result<()> {
    let reader = Reader::<Response>::open(responses)?;
    let mut writer = ScoredWriter::create(path, &*reader.schema()?, provenance)?;
    let mut rest = rewards;
    for batch in reader.batches() {
        let batch = batch?;
        let (these, after) = rest
            .split_at_checked(batch.rows.len())
            .ok_or_else(|| changed(responses))?;
        writer.write(&batch, these)?;
        rest = after;
    }
    if !rest.is_empty() {
        return Err(changed(responses));
    }
    writer.finish()?;
    Ok(())
}

/// What a scored table says about who wrote it.
///
/// Means and errors are over queries: a query's samples count as one.
#[derive(Debug, Serialize)]
struct Summary {
    responses: u64,
    reward: BySubset<Mean>,
    /// Mean tokens of a response, end of text included; of those that say.
    mean_tokens: Option<f64>,
    /// Share of responses that ended by themselves.
    ended: f64,
    /// Mean share of a response's 3-grams that it said before; of those that
    /// have three words.
    repeats: Option<f64>,
}

/// What a later command reads of it.
#[derive(Debug, Deserialize)]
pub struct Score {
    pub reward: All,
    pub mean_tokens: Option<f64>,
    pub ended: Option<f64>,
    pub repeats: Option<f64>,
}

/// A measure over all rows.
#[derive(Debug, Deserialize)]
pub struct All {
    pub all: MeanOnly,
}

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct MeanOnly {
    pub mean: f64,
    #[serde(default, deserialize_with = "not_negative")]
    pub standard_error: Option<f64>,
}

fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let found = Option::<f64>::deserialize(deserializer)?;
    if let Some(error) = found.filter(|it| *it < 0.0) {
        let problem = format!("`standard_error` is {error}, expected none below 0");
        return Err(D::Error::custom(problem));
    }
    Ok(found)
}

/// A query's subset, and the sum and number of its rewards.
struct Query {
    subset: String,
    sum: f64,
    n: u32,
}

impl Summary {
    /// Reads a scored table.
    fn of(path: &Path) -> Result<Self> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut queries: Vec<Query> = Vec::new();
        let (mut responses, mut ended) = (0, 0);
        let (mut tokens, mut with_tokens) = (0.0, 0);
        let mut repeated = Vec::new();
        for (row, response) in Reader::<Response>::open_filled(path)?.enumerate() {
            let response = response?;
            check_scored(path, row, &response)?;
            let reward = response.reward.unwrap_or_default();
            let number = *numbers.entry(response.query_id).or_insert_with(|| {
                queries.push(Query {
                    subset: response.subset,
                    sum: 0.0,
                    n: 0,
                });
                queries.len() - 1
            });
            queries[number].sum += f64::from(reward);
            queries[number].n += 1;
            responses += 1;
            repeated.extend(repeats(&response.response));
            ended += u64::from(response.finish == Finish::Stop);
            if let Some(n) = response.tokens {
                tokens += f64::from(n);
                with_tokens += 1;
            }
        }
        let subsets: Vec<&str> = queries.iter().map(|it| it.subset.as_str()).collect();
        let reward = by_subset(&subsets, |rows| {
            let of = |&row: &usize| queries[row].sum / f64::from(queries[row].n);
            mean(&rows.iter().map(of).collect::<Vec<_>>())
        });
        Ok(Self {
            responses,
            reward: reward.context("a filled table has queries")?,
            mean_tokens: (with_tokens > 0).then(|| tokens / f64::from(with_tokens)),
            ended: ended as f64 / responses as f64,
            repeats: mean(&repeated).map(|it| it.mean),
        })
    }

    /// Warns of a policy that falls into loops, or does not come to an end.
    fn warn(&self, args: &ScoreArgs) {
        if args.report.quiet {
            return;
        }
        let percent = |share: f64| 100.0 * share;
        if self.ended < FEW_ENDED {
            warn(&format!(
                "only {:.1} % of the responses ended by themselves; the others are cut short, and \
                 their rewards are of what was cut",
                percent(self.ended)
            ));
        }
        if let Some(repeats) = self.repeats.filter(|it| *it > MANY_REPEATS) {
            warn(&format!(
                "{:.1} % of the responses' 3-grams are repeats: the policy may be in loops",
                percent(repeats)
            ));
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let heads = ["", "mean reward", "standard error", "queries"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        let all = [("all", &self.reward.all)];
        let parts = self.reward.subsets.iter();
        for (name, mean) in all
            .into_iter()
            .chain(parts.map(|(name, it)| (name.as_str(), it)))
        {
            let error = mean.standard_error;
            rows.push(vec![
                name.to_owned(),
                format!("{:.4}", mean.mean),
                error.map_or("-".to_owned(), |it| format!("{it:.4}")),
                mean.n.to_string(),
            ]);
        }
        let tokens = self.mean_tokens;
        let tokens = tokens.map_or("-".to_owned(), |it| format!("{it:.1}"));
        rows.push(vec!["responses".to_owned(), self.responses.to_string()]);
        rows.push(vec!["mean tokens".to_owned(), tokens]);
        rows.push(vec![
            "ended by themselves".to_owned(),
            format!("{:.1} %", 100.0 * self.ended),
        ]);
        let repeats = self.repeats;
        rows.push(vec![
            "repeated 3-grams".to_owned(),
            repeats.map_or("-".to_owned(), |it| format!("{:.1} %", 100.0 * it)),
        ]);
        rows
    }
}
