//! Samples by a server: asks it for the responses, many at once.
//!
//! First every response is asked for, and each answer is in the journal before it counts.
//! Then the table is written from the journal, in the order of the queries. A run that was
//! stopped or killed thus asks only for what the journal lacks.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use apo_dialogue::DialogueTokenizer;
use apo_endpoint::{Causes, Choice, Endpoint, EndpointError, Outcome, TextRequest, at_once};
use apo_endpoint_stage::{Asked, check_journal, classify, open_online};
use apo_provenance::Provenance;
use apo_stage::{Output, Progress, bad_input, note, signals, warn};
use apo_tables::Query;

use crate::args::{Args, Served};
use crate::prompts::{prompt, seed_of};
use crate::queries::{Queries, as_written};
use crate::summary::{OfServer, Summary, Tally};
use crate::table::{self, Sampled};
use crate::texts::Texts;

/// Number of seeds that every server takes: those of a signed integer of 32 bits.
const N_SEEDS: u64 = 1 << 31;

/// Refuses a journal in the place of another file.
///
/// # Errors
///
/// When it is the output, is in its working folder, or is an input.
pub fn check(args: &Args, journal: &Path) -> Result<()> {
    if journal == args.output.out {
        return Err(bad_input(
            "--journal and --out are the same file; choose another place for the journal",
        ));
    }
    check_journal(&args.server.asking, [args.queries.as_path()])?;
    Output::check_outside(&args.output, "--journal", journal)
}

/// Asks the server for the responses, and writes the table into the working folder.
///
/// # Errors
///
/// When the server cannot be asked or does not do what it is asked for, when a response is
/// missing in the end, when a query cannot be read, when a signal arrives, or when the disk
/// is full.
pub fn sample(
    args: &Args,
    served: Served<'_>,
    tokenizer: &DialogueTokenizer,
    queries: &Queries,
    output: &Output,
    provenance: &Provenance,
) -> Result<Summary> {
    let endpoint = open_online(&args.server.asking, served.url, &args.output.out)?;
    let server = Server {
        args,
        tokenizer,
        texts: Texts::new(&args.model.dir, tokenizer)?,
        name: served.name,
        // A policy that was trained anew has the same name.
        weights: match &args.server.model_revision {
            None => provenance.inputs["model"].digest.clone(),
            Some(revision) => format!("{} {revision}", provenance.inputs["model"].digest),
        },
    };
    let start = Instant::now();
    server.ask_all(&endpoint, queries)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut tally = Tally::default();
    let mut prompts_cut = 0;
    table::write(output.dir(), provenance, queries.rows()?, |query| {
        let work = server.work(query)?;
        prompts_cut += u64::from(work.is_cut);
        let mut found = Vec::new();
        for request in &work.requests {
            let outcome = endpoint.recorded(request).map_err(classify)?;
            found.extend(server.sampled(&query.query_id, request, &outcome)?);
        }
        for it in &found {
            tally.add(it.finish, it.tokens, it.log_prob);
        }
        Ok(found)
    })?;
    let counts = endpoint.counts();
    let without_log_prob = tally.without_log_prob;
    let summary = Summary {
        prompts_cut,
        tokens_per_second: counts.completion_tokens as f64 / seconds,
        server: Some(OfServer {
            without_log_prob,
            asked: Asked::new(counts, None),
        }),
        ..tally.summary()
    };
    if without_log_prob > 0 {
        warn(&format!(
            "{without_log_prob} of {} responses have no `log_prob`: the server does not tell the \
             ids or log-probs of all their tokens",
            summary.responses
        ));
    }
    if without_log_prob < summary.responses && args.changes_probabilities() {
        warn(&format!(
            "each `log_prob` is the server's: that of the unchanged model, as vLLM and llama.cpp \
             tell it by default, or one after temperature, filters and penalty, as vLLM does with \
             --logprobs-mode processed_logprobs and did in its engine V0; `judge log-probs \
             --model {}` computes the model's own from the texts",
            args.model.dir.display()
        ));
    }
    Ok(summary)
}

/// What is asked of a server, and how its answers are read.
struct Server<'a> {
    args: &'a Args,
    tokenizer: &'a DialogueTokenizer,
    texts: Texts<'a>,
    /// The model's name at the server.
    name: String,
    /// The digest of the model, and its revision.
    weights: String,
}

/// What a query's samples take.
struct Work {
    requests: Vec<TextRequest>,
    /// Whether the prompt lost its beginning.
    is_cut: bool,
}

