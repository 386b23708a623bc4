//! Estimates the memory of a training before it begins.

use crate::compute::Compute;
use crate::config::{Head, LlamaConfig};
use crate::model::Model;
use apo_kernels::{Precision, log_prob};

/// Bytes of a number: weights, gradients, moments and most activations are f32.
const F32: u64 = 4;

/// What a program holds besides: code, tokenizer, allocator.
const BASE: u64 = 96 << 20;

/// Memory of a training with the CPU's kernels, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Weights, gradients and both moments.
    pub parameters: u64,
    /// Activations that the backward pass needs, and temporary buffers.
    pub activations: u64,
    /// Tokens of the largest micro-batch.
    pub tokens: usize,
}

impl MemoryEstimate {
    fn new(
        config: &LlamaConfig,
        head: Head,
        compute: Compute,
        tokens: usize,
        summed: bool,
    ) -> Self {
        let copies = if summed { 5 } else { 4 };
        // The largest parameter also has a flat gradient and a new value for a
        // while.
        let largest = config.largest_parameter(head);
        let numbers = copies * config.n_parameters(head) + 2 * largest;
        let heads = config.num_attention_heads + 2 * config.num_key_value_heads;
        // What a layer's kernel saves: queries, keys and values, the attention
        // output, the residual, gate and up.
        let gate_up = 2 * config.intermediate_size;
        let saved = heads * config.head_dim
            + config.num_attention_heads * config.head_dim
            + config.hidden_size
            + gate_up;
        // Gate and up take half of it in bf16.
        let waiting = match compute.precision {
            Precision::F32 => saved,
            Precision::Bf16 => saved - gate_up / 2,
        };
        let layers = config.num_hidden_layers;
        let kept = layers * config.hidden_size
            + if compute.checkpointing {
                saved
            } else {
                layers * waiting
            };
        // One layer's gradients of these, and the operands of their products.
        let at_once = 2 * saved;
        let slices = match head {
            Head::LanguageModel => {
                2 * log_prob::rows_at_once(tokens, config.vocab_size) * config.vocab_size
            }
            Head::Reward => 0,
        };
        Self {
            parameters: F32 * numbers as u64,
            activations: F32 * (tokens * (kept + at_once) + slices) as u64,
            tokens,
        }
    }

    /// Returns the sum, with what a program holds besides.
    pub fn total(&self) -> u64 {
        self.parameters + self.activations + BASE
    }
}

impl Model {
    /// Estimates the memory of a training of the model whose largest
    /// micro-batch has `tokens`. `summed` says whether a step adds up the
    /// gradients of several micro-batches. Returns `None` on a device whose
    /// operators are Burn's own.
    pub fn memory_estimate(&self, tokens: usize, summed: bool) -> Option<MemoryEstimate> {
        let known = self.compute.runs_kernels_on(&self.device());
        let of = || MemoryEstimate::new(&self.config, self.head, self.compute, tokens, summed);
        known.then(of)
    }
}
