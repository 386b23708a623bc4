//! A model in memory: configuration, parameters, and how it computes.

use std::path::Path;

use burn::tensor::Device;

use crate::compute::Compute;
use crate::config::{Head, ModelConfig};
use crate::decoder::Decoder;
use crate::directory::{ModelDirectory, Start};
use crate::error::ModelError;
use crate::evaluate::Evaluate;
use crate::initializer::Initializer;
use crate::memory_estimate::{MemoryEstimate, MicroBatches, check_memory};
use crate::tree::TreeBatch;

/// A policy or a reward model, ready to compute: one that can be trained, or an
/// [`InferenceModel`](crate::InferenceModel).
#[derive(Debug)]
pub struct Model<L = Decoder> {
    /// Sizes and settings.
    pub config: ModelConfig,
    /// Which head it has.
    pub head: Head,
    /// Its parameters.
    pub decoder: L,
    /// How it computes.
    pub compute: Compute,
}

impl Model {
    /// Loads a model directory onto a device with or without autodiff.
    ///
    /// A new reward head is drawn from `N(0, 1 / (hidden + 1))`, as is usual
    /// since InstructGPT. The parameters of a model from scratch are drawn as
    /// `transformers` draws them: norms are 1, biases 0, the rest is
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
        let decoder = Decoder::new(&config, head, device, |name, shape| match &weights {
            Some(weights) if start == Start::Saved || name != "score.weight" => {
                weights.read_f32(name)
            }
            _ => Ok(drawn.draw(name, shape)),
        })?;
        Ok(Self {
            config,
            head,
            decoder,
            compute,
        })
    }

    /// Estimates the memory of a training of the model whose largest micro-batch has
    /// `tokens`. Returns `None` on a device whose operators are Burn's own.
    pub fn memory_estimate(
        &self,
        tokens: usize,
        micro_batches: MicroBatches,
    ) -> Option<MemoryEstimate> {
        let (config, head, compute) = (&self.config, self.head, self.compute);
        let known = compute.runs_kernels_on(&self.device());
        known.then(|| MemoryEstimate::new(config, head, compute, tokens, micro_batches))
    }
}

impl<L: Evaluate> Model<L> {
    /// Returns the device of the parameters.
    pub fn device(&self) -> Device {
        self.decoder.device()
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
        let rewards = self
            .decoder
            .reward_values(&self.config, self.compute, batch);
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
        let log_probs = self.decoder.log_prob_values(config, compute, batch);
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
