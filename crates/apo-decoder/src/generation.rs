//! Generation: many responses at once, with a cache of keys and values.
//!
//! A prompt is computed once and shared by its samples. Rows that end leave the
//! batch, and waiting samples take their place. Every sample has its own random
//! generator, so that it depends neither on the batch nor on the number of
//! threads, beyond rounding.

mod cached_decoder;
mod composed;
mod kernels;
mod sampler;

use std::collections::VecDeque;
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::error::ModelError;
use crate::inference::{InferenceModel, InferenceWeights};
use crate::machine::available_memory;
use crate::memory_estimate::bytes_per_response;
use cached_decoder::CachedDecoder;
pub use sampler::{Pick, Sampling};

/// Prompt tokens computed at once; further prompts wait for the next prefill.
const PREFILL_TOKENS: usize = 2048;

/// Most responses that are computed at once where memory decides how many. With more, a step
/// is bound by arithmetic and no longer by reading the weights.
const MAX_AUTO_BATCH: usize = 128;

/// Responses that are computed at once where nothing tells how many memory holds.
const DEFAULT_BATCH: usize = 32;

/// How responses are generated.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationConfig {
    /// How a token is chosen.
    pub sampling: Sampling,
    /// Most tokens of a response.
    pub max_new_tokens: usize,
    /// Rows computed at once.
    pub batch: usize,
    /// Token ids that end a response.
    pub stop_ids: Vec<u32>,
}

/// A prompt and the seeds of its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The caller's number, returned with each sample.
    pub number: usize,
    /// The prompt, at least one token.
    pub prompt: Vec<u32>,
    /// `(sample, seed)` of each response.
    pub samples: Vec<(usize, u64)>,
}

/// Why a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At a stop id, which is not among the tokens.
    Stop,
    /// At the most tokens.
    Length,
    /// The caller's test ended it, after the last token.
    Cut,
}

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The request's number.
    pub number: usize,
    /// The number of the sample.
    pub sample: usize,
    /// Its tokens, without the stop id.
    pub tokens: Vec<u32>,
    /// Tokens generated, with the stop id.
    pub n_generated: usize,
    /// Sum of their log-probs under the unchanged model (temperature 1, all
    /// tokens), nats.
    pub log_prob: f64,
    /// Why it ended.
    pub ended: Ended,
}

/// A sample that is being generated.
struct Running<R> {
    row: R,
    number: usize,
    sample: usize,
    rng: ChaCha8Rng,
    tokens: Vec<u32>,
    /// Ids of prompt and response for the repetition penalty, or empty without
    /// it.
    seen: Vec<u32>,
    log_prob: f64,
}

/// A sample whose prompt is computed and that waits for a place.
struct Waiting<P> {
    prompt: Arc<P>,
    logits: Arc<Vec<f32>>,
    seen: Arc<Vec<u32>>,
    number: usize,
    sample: usize,
    seed: u64,
}

impl InferenceModel {
    /// Returns how many responses to compute at once: as many as half of the available
    /// memory holds, and at most 128. On devices without the CPU's kernels, and where the
    /// free memory is unknown, it is 32.
    pub fn batch_that_fits(&self, prompt_tokens: usize, response_tokens: usize) -> usize {
        let (InferenceWeights::Kernels(_), Some(available)) = (&self.decoder.0, available_memory())
        else {
            return DEFAULT_BATCH;
        };
        let precision = self.compute.precision;
        let each = bytes_per_response(&self.config, precision, prompt_tokens, response_tokens);
        let fit = usize::try_from(available / 2 / each).unwrap_or(usize::MAX);
        fit.clamp(1, MAX_AUTO_BATCH)
    }

    /// Generates the samples of all requests and passes each to `done` when it
    /// ends; `cut` decides from a response's tokens so far whether it ends
    /// here.
    ///
    /// Requests are taken when places become free. An error of `done` stops the
    /// generation.
    ///
    /// # Errors
    ///
    /// When `done` fails, a prompt has a token beyond the vocabulary, or logits
    /// are not finite.
    pub fn generate<E: From<ModelError>>(
        &self,
        generation: &GenerationConfig,
        requests: impl IntoIterator<Item = Request>,
        cut: impl Fn(&[u32]) -> bool + Sync,
        done: impl FnMut(Generated) -> Result<(), E>,
    ) -> Result<(), E> {
        let requests = requests.into_iter();
        match &self.decoder.0 {
            InferenceWeights::Kernels(weights) => {
                let most = generation.max_new_tokens;
                let mut decoder = kernels::KernelDecoder::new(self, weights, most);
                run(self, &mut decoder, generation, requests, cut, done)
            }
            InferenceWeights::Composed(weights) => {
                let mut decoder = composed::ComposedDecoder::new(self, weights);
                run(self, &mut decoder, generation, requests, cut, done)
            }
        }
    }
}

