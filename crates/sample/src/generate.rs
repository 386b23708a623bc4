//! Samples by the model itself: generates the missing responses, many at a time.

use std::collections::HashSet;
use std::time::Instant;

use anyhow::{Error, Result};
use apo_decoder::{
    Ended, Generated, GenerationConfig, Head, InferenceModel, Model, ModelError, Request, Sampling,
    Start,
};
use apo_dialogue::DialogueTokenizer;
use apo_model_stage::{precision, start_device};
use apo_provenance::Provenance;
use apo_stage::{Output, Progress, note, signals};
use apo_tables::{Finish, Query};

use crate::args::{Args, Batch};
use crate::finished::{Finished, Record};
use crate::prompts::{prompt, seed_of};
use crate::queries::Queries;
use crate::summary::Summary;
use crate::table;

/// Generates the responses, and writes the table into the working folder. Responses that an
/// earlier run finished are kept.
///
/// # Errors
///
/// When the model cannot be loaded, when the queries cannot be read, when the tokenizer or
/// the model fails, when a response cannot be written, or when a signal stopped the work.
pub fn generate(
    args: &Args,
    tokenizer: &DialogueTokenizer,
    queries: &Queries,
    output: &Output,
    provenance: &Provenance,
) -> Result<Summary> {
    let device = start_device(&args.compute, Some(output.dir()))?;
    let dir = &args.model.dir;
    let compute = precision::resolve(&args.compute, dir, &device, &args.report)?;
    let model = Model::load(dir, Head::LanguageModel, Start::Saved, &device, compute)?;
    let model = model.for_inference();
    let mut finished = Finished::open(output.dir())?;
    if finished.len() > 0 {
        let n = finished.len();
        note(
            &args.report,
            &format!("continuing: {n} responses are finished"),
        );
    }
    let summary = missing(args, tokenizer, &model, queries, &mut finished)?;
    table::write(output.dir(), provenance, queries.rows()?, |query| {
        let samples = 0..i32::from(args.samples);
        samples
            .map(|sample| finished.read(&query.query_id, sample))
            .collect()
    })?;
    Ok(summary)
}

/// Generates the responses that are still missing.
fn missing(
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
        progress.set_message(format!(
            "{:.0} tokens/s",
            n_tokens as f64 / start.elapsed().as_secs_f64()
        ));
        Ok(())
    };
    let cut = |ids: &[u32]| signals::check().is_err() || tokenizer.ends_turn(ids);
    model
        .generate(&generation(args, tokenizer, model), requests, cut, done)
        .map_err(|failure| failure.0)?;
    if let Some(error) = failed {
        return Err(error);
    }
    let mut summary = finished.summary();
    summary.prompts_cut = prompts_cut;
    summary.tokens_per_second = n_tokens as f64 / start.elapsed().as_secs_f64();
    Ok(summary)
}

/// Returns the settings of generation.
fn generation(
    args: &Args,
    tokenizer: &DialogueTokenizer,
    model: &InferenceModel,
) -> GenerationConfig {
    let (prompt, response) = (args.prompt_limit as usize, args.max_new_tokens as usize);
    GenerationConfig {
        sampling: Sampling {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            repetition_penalty: args.repetition_penalty,
        },
        max_new_tokens: response,
        batch: match args.batch {
            Batch::Auto => model.batch_that_fits(prompt, response),
            Batch::Of(rows) => rows.into(),
        },
        stop_ids: tokenizer.stop_ids().to_vec(),
    }
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
    let prompt = prompt(args, tokenizer, query)?;
    let request = Request {
        number,
        prompt: prompt.ids,
        samples,
    };
    Ok((request, prompt.is_cut))
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
