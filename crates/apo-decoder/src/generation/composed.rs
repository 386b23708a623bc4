//! The decoder with a cache, composed of Burn's own operators, for every device.

use std::sync::Arc;

use burn::tensor::{Bool, Device, Tensor, TensorData};

use apo_kernels::Precision;

use super::cached_decoder::CachedDecoder;
use crate::composed::{self, ComposedPlan, Qkv, integers};
use crate::config::ModelConfig;
use crate::decoder::Decoder;
use crate::evaluate::values;
use crate::inference::InferenceModel;
use crate::matmul::cast_operand;
use crate::rope::{both_halves, rotations};
use crate::tree::{PromptTree, TreeBatch};

pub(super) struct ComposedDecoder<'a> {
    config: &'a ModelConfig,
    decoder: &'a Decoder,
    precision: Precision,
    device: Device,
    /// The rows of the last step.
    stack: Vec<StackRow>,
    /// Their keys and values by layer, `[rows, kv_heads, room, head_dim]`. Rows
    /// are aligned at their end, `time`: shorter ones have zeros in front.
    /// After `time` there is room for new tokens.
    layers: Vec<(Tensor<4>, Tensor<4>)>,
    time: usize,
    next_id: u64,
}

/// A row of the stack.
#[derive(Clone, Copy)]
struct StackRow {
    id: u64,
    n_tokens: usize,
}

/// A prompt's keys and values, `[1, kv_heads, tokens, head_dim]`, by layer.
pub(super) struct Prompt {
    layers: Vec<(Tensor<4>, Tensor<4>)>,
    n_tokens: usize,
}

pub(super) struct Row {
    prompt: Arc<Prompt>,
    id: u64,
}

/// Tokens for which room is made at once.
const ROOM: usize = 64;

/// Returns zeros like `x` `[rows, kv_heads, time, head_dim]` but with another
/// time.
fn zeros_like(x: &Tensor<4>, time: usize) -> Tensor<4> {
    let [rows, heads, _, head_dim] = x.dims();
    Tensor::zeros([rows, heads, time, head_dim], (&x.device(), x.dtype()))
}

/// Pads `[rows, kv_heads, time, head_dim]` with zeros in front, up to `time`.
fn padded(x: Tensor<4>, time: usize) -> Tensor<4> {
    let [_, _, found, _] = x.dims();
    if found >= time {
        return x;
    }
    let zeros = zeros_like(&x, time - found);
    Tensor::cat(vec![zeros, x], 2)
}

impl<'a> ComposedDecoder<'a> {
    pub(super) fn new(model: &'a InferenceModel, decoder: &'a Decoder) -> Self {
        Self {
            config: &model.config,
            decoder,
            precision: model.compute.precision,
            device: model.device(),
            stack: Vec::new(),
            layers: Vec::new(),
            time: 0,
            next_id: 0,
        }
    }

    fn logits(&self, x: Tensor<2>) -> Vec<f32> {
        let normed = self.decoder.last_norm(x, self.config);
        values(composed::logits(
            normed,
            self.decoder.language_head(),
            self.precision,
        ))
    }

    /// Makes the stack hold exactly `rows`: removes those that ended, and
    /// appends new ones with their prompts.
    fn restack(&mut self, rows: &[&mut Row]) {
        let kept: Vec<usize> = (0..self.stack.len())
            .filter(|&i| rows.iter().any(|row| row.id == self.stack[i].id))
            .collect();
        let new = &rows[kept.len()..];
        if kept.len() == self.stack.len() && new.is_empty() {
            return;
        }
        self.stack = kept.iter().map(|&i| self.stack[i]).collect();
        self.stack.extend(new.iter().map(|row| StackRow {
            id: row.id,
            n_tokens: row.prompt.n_tokens,
        }));
        let time = self.stack.iter().map(|row| row.n_tokens).max().unwrap_or(0);
        let found = std::mem::replace(&mut self.time, time);
        let index = integers(&kept, &self.device);
        let old = std::mem::take(&mut self.layers);
        let n_layers = self.config.num_hidden_layers;
        self.layers = (0..n_layers)
            .map(|layer| {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                if !kept.is_empty() {
                    // If the longest row has left, its part of the front goes.
                    let excess = found.saturating_sub(time);
                    let keep = |x: &Tensor<4>| {
                        let x = x.clone().select(0, index.clone());
                        padded(x.narrow(2, excess, found - excess), time)
                    };
                    keys.push(keep(&old[layer].0));
                    values.push(keep(&old[layer].1));
                }
                for row in new {
                    let (key, value) = row.prompt.layers[layer].clone();
                    keys.push(padded(key, time));
                    values.push(padded(value, time));
                }
                (Tensor::cat(keys, 0), Tensor::cat(values, 0))
            })
            .collect();
    }

