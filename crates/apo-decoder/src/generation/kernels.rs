//! The decoder with a cache, by the CPU's kernels.

use std::sync::Arc;

use burn_flex::FlexTensor;

use super::cached_decoder::CachedDecoder;
use crate::config::ModelConfig;
use crate::inference::{InferenceModel, KernelModel};
use crate::kernel_ops::{layer_configs, slice};
use crate::rope::rotations;
use crate::tree::{PromptTree, TreeBatch};
use apo_kernels::LayerConfig;
use apo_kernels::cache::KeyValues;
use apo_kernels::decode::{self, RowCache};
use apo_kernels::matmul::{multiply_batch_invariant, multiply_packed};
use apo_kernels::matrix::{Matrix, MatrixMut, Sum};
use apo_kernels::norm::rms_norm;
use apo_kernels::weight_forms::Weight;

pub(super) struct KernelDecoder<'a> {
    config: &'a ModelConfig,
    decoder: &'a KernelModel,
    /// How each layer computes prompts.
    layers: Vec<LayerConfig>,
    /// How each layer computes steps: a row depends on no other.
    step_layers: Vec<LayerConfig>,
    norm: FlexTensor,
    max_new_tokens: usize,
}

/// A prompt's keys and values, by layer.
pub(super) struct Prompt {
    layers: Vec<KeyValues>,
    n_tokens: usize,
}

pub(super) struct Row {
    prompt: Arc<Prompt>,
    /// The row's own keys and values, by layer.
    layers: Vec<KeyValues>,
    n_tokens: usize,
}

impl<'a> KernelDecoder<'a> {
    pub(super) fn new(
        model: &'a InferenceModel,
        decoder: &'a KernelModel,
        max_new_tokens: usize,
    ) -> Self {
        let layers = layer_configs(&model.config, model.compute.precision);
        let step_layers = layers.iter().map(|layer| LayerConfig {
            batch_invariant: true,
            ..layer.clone()
        });
        Self {
            config: &model.config,
            decoder,
            step_layers: step_layers.collect(),
            layers,
            norm: decoder.norm(),
            max_new_tokens,
        }
    }

    /// Appends the logits of rows `[rows, hidden]` to `logits`.
    fn logits(&self, x: &[f32], logits: &mut Vec<f32>) {
        let (hidden, vocab) = (self.config.hidden_size, self.config.vocab_size);
        let n_rows = x.len() / hidden;
        let normed = rms_norm(x, slice(&self.norm), self.config.rms_norm_eps as f32);
        let start = logits.len();
        logits.resize(start + n_rows * vocab, 0.0);
        let out = MatrixMut::new(&mut logits[start..], n_rows, vocab);
        let normed = Matrix::new(&normed, n_rows, hidden);
        match self.decoder.language_head() {
            Weight::F32(head) => {
                let head = Matrix::new(head, vocab, hidden).transposed();
                multiply_batch_invariant(out, normed, head, Sum::Replace);
            }
            Weight::Packed(head) => multiply_packed(out, normed, head, Sum::Replace),
        }
    }
}

impl KernelDecoder<'_> {
    fn prefill_one(&self, prompt: &[u32]) -> (Prompt, Vec<f32>) {
        let batch = TreeBatch::new([&PromptTree {
            prompt: prompt.to_vec(),
            responses: Vec::new(),
        }]);
        let layout = batch.layout(self.config);
        let mut layers = Vec::with_capacity(self.decoder.layers().len());
        let x = self
            .decoder
            .forward(&self.layers, &layout, prompt, |projected| {
                layers.push(projected.keys_and_values(&self.layers[layers.len()]));
            });
        let mut logits = Vec::new();
        self.logits(&x[x.len() - self.config.hidden_size..], &mut logits);
        let n_tokens = prompt.len();
        (Prompt { layers, n_tokens }, logits)
    }
}

impl CachedDecoder for KernelDecoder<'_> {
    type Prompt = Prompt;
    type Row = Row;

    /// Computes each prompt by itself: the sums of a product depend on its
    /// number of rows, and a prompt's values must not depend on the other
    /// prompts.
    fn prefill(&self, prompts: &[&[u32]]) -> Vec<(Prompt, Vec<f32>)> {
        prompts
            .iter()
            .map(|prompt| self.prefill_one(prompt))
            .collect()
    }

    fn row(&mut self, prompt: &Arc<Prompt>) -> Row {
        let width = self.config.num_key_value_heads * self.config.head_dim;
        // Room for short responses; long ones grow by doubling.
        let room = self.max_new_tokens.min(64);
        let cache = |layer: &LayerConfig| KeyValues::with_capacity(width, layer.precision, room);
        Row {
            prompt: Arc::clone(prompt),
            layers: self.layers.iter().map(cache).collect(),
            n_tokens: 0,
        }
    }

    fn step(&mut self, rows: &mut [&mut Row], tokens: &[u32], logits: &mut Vec<f32>) {
        let positions = rows.iter().map(|row| row.prompt.n_tokens + row.n_tokens);
        let (cos, sin) = rotations(self.config, positions);
        let mut x = self.decoder.embed(tokens);
        for (i, weights) in self.decoder.layers().enumerate() {
            let mut caches: Vec<RowCache<'_>> = rows
                .iter_mut()
                .map(|row| RowCache {
                    prompt: &row.prompt.layers[i],
                    own: &mut row.layers[i],
                })
                .collect();
            x = decode::step(&self.step_layers[i], &weights, &x, &cos, &sin, &mut caches);
        }
        for row in rows {
            row.n_tokens += 1;
        }
        self.logits(&x, logits);
    }
}
