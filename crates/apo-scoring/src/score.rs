//! `judge score`: a reward for every response of a table.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_decoder::Head;
use apo_measures::{LikeLength, ScoreSummary, by_subset, correlation, gain, mean, repeats};
use apo_provenance::Provenance;
use apo_provenance::stage_names::JUDGE_SCORE;
use apo_stage::rows::check_scored;
use apo_stage::{
    Claim, Output, OutputKind, ReportArgs, ScoredAnswers, bad_input, format_table, note,
    print_result, warn,
};
use apo_tables::{Finish, Reader, Response, ScoredWriter};

use crate::args::ScoreArgs;
use crate::scorer::{Scorer, tokenizer};
use crate::values::{changed, compute, provenance};

/// Share of responses that end on their own below which a warning is given.
const FEW_ENDED: f64 = 0.5;

/// Share of repeated 3-grams above which a warning is given.
const MANY_REPEATS: f64 = 0.2;

/// Correlation of rewards with lengths beyond which a warning is given: a quarter of the
/// rewards' variance.
const MUCH_LENGTH: f64 = 0.5;

/// Name of the table in the working folder.
const TABLE: &str = "scored.parquet";

/// Scores a table and prints the mean reward.
///
/// # Errors
///
/// When the table or the model cannot be used, a reward is not finite, or the output
/// cannot be written.
pub fn run(args: &mut ScoreArgs) -> Result<()> {
    let ScoreArgs {
        values: args,
        against,
    } = args;
    let against = against.as_deref();
    let responses = Reader::<Response>::open_filled(&args.responses)?;
    responses.schema()?; // other columns are kept, so every part must have them
    args.scorer.model.fetch(&args.report)?;
    let args = &*args;
    let tokenizer = tokenizer(&args.scorer, Head::Reward)?;
    let provenance = provenance(JUDGE_SCORE, args, &responses, Head::Reward, &tokenizer)?;
    let others = against.map(|path| others(path, &args.responses, &provenance));
    let others = others.transpose()?;
    let out = &args.output.out;
    args.scorer.compute.keep_apart(&args.output)?;
    let inputs = [args.scorer.model.dir.as_path(), &args.responses];
    let inputs = inputs.into_iter().chain(against);
    let mut summary = match Output::claim(&args.output, &provenance, OutputKind::Table, inputs)? {
        Claim::UpToDate => {
            note(&args.report, &format!("{} is up to date", out.display()));
            summarise(out)?
        }
        Claim::Work(output) => {
            let mut scorer = Scorer::load(
                &args.scorer,
                &args.scorer.model.dir,
                Head::Reward,
                tokenizer,
                Some(output.dir()),
                args.report,
            )?;
            let rewards = compute(args, "scoring", responses, &mut scorer, output.dir())?;
            scorer.warn_of_cuts(args.report);
            let path = output.dir().join(TABLE);
            write(&args.responses, &rewards, &path, &provenance)?;
            // Before publishing: a table that cannot be read back must not get its name.
            let summary = summarise(&path)?;
            output.publish(TABLE)?;
            summary
        }
    };
    if let Some(others) = &others {
        summary.gain = gain(&ScoredAnswers::read(out)?.minus(others));
    }
    warn_of(&summary, args.report);
    print_result(&args.report, &summary, || format_table(&rows(&summary)))
}

/// Reads the scored answers of `--against`, which the rewards will be compared with.
///
/// # Errors
///
/// When the table cannot be read, another model scored it, or it answers none of the
/// queries.
fn others(path: &Path, responses: &Path, provenance: &Provenance) -> Result<ScoredAnswers> {
    let others = ScoredAnswers::read(path)?;
    let path = path.display();
    if !others.may_be_scored_by(&provenance.inputs["model"].digest) {
        return Err(bad_input(format!(
            "--against {path}: another reward model scored it; score both tables with one"
        )));
    }
    for response in Reader::<Response>::open(responses)? {
        if others.of_query.contains_key(&response?.query_id) {
            return Ok(others);
        }
    }
    Err(bad_input(format!(
        "--against {path}: it answers none of these queries"
    )))
}