    /// Makes room for another token.
    fn make_room(&mut self) {
        let room = self.layers.first().map_or(0, |(key, _)| key.dims()[2]);
        if self.time < room {
            return;
        }
        let grown = |x: Tensor<4>| {
            let zeros = zeros_like(&x, ROOM);
            Tensor::cat(vec![x, zeros], 2)
        };
        let layers = std::mem::take(&mut self.layers).into_iter();
        self.layers = layers
            .map(|(key, value)| (grown(key), grown(value)))
            .collect();
    }

    /// Returns true where a key is not a token of a row, `[rows, 1, 1, room]`.
    fn masked(&self, room: usize) -> Tensor<4, Bool> {
        let masked: Vec<bool> = self
            .stack
            .iter()
            .flat_map(|row| {
                let tokens = self.time - row.n_tokens..self.time;
                (0..room).map(move |at| !tokens.contains(&at))
            })
            .collect();
        let shape = [self.stack.len(), 1, 1, room];
        Tensor::from_data(TensorData::new(masked, shape), &self.device)
    }
}

impl CachedDecoder for ComposedDecoder<'_> {
    type Prompt = Prompt;
    type Row = Row;

    fn prefill(&self, prompts: &[&[u32]]) -> Vec<(Prompt, Vec<f32>)> {
        let config = self.config;
        let mut batch = TreeBatch::default();
        for prompt in prompts {
            batch.push(&PromptTree {
                prompt: prompt.to_vec(),
                responses: Vec::new(),
            });
        }
        let layout = batch.layout(config);
        let precision = self.precision;
        let plan = ComposedPlan::new(&layout, config, precision, &self.device);
        let mut computed: Vec<Prompt> = prompts
            .iter()
            .map(|prompt| Prompt {
                layers: Vec::new(),
                n_tokens: prompt.len(),
            })
            .collect();
        let x = self.decoder.embed(batch.tokens());
        let x = self.decoder.through_layers(x, |layer, x, weights| {
            let (out, key, value) = plan.decoder_layer_with_keys_and_values(x, &weights, layer);
            let (key, value) = (cast_operand(key, precision), cast_operand(value, precision));
            for (prompt, rows) in computed.iter_mut().zip(&layout.trees) {
                let part = |x: &Tensor<3>| {
                    let x = x.clone().narrow(0, rows.start, rows.len());
                    x.swap_dims(0, 1).unsqueeze()
                };
                prompt.layers.push((part(&key), part(&value)));
            }
            out
        });
        let last: Vec<usize> = layout.trees.iter().map(|rows| rows.end - 1).collect();
        let logits = self.logits(x.select(0, integers(&last, &self.device)));
        let logits = logits.chunks_exact(config.vocab_size).map(<[f32]>::to_vec);
        computed.into_iter().zip(logits).collect()
    }

    fn row(&mut self, prompt: &Arc<Prompt>) -> Row {
        self.next_id += 1;
        Row {
            prompt: Arc::clone(prompt),
            id: self.next_id,
        }
    }

    fn step(&mut self, rows: &mut [&mut Row], tokens: &[u32], logits: &mut Vec<f32>) {
        self.restack(rows);
        self.make_room();
        let config = self.config;
        let precision = self.precision;
        let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
        let n_rows = self.stack.len();
        let positions = self.stack.iter().map(|row| row.n_tokens);
        let (cos, sin) = rotations(config, positions);
        let cos = both_halves(&cos, config, &self.device);
        let sin = both_halves(&sin, config, &self.device);
        let at = self.time;
        self.time += 1;
        for row in &mut self.stack {
            row.n_tokens += 1;
        }
        let [_, _, room, _] = self.layers[0].0.dims();
        let masked = self.masked(room);
        let mut x = self.decoder.embed(tokens);
        // Burn changes a tensor in place if nothing else holds it.
        let layers = std::mem::take(&mut self.layers);
        let modules = self.decoder.model.layers.iter();
        for (layer, (module, (keys, values))) in modules.zip(layers).enumerate() {
            let weights = module.weights();
            let rotation = [&cos, &sin];
            let Qkv { query, key, value } =
                composed::project(x.clone(), &weights, config, layer, rotation, precision);
            let with = |all: Tensor<4>, new: Tensor<3>| {
                let new = new.reshape([n_rows, kv_heads, 1, config.head_dim]);
                let place = [0..n_rows, 0..kv_heads, at..at + 1, 0..config.head_dim];
                all.slice_assign(place, cast_operand(new, precision))
            };
            let (keys, values) = (with(keys, key), with(values, value));
            let attended = composed::attend(
                query.reshape([n_rows, heads, 1, config.head_dim]),
                keys.clone(),
                values.clone(),
                &masked,
                precision,
            );
            self.layers.push((keys, values));
            let attended = attended.reshape([n_rows, heads * config.head_dim]);
            x = composed::finish(x, attended, &weights, config, precision);
        }
        logits.extend(self.logits(x));
    }
}
