//! The memory of a model, of its training and of generation, before any of it is
//! allocated.

use std::path::Path;

use burn::tensor::Device;

use crate::compute::Compute;
use crate::config::{Head, ModelConfig};
use crate::device::has_kernels;
use crate::directory::Start;
use crate::error::ModelError;
use crate::machine;
use apo_kernels::{NormPlacement, Precision, log_prob};

/// Bytes of a number: weights, gradients, moments and most activations are f32.
const F32: u64 = 4;

/// What a program needs without a model: code, tokenizer, allocator.
const BASE: u64 = 96 << 20;

/// How many micro-batches a step of a training has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicroBatches {
    /// One, whose gradients are the step's.
    One,
    /// Several, whose gradients are added up.
    Several,
}

/// Returns the memory that generation with the CPU's kernels holds for each response, bytes:
/// keys and values of the response and of a prompt that no other shares, and logits.
pub(crate) fn bytes_per_response(
    config: &ModelConfig,
    precision: Precision,
    prompt_tokens: usize,
    response_tokens: usize,
) -> u64 {
    let number = match precision {
        Precision::F32 => F32,
        Precision::Bf16 => F32 / 2,
    };
    let width = config.num_key_value_heads * config.head_dim;
    let per_token = number * (2 * config.num_hidden_layers * width) as u64;
    // A response's memory doubles when it is full, and for a while the old one is there.
    let tokens = (prompt_tokens + 3 * response_tokens) as u64;
    tokens * per_token + F32 * config.vocab_size as u64
}

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
    /// Estimates the memory of a training whose largest micro-batch has `tokens`.
    pub(crate) fn new(
        config: &ModelConfig,
        head: Head,
        compute: Compute,
        tokens: usize,
        micro_batches: MicroBatches,
    ) -> Self {
        // Weights, gradients and two moments; and the sum of gradients.
        let copies = match micro_batches {
            MicroBatches::One => 4,
            MicroBatches::Several => 5,
        };
        // The largest parameter also has a flat gradient and a new value for a
        // while.
        let largest = config.largest_parameter(head);
        let numbers = copies * config.n_parameters(head) + 2 * largest;
        let heads = config.num_attention_heads + 2 * config.num_key_value_heads;
        // What a layer's kernel saves: queries, keys and values, the attention
        // output, the residual, gate and up; and what norms replace within a layer.
        let gate_up = 2 * config.intermediate_size;
        let normed_heads = match config.architecture.head_norms {
            Some(_) => config.num_attention_heads + config.num_key_value_heads,
            None => 0,
        };
        let outputs = match config.architecture.norms {
            NormPlacement::Input => 0,
            NormPlacement::Output => 2 * config.hidden_size,
        };
        let saved = (heads + normed_heads) * config.head_dim
            + config.num_attention_heads * config.head_dim
            + config.hidden_size
            + outputs
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

/// Checks that the machine can hold a model before any of it is allocated. A
/// model from scratch will be trained: each parameter also needs a gradient and
/// two moments.
pub(crate) fn check_memory(
    dir: &Path,
    config: &ModelConfig,
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