/// Writes the table unchanged, with its rewards added.
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

/// A query's subset, and the sum and number of its rewards.
struct Query {
    subset: String,
    sum: f64,
    n: u32,
}

/// Computes the mean reward, and how responses end, of a scored table.
fn summarise(path: &Path) -> Result<ScoreSummary> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut queries: Vec<Query> = Vec::new();
    let (mut responses, mut ended) = (0, 0);
    let (mut tokens, mut with_tokens) = (0.0, 0);
    let mut repeated = Vec::new();
    let (mut rewards, mut lengths) = (Vec::new(), Vec::new());
    for (row, response) in Reader::<Response>::open_filled(path)?.enumerate() {
        let response = response?;
        let reward = check_scored(path, row, &response)?;
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
        rewards.push(f64::from(reward));
        lengths.push(response.response.chars().count() as f64);
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
    Ok(ScoreSummary {
        responses,
        reward: reward.context("a filled table has queries")?,
        mean_tokens: (with_tokens > 0).then(|| tokens / f64::from(with_tokens)),
        ended: ended as f64 / responses as f64,
        repeats: mean(&repeated).map(|it| it.mean),
        length_correlation: correlation(&rewards, &lengths),
        gain: None,
    })
}

/// Warns if the policy repeats itself or does not end its responses.
fn warn_of(summary: &ScoreSummary, report: ReportArgs) {
    if report.quiet {
        return;
    }
    let percent = |share: f64| 100.0 * share;
    if summary.ended < FEW_ENDED {
        warn(&format!(
            "only {:.1} % of the responses ended on their own; the others were cut off, and their \
             rewards cover only the text so far",
            percent(summary.ended)
        ));
    }
    if let Some(r) = summary.length_correlation.filter(|r| r.abs() > MUCH_LENGTH) {
        let what = if r > 0.0 { "longer" } else { "shorter" };
        warn(&format!(
            "{what} responses get higher rewards (correlation {r:.2}): what is learned from these \
             rewards may be length alone; `align --length-penalty` lowers rewards by length"
        ));
    }
    if let Some(repeats) = summary.repeats.filter(|it| *it > MANY_REPEATS) {
        warn(&format!(
            "{:.1} % of the responses' 3-grams are repeats; the policy may be stuck in loops",
            percent(repeats)
        ));
    }
}

fn rows(summary: &ScoreSummary) -> Vec<Vec<String>> {
    let heads = ["", "mean reward", "standard error", "queries"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let all = [("all", &summary.reward.all)];
    let parts = summary.reward.subsets.iter();
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
    let tokens = summary.mean_tokens;
    let tokens = tokens.map_or("-".to_owned(), |it| format!("{it:.1}"));
    rows.push(vec!["responses".to_owned(), summary.responses.to_string()]);
    rows.push(vec!["mean tokens".to_owned(), tokens]);
    rows.push(vec![
        "ended on their own".to_owned(),
        format!("{:.1} %", 100.0 * summary.ended),
    ]);
    let repeats = summary.repeats;
    rows.push(vec![
        "repeated 3-grams".to_owned(),
        repeats.map_or("-".to_owned(), |it| format!("{:.1} %", 100.0 * it)),
    ]);
    rows.push(vec![
        "correlation of reward and length".to_owned(),
        summary
            .length_correlation
            .map_or("-".to_owned(), |r| format!("{r:.2}")),
    ]);
    if let Some(gain) = &summary.gain {
        let error = gain.raw.standard_error;
        rows.push(vec![
            "higher than --against".to_owned(),
            format!("{:.4}", gain.raw.mean),
            error.map_or("-".to_owned(), |it| format!("{it:.4}")),
            gain.raw.n.to_string(),
        ]);
        let LikeLength { mean, interval } = gain.at_like_length;
        let mut row = vec!["  at like length".to_owned(), format!("{mean:.4}")];
        row.extend(interval.map(|[low, high]| format!("{low:.4} to {high:.4}")));
        rows.push(row);
    }
    rows
}
