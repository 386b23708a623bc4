//! `sample`: draws a policy's responses to queries.
//!
//! Finished responses are appended to a file; when all are finished, they
//! become the table, in the order of the queries.

mod args;
mod finished;
mod queries;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Error, Result};
use apo_dialogue::{DialogueTokenizer, generation_note};
use apo_llama::{Ended, Generated, Head, InferenceModel, Model, ModelError, Request, Start};
use apo_model_stage::memory::MiMalloc;
use apo_model_stage::models;
use apo_model_stage::models::Longest;
use apo_model_stage::rows::tokens;
use apo_stage::report::{format_table, result};
use apo_stage::{Claim, Output, OutputKind, Progress, note, signals, up_to_date, warn};
use apo_tables::{Finish, Query};
use clap::Parser as _;
use serde::Serialize;

use crate::args::{Args, seed_of};
use crate::finished::{Finished, Record};
use crate::queries::Queries;

/// Name of the table in the working folder.
const TABLE: &str = "responses.parquet";

// A training or decoding step frees and allocates the same large buffers again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    apo_model_stage::run("sample", || run(&args))
}

/// Runs the stage from queries to a table of responses.
///
/// # Errors
///
/// When the table or the model is malformed, or when the output cannot be
/// written.
fn run(args: &Args) -> Result<()> {
    let queries = Queries::check(args)?;
    let model = &args.model.dir;
    let (head, start) = (Head::LanguageModel, Start::Saved);
    let longest = Longest {
        tokens: args.prompt_limit.saturating_add(args.max_new_tokens),
        by: "--prompt-limit and --max-new-tokens make texts of up to",
    };
    let tokenizer = models::open_tokenizer(model, args.model.template, head, start, longest)?;
    if let Some(note) = generation_note(model)? {
        warn(&note);
    }
    let provenance = queries.provenance(args, &tokenizer)?;
    let out = &args.output.out;
    let claim = Output::claim(
        &args.output,
        &provenance,
        OutputKind::Table,
        [model.as_path(), &args.queries],
    )?;
    let Claim::Work(output) = claim else {
        return up_to_date(&args.report, out);
    };
    let device = args.compute.device()?;
    let compute = args.compute.compute(model, &device, &args.report)?;
    let model = Model::load(model, head, start, &device, compute)?.for_inference();
    let mut finished = Finished::open(output.dir())?;
    if finished.len() > 0 {
        let n = finished.len();
        note(
            &args.report,
            &format!("continuing: {n} responses are finished"),
        );
    }
    let summary = generate(args, &tokenizer, &model, &queries, &mut finished)?;
    finished.write_table(
        queries.rows()?,
        args.samples.into(),
        &output.dir().join(TABLE),
        &provenance,
    )?;
    output.publish(TABLE)?;
    result(&args.report, &summary, || format_table(&summary.rows()))
}

/// The result of the stage.
#[derive(Debug, Default, Serialize)]
struct Summary {
    responses: u64,
    stop: u64,
    length: u64,
    turn: u64,
    empty: u64,
    prompts_cut: u64,
    mean_tokens: f64,
    tokens_per_second: f64,
}

impl Summary {
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        vec![
            row("responses", self.responses.to_string()),
            row("  ended on their own", self.stop.to_string()),
            row("  cut by length", self.length.to_string()),
            row("  cut at a further turn", self.turn.to_string()),
            row("  empty", self.empty.to_string()),
            row("prompts cut", self.prompts_cut.to_string()),
            row("mean tokens", format!("{:.1}", self.mean_tokens)),
            row("tokens/s", format!("{:.0}", self.tokens_per_second)),
        ]
    }
}

/// Generates the responses that are still missing.
fn generate(
    args: &Args,
    tokenizer: &DialogueTokenizer,
    model: &InferenceModel,
    queries: &Queries,
    finished: &mut Finished,
) -> Result<Summary> {
    let total = queries.ids.len() as u64 * u64::from(args.samples);
    let mut progress = Progress::new(
        &args.report,
        "sampling",
        "responses",
        finished.len() as u64,
        total,
    );
    let there = finished.keys();
    // A request that fails ends the requests; the error is reported after the
    // samples that are under way.
    let mut failed: Option<Error> = None;
    let mut prompts_cut = 0;
    let requests = (0..).zip(queries.rows()?).map_while(|(number, query)| {
        match query.and_then(|query| request(args, tokenizer, number, &query, &there)) {
            Ok((request, cut)) => {
                prompts_cut += u64::from(cut);
                Some(request)
            }
            Err(error) => {
                failed = Some(error);
                None
            }
        }
    });
    let requests = requests.filter(|request| !request.samples.is_empty());
    let start = Instant::now();
    let mut n_tokens = 0;
    let done = |one: Generated| -> Result<(), Failure> {
        // A response that a signal cut short does not count.
        signals::check().map_err(Error::from)?;
        n_tokens += one.n_generated;
        finished.add(record(tokenizer, &queries.ids[one.number], &one)?)?;
        progress.inc(1);
        progress.message(format!(
            "{:.0} tokens/s",
            n_tokens as f64 / start.elapsed().as_secs_f64()
        ));
        Ok(())
    };
    let cut = |ids: &[u32]| signals::check().is_err() || tokenizer.ends_turn(ids);
    model
        .generate(&args.generation(tokenizer), requests, cut, done)
        .map_err(|failure| failure.0)?;
    if let Some(error) = failed {
        return Err(error);
    }
    let mut summary = finished.summary();
    summary.prompts_cut = prompts_cut;
    summary.tokens_per_second = n_tokens as f64 / start.elapsed().as_secs_f64();
    Ok(summary)
}

/// An error of the callback or of the model.
struct Failure(Error);

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// Makes the request for a query's missing samples; in a resumed run, none may be
/// missing. Also returns whether the prompt was truncated.
fn request(
    args: &Args,
    tokenizer: &DialogueTokenizer,
    number: usize,
    query: &Query,
    there: &HashSet<(String, i32)>,
) -> Result<(Request, bool)> {
    let missing = (0..i32::from(args.samples))
        .filter(|&sample| !there.contains(&(query.query_id.clone(), sample)));
    let samples: Vec<(usize, u64)> = missing
        .map(|sample| (sample as usize, seed_of(args.seed, &query.query_id, sample)))
        .collect();
    let keep = args.prompt_limit as usize;
    let ids = tokens(
        &args.queries,
        &query.query_id,
        tokenizer.encode_prompt(&query.prompt, keep),
    )?;
    let prompt = apo_dialogue::fit::fit_prompt(&ids, tokenizer.bos(), keep);
    let cut = prompt.len() < ids.len();
    let request = Request {
        number,
        prompt,
        samples,
    };
    Ok((request, cut))
}

fn record(tokenizer: &DialogueTokenizer, query_id: &str, one: &Generated) -> Result<Record> {
    let text = tokenizer.decode_response(&one.tokens)?;
    let finish = match one.ended {
        _ if text.is_empty() => Finish::Empty,
        Ended::Stop => Finish::Stop,
        Ended::Length => Finish::Length,
        Ended::Cut => Finish::Turn,
    };
    Ok(Record {
        query_id: query_id.to_owned(),
        sample: one.sample as i32,
        response: text,
        finish,
        tokens: one.n_generated as i32,
        log_prob: one.log_prob as f32,
    })
}