fn run<D: CachedDecoder, E: From<ModelError>>(
    model: &InferenceModel,
    decoder: &mut D,
    generation: &GenerationConfig,
    mut requests: impl Iterator<Item = Request>,
    cut: impl Fn(&[u32]) -> bool + Sync,
    mut done: impl FnMut(Generated) -> Result<(), E>,
) -> Result<(), E> {
    let vocab = model.config.vocab_size;
    let mut waiting = VecDeque::new();
    let mut running: Vec<Running<D::Row>> = Vec::new();
    let mut logits = Vec::new();
    // The next request, if its prompt did not fit into the last prefill.
    let mut held: Option<Request> = None;
    loop {
        while running.len() < generation.batch {
            if waiting.is_empty() {
                let free = generation.batch - running.len();
                let asked = take(&mut requests, &mut held, free);
                if asked.is_empty() {
                    break;
                }
                for request in &asked {
                    model.check_ids(&request.prompt)?;
                }
                waiting = prefill(decoder, generation, &asked);
                continue;
            }
            let started: Vec<Running<D::Row>> = (running.len()..generation.batch)
                .map_while(|_| waiting.pop_front())
                .map(|waiting: Waiting<D::Prompt>| {
                    logits.extend_from_slice(&waiting.logits);
                    start(decoder, waiting)
                })
                .collect();
            let ended = choose(generation, vocab, &mut logits, started, &cut, &mut running)?;
            logits.clear();
            for generated in ended {
                done(generated)?;
            }
        }
        if running.is_empty() {
            return Ok(());
        }
        let last: Vec<u32> = running.iter().map(last_token).collect();
        let mut rows: Vec<&mut D::Row> = running.iter_mut().map(|one| &mut one.row).collect();
        decoder.step(&mut rows, &last, &mut logits);
        let going = std::mem::take(&mut running);
        let ended = choose(generation, vocab, &mut logits, going, &cut, &mut running)?;
        logits.clear();
        for generated in ended {
            done(generated)?;
        }
    }
}

fn last_token<R>(running: &Running<R>) -> u32 {
    *running
        .tokens
        .last()
        .expect("a running sample has a first token")
}

/// Takes requests for about `free` samples, within one prefill.
fn take(
    requests: &mut impl Iterator<Item = Request>,
    held: &mut Option<Request>,
    free: usize,
) -> Vec<Request> {
    let (mut samples, mut tokens) = (0, 0);
    let mut taken: Vec<Request> = Vec::new();
    while samples < free {
        let Some(request) = held.take().or_else(|| requests.next()) else {
            break;
        };
        if !taken.is_empty() && tokens + request.prompt.len() > PREFILL_TOKENS {
            *held = Some(request);
            break;
        }
        samples += request.samples.len();
        tokens += request.prompt.len();
        taken.push(request);
    }
    taken
}

fn prefill<D: CachedDecoder>(
    decoder: &D,
    generation: &GenerationConfig,
    requests: &[Request],
) -> VecDeque<Waiting<D::Prompt>> {
    let prompts: Vec<&[u32]> = requests.iter().map(|request| &*request.prompt).collect();
    let mut waiting = VecDeque::new();
    for (request, (prompt, logits)) in requests.iter().zip(decoder.prefill(&prompts)) {
        let (prompt, logits) = (Arc::new(prompt), Arc::new(logits));
        let seen = Arc::new(match generation.sampling.repetition_penalty {
            1.0 => Vec::new(),
            _ => request.prompt.clone(),
        });
        for &(sample, seed) in &request.samples {
            waiting.push_back(Waiting {
                prompt: Arc::clone(&prompt),
                logits: Arc::clone(&logits),
                seen: Arc::clone(&seen),
                number: request.number,
                sample,
                seed,
            });
        }
    }
    waiting
}

fn start<D: CachedDecoder>(decoder: &mut D, waiting: Waiting<D::Prompt>) -> Running<D::Row> {
    Running {
        row: decoder.row(&waiting.prompt),
        number: waiting.number,
        sample: waiting.sample,
        rng: ChaCha8Rng::seed_from_u64(waiting.seed),
        tokens: Vec::new(),
        seen: waiting.seen.to_vec(),
        log_prob: 0.0,
    }
}

/// Chooses each row's next token from its logits; adds rows that continue to
/// `running` and returns those that ended.
fn choose<R: Send>(
    generation: &GenerationConfig,
    vocab: usize,
    logits: &mut [f32],
    rows: Vec<Running<R>>,
    cut: &(impl Fn(&[u32]) -> bool + Sync),
    running: &mut Vec<Running<R>>,
) -> Result<Vec<Generated>, ModelError> {
    let chosen: Vec<(Running<R>, Result<_, ModelError>)> = rows
        .into_par_iter()
        .zip(logits.par_chunks_mut(vocab))
        .map(|(mut row, logits)| {
            let ended = advance(generation, &mut row, logits, cut);
            (row, ended)
        })
        .collect();
    let mut ended = Vec::new();
    for (row, how) in chosen {
        match how? {
            None => running.push(row),
            Some(how) => ended.push(Generated {
                number: row.number,
                sample: row.sample,
                n_generated: row.tokens.len() + usize::from(how == Ended::Stop),
                tokens: row.tokens,
                log_prob: row.log_prob,
                ended: how,
            }),
        }
    }
    Ok(ended)
}

fn advance<R>(
    generation: &GenerationConfig,
    row: &mut Running<R>,
    logits: &mut [f32],
    cut: &impl Fn(&[u32]) -> bool,
) -> Result<Option<Ended>, ModelError> {
    let draw: f64 = row.rng.random();
    let Pick { token, log_prob } = generation.sampling.pick(logits, &row.seen, draw);
    if !log_prob.is_finite() {
        return Err(ModelError::NotFinite {
            what: "the log-prob of a generated token".into(),
            found: log_prob,
        });
    }
    row.log_prob += f64::from(log_prob);
    if generation.stop_ids.contains(&token) {
        return Ok(Some(Ended::Stop));
    }
    row.tokens.push(token);
    if generation.sampling.repetition_penalty != 1.0 {
        row.seen.push(token);
    }
    if cut(&row.tokens) {
        return Ok(Some(Ended::Cut));
    }
    if row.tokens.len() == generation.max_new_tokens {
        return Ok(Some(Ended::Length));
    }
    Ok(None)
}
