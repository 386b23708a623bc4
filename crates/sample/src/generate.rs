//! Generates the missing responses, many at a time.

use std::collections::HashSet;
use std::time::Instant;

use anyhow::{Error, Result};
use apo_dialogue::{DialogueTokenizer, fit_prompt};
use apo_llama::{
    Ended, Generated, GenerationConfig, InferenceModel, ModelError, Request, Sampling,
};
use apo_model_stage::rows::with_row;
use apo_provenance::short_digest;
use apo_stage::{Progress, signals};
use apo_tables::{Finish, Query};

use crate::args::{Args, Batch};
use crate::finished::{Finished, Record};
use crate::queries::Queries;
use crate::summary::Summary;

/// Generates the responses that are still missing.
///
/// # Errors
///
/// When the queries cannot be read, when the tokenizer or the model fails, when a
/// response cannot be written, or when a signal stopped the work.
pub fn generate(
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
    let keep = args.prompt_limit as usize;
    let ids = with_row(
        &args.queries,
        &query.query_id,
        tokenizer.encode_prompt(&query.prompt, keep),
    )?;
    let prompt = fit_prompt(&ids, tokenizer.bos(), keep);
    let cut = prompt.len() < ids.len();
    let request = Request {
        number,
        prompt,
        samples,
    };
    Ok((request, cut))
}

/// Returns the seed of one sample of one query.
fn seed_of(seed: u64, query_id: &str, sample: i32) -> u64 {
    short_digest(&[
        &seed.to_le_bytes(),
        &sample.to_le_bytes(),
        query_id.as_bytes(),
    ])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_a_seed_of_its_own() {
        let seeds: HashSet<u64> = (0..2)
            .flat_map(|seed| ["a", "b"].map(|id| (seed, id)))
            .flat_map(|(seed, id)| (0..4).map(move |sample| seed_of(seed, id, sample)))
            .collect();
        assert_eq!(seeds.len(), 16);
    }
}