impl Server<'_> {
    /// Returns the requests for a query's samples. The seed of each is that of its first
    /// sample.
    fn work(&self, query: &Query) -> Result<Work> {
        let args = self.args;
        let prompt = prompt(args, self.tokenizer, query)?;
        let samples = i32::from(args.samples);
        let each = i32::from(args.server.samples_per_request);
        let request = |first: i32| TextRequest {
            model: self.name.clone(),
            weights: self.weights.clone(),
            prompt: prompt.ids.clone(),
            n: each.min(samples - first) as u32,
            max_tokens: args.max_new_tokens,
            choice: Choice {
                temperature: as_written(args.temperature),
                // A larger one keeps all of any vocabulary.
                top_k: u32::try_from(args.top_k)
                    .ok()
                    .filter(|k| (1..1 << 31).contains(k)),
                top_p: as_written(args.top_p),
                repetition_penalty: as_written(args.repetition_penalty),
            },
            seed: (seed_of(args.seed, &query.query_id, first) % N_SEEDS) as u32,
            stop: vec![apo_hh::HUMAN.to_owned()],
            stop_ids: self.tokenizer.stop_ids().to_vec(),
        };
        let requests = (0..samples).step_by(each as usize).map(request).collect();
        Ok(Work {
            requests,
            is_cut: prompt.is_cut,
        })
    }

    /// Returns each request for a query's samples, with the query's id.
    fn requests(&self, query: Result<Query>) -> Vec<Result<(String, TextRequest)>> {
        let work = query.and_then(|query| Ok((self.work(&query)?, query.query_id)));
        match work {
            Ok((work, query_id)) => work
                .requests
                .into_iter()
                .map(|request| Ok((query_id.clone(), request)))
                .collect(),
            Err(error) => vec![Err(error)],
        }
    }

    /// Asks for every response that the journal lacks, several at once. Afterwards all
    /// responses are in the journal.
    fn ask_all(&self, endpoint: &Endpoint, queries: &Queries) -> Result<()> {
        let args = self.args;
        let total = queries.ids.len() as u64 * u64::from(args.samples);
        let known = endpoint.journal().n_requests();
        let journal = endpoint.journal().path().display();
        note(
            &args.report,
            &format!("{total} responses; {journal} has {known} requests"),
        );
        let found = Mutex::new(Found {
            progress: Progress::new(&args.report, "asking", "responses", 0, total),
            failures: Causes::default(),
            lacking: 0,
        });
        let requests = queries.rows()?.flat_map(|query| self.requests(query));
        at_once(
            args.server.asking.requests.into(),
            requests,
            |(query_id, request)| {
                signals::check()?;
                let stops = || signals::check().is_err();
                let outcome = endpoint.ask(&request, &stops).map_err(with_hint)?;
                let mut lacking = 0;
                if let Outcome::Failed(_) = &outcome {
                    lacking = u64::from(request.n);
                } else {
                    self.sampled(&query_id, &request, &outcome)?;
                }
                let counts = endpoint.counts();
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.lacking += lacking;
                if let Outcome::Failed(failure) = &outcome {
                    found.failures.add_failure(failure);
                }
                if counts.requests > 0 {
                    let message = Asked::new(counts, None).message();
                    found.progress.set_message(message);
                }
                found.progress.inc(request.n.into());
                Ok(())
            },
        )?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((n, message)) = found.failures.commonest() {
            bail!(
                "{} of {total} responses are missing, and no table is written: {} requests \
                 failed, {n} of them with: {message}; the same command asks for these again, and \
                 for no others",
                found.lacking,
                found.failures.n()
            );
        }
        Ok(())
    }

    /// Returns the responses that an outcome holds.
    fn sampled(
        &self,
        query_id: &str,
        request: &TextRequest,
        outcome: &Outcome,
    ) -> Result<Vec<Sampled>> {
        let texts = match outcome {
            Outcome::Reply(reply) if reply.drawn.len() == request.n as usize => reply,
            _ => {
                return Err(bad_input(format!(
                    "the journal's line for query {query_id} does not hold the texts that were \
                     asked for; remove the line"
                )));
            }
        };
        let each = texts.drawn.iter().zip(texts.drawn_tokens());
        let found: Result<Vec<Sampled>> = each
            .map(|(drawn, n_tokens)| self.texts.sampled(drawn, n_tokens, request.max_tokens))
            .collect();
        found.with_context(|| format!("query {query_id}"))
    }
}

/// What was found so far.
struct Found {
    progress: Progress,
    failures: Causes,
    /// Responses that did not come.
    lacking: u64,
}

/// Turns an endpoint's error into the stage's, with what may be wrong where a server refuses
/// the kind of request.
fn with_hint(error: EndpointError) -> Error {
    let status = match &error {
        EndpointError::Refused { status, .. } => Some(*status),
        _ => None,
    };
    let hint = match status {
        Some(404 | 405 | 410) => {
            ", and that it takes prompts as token ids at /completions, as vLLM and llama.cpp's \
             server do"
        }
        Some(400 | 415 | 422 | 501) => {
            "; prompts are sent as token ids to /completions, with the options of vLLM and \
             llama.cpp's server: other servers may not take them"
        }
        _ => return classify(error),
    };
    anyhow!("{error}{hint}")
}
