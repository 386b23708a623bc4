//! A model in memory: configuration, parameters, and how it computes.

use std::path::Path;

use burn::tensor::Device;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::compute::Compute;
use crate::config::{Head, LlamaConfig};
use crate::decoder::Llama;
use crate::device::has_kernels;
use crate::directory::{ModelDirectory, Start};
use crate::error::ModelError;
use crate::machine;
use crate::network::Network;
use crate::tree::TreeBatch;

/// A policy or a reward model, ready to compute: one that can be trained, or an
/// [`InferenceModel`](crate::InferenceModel).
#[derive(Debug)]
pub struct Model<Weights = Llama> {
    /// Sizes and settings.
    pub config: LlamaConfig,
    /// Which head it has.
    pub head: Head,
    /// Its parameters.
    pub llama: Weights,
    /// How it computes.
    pub compute: Compute,
}

impl Model {
    /// Loads a model directory onto a device with or without autodiff.
    ///
    /// A new reward head is drawn from `N(0, 1 / (hidden + 1))`, as is usual
    /// since InstructGPT. The parameters of a model from scratch are drawn as
    /// `transformers` draws them: norms are 1, the rest is
    /// `N(0, initializer_range²)`.
    ///
    /// # Errors
    ///
    /// When the directory lacks a file or holds a model of another kind, when
    /// its config needs something unsupported, when the weights do not match
    /// the config, or when the model is larger than the machine's memory.
    pub fn load(
        dir: &Path,
        head: Head,
        start: Start,
        device: &Device,
        compute: Compute,
    ) -> Result<Self, ModelError> {
        compute.check(device)?;
        let directory = ModelDirectory::open(dir)?;
        let weights = directory.weights(head, start)?;
        let config = directory.config;
        check_memory(dir, &config, head, start, device)?;
        let mut drawn = Initializer::new(&config, start);
        if let Some(weights) = &weights
            && head == Head::LanguageModel
            && config.tie_word_embeddings
        {
            weights.check_tied()?;
        }
        let llama = Llama::new(&config, head, device, |name, shape| match &weights {
            Some(weights) if start == Start::Saved || name != "score.weight" => {
                weights.read_f32(name)
            }
            _ => Ok(drawn.draw(shape)),
        })?;
        Ok(Self {
            config,
            head,
            llama,
            compute,
        })
    }
}

impl<W: Network> Model<W> {
    /// Returns the device of the parameters.
    pub fn device(&self) -> Device {
        self.llama.device()
    }

    /// Checks that tokens are in the model's vocabulary.
    ///
    /// # Errors
    ///
    /// For the first id beyond the vocabulary.
    pub fn check_ids(&self, ids: &[u32]) -> Result<(), ModelError> {
        let beyond = |&&id: &&u32| id as usize >= self.config.vocab_size;
        match ids.iter().find(beyond) {
            None => Ok(()),
            Some(&id) => Err(ModelError::TokenBeyondVocabulary {
                id,
                vocab_size: self.config.vocab_size,
            }),
        }
    }

    /// Returns the reward of every response of a batch.
    ///
    /// # Shapes
    ///
    /// - result: `[response]`
    ///
    /// # Errors
    ///
    /// For a token beyond the vocabulary, or a reward that is not finite.
    pub fn rewards(&self, batch: &TreeBatch) -> Result<Vec<f32>, ModelError> {
        self.check_ids(batch.tokens())?;
        let rewards = self.llama.reward_values(&self.config, self.compute, batch);
        finite(rewards, "a reward")
    }

    /// Returns the log-prob of every response token of a batch, nats.
    ///
    /// # Shapes
    ///
    /// - result: `[response tokens]`, responses one after the other
    ///
    /// # Errors
    ///
    /// For a token beyond the vocabulary, or a log-prob that is not finite.
    pub fn token_log_probs(&self, batch: &TreeBatch) -> Result<Vec<f32>, ModelError> {
        self.check_ids(batch.tokens())?;
        let (config, compute) = (&self.config, self.compute);
        let log_probs = self.llama.log_prob_values(config, compute, batch);
        finite(log_probs, "a log-prob")
    }

    /// Returns the log-prob of every response of a batch, summed over its tokens in
    /// f64, nats.
    ///
    /// # Shapes
    ///
    /// - result: `[response]`
    ///
    /// # Errors
    ///
    /// As [`Self::token_log_probs`].
    pub fn log_probs(&self, batch: &TreeBatch) -> Result<Vec<f64>, ModelError> {
        let tokens = self.token_log_probs(batch)?;
        let mut rest = tokens.as_slice();
        let sums = batch.response_lengths().into_iter().map(|length| {
            let (response, after) = rest.split_at(length);
            rest = after;
            response.iter().map(|&x| f64::from(x)).sum()
        });
        Ok(sums.collect())
    }
}

fn finite(values: Vec<f32>, what: &'static str) -> Result<Vec<f32>, ModelError> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(values),
        Some(&found) => Err(ModelError::NotFinite {
            what: what.into(),
            found,
        }),
    }
}

/// Draws the parameters that are in no file.
struct Initializer {
    rng: ChaCha8Rng,
    deviation: f32,
}

impl Initializer {
    fn new(config: &LlamaConfig, start: Start) -> Self {
        let (seed, deviation) = match start {
            Start::Scratch(seed) => (seed, config.initializer_range as f32),
            Start::NewHead(seed) => (seed, 1.0 / ((config.hidden_size + 1) as f32).sqrt()),
            Start::Saved => (0, 0.0),
        };
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            deviation,
        }
    }

    fn draw(&mut self, shape: &[usize]) -> Vec<f32> {
        match shape {
            [n] => vec![1.0; *n],
            _ => normal(&mut self.rng, shape, self.deviation),
        }
    }
}

/// Checks that the machine can hold a model before any of it is allocated. A
/// model from scratch will be trained: each parameter also needs a gradient and
/// two moments.
fn check_memory(
    dir: &Path,
    config: &LlamaConfig,
    head: Head,
    start: Start,
    device: &Device,
) -> Result<(), ModelError> {
    let parameters = config.n_parameters(head) as u64;
    let is_scratch = matches!(start, Start::Scratch(_));
    let numbers = if has_kernels(device) {
        parameters * if is_scratch { 4 } else { 1 }
    } else {
        // Each parameter passes through the machine's memory on its way.
        config.largest_parameter(head) as u64
    };
    let needed = size_of::<f32>() as u64 * numbers;
    match machine::obtainable_memory() {
        Some(available) if available < needed => Err(ModelError::TooLarge {
            path: dir.join("config.json"),
            parameters,
            purpose: if is_scratch { " to be trained" } else { "" },
            needed,
            available,
        }),
        _ => Ok(()),
    }
}

/// Draws from `N(0, deviation²)` by the Box–Muller transform. Written here, it draws the
/// same values whatever version of a library is installed: a model from scratch is the
/// same for a seed.
fn normal(rng: &mut ChaCha8Rng, shape: &[usize], deviation: f32) -> Vec<f32> {
    let n: usize = shape.iter().product();
    let mut out = Vec::with_capacity(n + 1);
    while out.len() < n {
        let u: f64 = 1.0 - rng.random::<f64>(); // (0, 1]
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        let radius = (-2.0 * u.ln()).sqrt() * f64::from(deviation);
        out.push((radius * angle.cos()) as f32);
        out.push((radius * angle.sin()) as f32);
    }
    out.truncate(n);
    out
}
