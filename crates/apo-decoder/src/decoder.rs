//! The decoder, top to bottom: its parameters, the embedding, the layers, the last norm,
//! the heads. One decoder serves all architectures: what they differ in is data, in
//! `config/architecture.rs`.
//!
//! Fields of the modules are named as Hugging Face names the tensors, so that a
//! parameter's path in the module is its name in the file.
//!
//! This file says what a decoder consists of and in which order it computes.
//! `composed.rs` defines the arithmetic of a layer in Burn's own operators, and the
//! CPU's kernels compute the same. Where there are kernels, and `Compute` wants them,
//! these run; elsewhere the composition runs:
//!
//! - training, and scoring by a model that can be trained: `kernel_ops.rs`, which makes
//!   the kernels operators with a backward pass; or `composed.rs`, and for gradient
//!   checkpointing `checkpointed.rs`
//! - scoring by an `InferenceModel`: `KernelModel::forward` in `inference.rs`, kernels
//!   without a graph; or `composed.rs`
//! - sampling: the same for prompts; then, token by token, `generation/kernels.rs`; or
//!   `generation/composed.rs`
//!
//! An architecture whose layers differ adds its weights to `LayerWeights` and its
//! arithmetic to `composed.rs` first.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use apo_kernels::{NormPlacement, Precision};

use crate::checkpointed;
use crate::composed::{self, ComposedPlan, integers};
use crate::compute::Compute;
use crate::config::{Head, ModelConfig, Named};
use crate::error::ModelError;
use crate::evaluate::{Evaluate, values};
use crate::kernel_ops::{self, KernelPlan};
use crate::layer_weights::LayerTensors;
use crate::parameters::{self, parameter};
use crate::tree::TreeBatch;

/// A decoder with the head of a policy or of a reward model.
#[derive(Module, Debug)]
pub struct Decoder {
    /// The trunk.
    pub model: Trunk,
    /// The policy's head, `[vocab, hidden]`; `None` if it is the embedding.
    pub lm_head: Option<Projection>,
    /// The reward model's head, `[1, hidden]`.
    pub score: Option<Projection>,
}

/// Embedding, layers and last norm.
#[derive(Module, Debug)]
pub struct Trunk {
    /// `[vocab, hidden]`
    pub embed_tokens: Projection,
    /// The layers, first to last.
    pub layers: Vec<DecoderLayer>,
    /// Norm of the last layer's output.
    pub norm: Norm,
}

/// One decoder layer.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Attention.
    pub self_attn: Attention,
    /// Feed-forward network.
    pub mlp: FeedForward,
    /// Norm of the attention's input, in architectures that have the norms there.
    pub input_layernorm: Option<Norm>,
    /// Norm of the feed-forward network's input or, with the next one, of the attention's
    /// output.
    pub post_attention_layernorm: Norm,
    /// Norm of the feed-forward network's output.
    pub post_feedforward_layernorm: Option<Norm>,
}

/// Attention's projections, and the norms of queries and keys in architectures that have
/// them.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, `[heads · head_dim, hidden]`
    pub q_proj: BiasedProjection,
    /// Keys, `[kv_heads · head_dim, hidden]`
    pub k_proj: BiasedProjection,
    /// Values, `[kv_heads · head_dim, hidden]`
    pub v_proj: BiasedProjection,
    /// Queries, `[head_dim]` or `[heads · head_dim]`
    pub q_norm: Option<Norm>,
    /// Keys, `[head_dim]` or `[kv_heads · head_dim]`
    pub k_norm: Option<Norm>,
    /// Output, `[hidden, heads · head_dim]`
    pub o_proj: Projection,
}

/// The gated feed-forward network's projections.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `[intermediate, hidden]`
    pub gate_proj: Projection,
    /// `[intermediate, hidden]`
    pub up_proj: Projection,
    /// `[hidden, intermediate]`
    pub down_proj: Projection,
}

/// A matrix `[out, in]`, applied to rows.
#[derive(Module, Debug)]
pub struct Projection {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
}

impl Projection {
    fn biased(self, bias: Option<Param<Tensor<1>>>) -> BiasedProjection {
        let weight = self.weight;
        BiasedProjection { weight, bias }
    }
}

/// A matrix `[out, in]`, applied to rows, and what some architectures add to the results.
#[derive(Module, Debug)]
pub struct BiasedProjection {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
}

/// The weight of an RMS norm.
#[derive(Module, Debug)]
pub struct Norm {
    /// `[width]`
    pub weight: Param<Tensor<1>>,
}

impl Decoder {
    /// Makes the module for a configuration; `read` returns each parameter's
    /// values by name and shape.
    ///
    /// # Errors
    ///
    /// When `read` fails.
    pub fn new(
        config: &ModelConfig,
        head: Head,
        device: &Device,
        read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError>,
    ) -> Result<Self, ModelError> {
        let mut reader = Reader { read, device };
        let (vocab, hidden) = (config.vocab_size, config.hidden_size);
        let embed_tokens = reader.projection("model.embed_tokens.weight", [vocab, hidden])?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| DecoderLayer::new(config, &format!("model.layers.{i}"), &mut reader))
            .collect::<Result<_, _>>()?;
        let norm = reader.norm("model.norm.weight", [hidden])?;
        let (mut lm_head, mut score) = (None, None);
        match head {
            Head::LanguageModel if config.tie_word_embeddings => {}
            Head::LanguageModel => {
                lm_head = Some(reader.projection("lm_head.weight", [vocab, hidden])?);
            }
            Head::Reward => score = Some(reader.projection("score.weight", [1, hidden])?),
        }
        Ok(Self {
            model: Trunk {
                embed_tokens,
                layers,
                norm,
            },
            lm_head,
            score,
        })
    }

    /// Returns tokens' embeddings, `[tokens, hidden]`.
    pub(crate) fn embed(&self, tokens: &[u32]) -> Tensor<2> {
        let tokens: Vec<usize> = tokens.iter().map(|&id| id as usize).collect();
        let embedding = self.model.embed_tokens.weight.val();
        embedding.select(0, integers(&tokens, &self.device()))
    }

    /// Returns the hidden states at `rows`, after the last norm,
    /// `[rows, hidden]`.
    fn hidden_states(
        &self,
        config: &ModelConfig,
        compute: Compute,
        batch: &TreeBatch,
        rows: &[usize],
    ) -> Tensor<2> {
        let device = self.device();
        let layout = batch.layout(config);
        let x = if compute.runs_kernels_on(&device) {
            let plan = Arc::new(KernelPlan {
                layers: kernel_ops::layer_configs(config, compute.precision),
                layout,
                checkpointing: compute.checkpointing,
            });
            let x = kernel_ops::embed(self.model.embed_tokens.weight.val(), batch.tokens());
            self.through_layers(x, |layer, x, weights| {
                kernel_ops::decoder_layer(x, weights, Arc::clone(&plan), layer)
            })
        } else {
            let plan = ComposedPlan::new(&layout, config, compute.precision, &device);
            let plan = Arc::new(plan);
            self.through_layers(self.embed(batch.tokens()), |layer, x, weights| {
                if compute.checkpointing {
                    checkpointed::decoder_layer(x, weights, Arc::clone(&plan), layer)
                } else {
                    plan.decoder_layer(x, &weights, layer)
                }
            })
        };
        self.last_norm(x.select(0, integers(rows, &device)), config)
    }

    /// Passes tokens through all layers; `layer` computes one of its number, input and
    /// weights.
    ///
    /// # Shapes
    ///
    /// - `x` and the result: `[tokens, hidden]`
    pub(crate) fn through_layers(
        &self,
        x: Tensor<2>,
        mut layer: impl FnMut(usize, Tensor<2>, LayerTensors) -> Tensor<2>,
    ) -> Tensor<2> {
        let weights = self.model.layers.iter().map(DecoderLayer::weights);
        weights
            .enumerate()
            .fold(x, |x, (i, weights)| layer(i, x, weights))
    }

    /// Applies the norm of the last layer's output, `[rows, hidden]`.
    pub(crate) fn last_norm(&self, x: Tensor<2>, config: &ModelConfig) -> Tensor<2> {
        composed::rms_norm(x, self.model.norm.weight.val(), config.rms_norm_eps)
    }

    /// Returns the matrix that turns hidden states into logits,
    /// `[vocab, hidden]`.
    pub(crate) fn language_head(&self) -> Tensor<2> {
        let head = self.lm_head.as_ref().unwrap_or(&self.model.embed_tokens);
        head.weight.val()
    }

    /// Returns the log-prob of every response token of a batch, nats.
    ///
    /// # Shapes
    ///
    /// - result: `[response tokens]`, responses one after the other
    pub fn token_log_probs(
        &self,
        config: &ModelConfig,
        compute: Compute,
        batch: &TreeBatch,
    ) -> Tensor<1> {
        let (rows, targets) = batch.predictions();
        let hidden = self.hidden_states(config, compute, batch, &rows);
        let precision = compute.precision;
        let head = self.language_head();
        if compute.runs_kernels_on(&hidden.device()) {
            kernel_ops::log_probs(hidden, head, targets, precision)
        } else {
            checkpointed::log_probs(hidden, head, &targets, precision)
        }
    }

    /// Returns the reward of every response of a batch, read at its last token.
    ///
    /// # Shapes
    ///
    /// - result: `[response]`
    ///
    /// # Panics
    ///
    /// When the model has no reward head.
    pub fn rewards(&self, config: &ModelConfig, compute: Compute, batch: &TreeBatch) -> Tensor<1> {
        let hidden = self.hidden_states(config, compute, batch, &batch.last_rows());
        let score = self.score.as_ref();
        let score = score.expect("a reward model has a score head");
        composed::rewards(hidden, score.weight.val())
    }

    /// Returns the logits of every token of a batch. Only comparisons need them
    /// all.
    ///
    /// # Shapes
    ///
    /// - result: `[tokens, vocab]`
    pub fn logits(&self, config: &ModelConfig, compute: Compute, batch: &TreeBatch) -> Tensor<2> {
        let rows: Vec<usize> = (0..batch.n_tokens()).collect();
        let hidden = self.hidden_states(config, compute, batch, &rows);
        composed::logits(hidden, self.language_head(), compute.precision)
    }

    /// Returns the values of one parameter.
    ///
    /// # Shapes
    ///
    /// - result: `[elements]`, in the order of rows
    ///
    /// # Panics
    ///
    /// When no parameter has that name.
    pub fn values_of(&self, name: &str) -> Vec<f32> {
        let found = parameters::values_of(self, name);
        found.unwrap_or_else(|| panic!("no parameter is called `{name}`"))
    }

    /// Calls `visit` with every parameter's name, in the module's order.
    pub(crate) fn for_each_name(&self, visit: impl FnMut(&str)) {
        parameters::for_each_name(self, visit);
    }

    /// Returns the model with the matrices of its large products held in a
    /// precision. A tied head is cast separately from its embedding.
    pub(crate) fn cast(mut self, precision: Precision) -> Self {
        if precision == Precision::F32 {
            return self;
        }
        if self.score.is_none() {
            let weight = parameter(self.language_head());
            self.lm_head = Some(parameters::cast(Projection { weight }, precision));
        }
        self.model.layers = parameters::cast(self.model.layers, precision);
        self
    }

    /// Returns the model on a device: one with [`Device::autodiff`] to train
    /// it, one without to use it.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        parameters::to_device(self, device)
    }
}

impl Evaluate for Decoder {
    fn device(&self) -> Device {
        self.model.norm.weight.val().device()
    }

    fn reward_values(&self, config: &ModelConfig, compute: Compute, batch: &TreeBatch) -> Vec<f32> {
        values(self.rewards(config, compute, batch))
    }

    fn log_prob_values(
        &self,
        config: &ModelConfig,
        compute: Compute,
        batch: &TreeBatch,
    ) -> Vec<f32> {
        values(self.token_log_probs(config, compute, batch))
    }
}

impl DecoderLayer {
    fn new<F>(
        config: &ModelConfig,
        name: &str,
        reader: &mut Reader<'_, F>,
    ) -> Result<Self, ModelError>
    where
        F: FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError>,
    {
        // The order is that in which the weights of a model from scratch are
        // drawn.
        let w = config.layer_weights();
        let full = |part| format!("{name}.{part}");
        let mut matrix = |(part, shape)| reader.projection(&full(part), shape);
        let [q, k, v] = [matrix(w.query)?, matrix(w.key)?, matrix(w.value)?];
        let o_proj = matrix(w.output)?;
        let mlp = FeedForward {
            gate_proj: matrix(w.gate)?,
            up_proj: matrix(w.up)?,
            down_proj: matrix(w.down)?,
        };
        let mut vector = |named: Option<Named<1>>| {
            let read = named.map(|(part, shape)| reader.parameter(&full(part), shape));
            read.transpose()
        };
        let norm = |weight| Norm { weight };
        let self_attn = Attention {
            q_proj: q.biased(vector(w.query_bias)?),
            k_proj: k.biased(vector(w.key_bias)?),
            v_proj: v.biased(vector(w.value_bias)?),
            q_norm: vector(w.query_norm)?.map(norm),
            k_norm: vector(w.key_norm)?.map(norm),
            o_proj,
        };
        let attention_norm = reader.norm(&full(w.attention_norm.0), w.attention_norm.1)?;
        let feed_forward_norm = reader.norm(&full(w.feed_forward_norm.0), w.feed_forward_norm.1)?;
        let (before, between, after) = match config.architecture.norms {
            NormPlacement::Input => (Some(attention_norm), feed_forward_norm, None),
            NormPlacement::Output => (None, attention_norm, Some(feed_forward_norm)),
        };
        Ok(Self {
            self_attn,
            mlp,
            input_layernorm: before,
            post_attention_layernorm: between,
            post_feedforward_layernorm: after,
        })
    }

    /// Returns the weights by their place in the arithmetic.
    pub(crate) fn weights(&self) -> LayerTensors {
        let norm = |norm: &Norm| norm.weight.val();
        let between = norm(&self.post_attention_layernorm);
        let after = self.post_feedforward_layernorm.as_ref().map(norm);
        let (attention_norm, feed_forward_norm) = match &self.input_layernorm {
            Some(before) => (norm(before), between),
            None => (between, after.expect("norms are at inputs or at outputs")),
        };
        let attention = &self.self_attn;
        let bias = |projection: &BiasedProjection| projection.bias.as_ref().map(Param::val);
        LayerTensors {
            attention_norm,
            query: attention.q_proj.weight.val(),
            key: attention.k_proj.weight.val(),
            value: attention.v_proj.weight.val(),
            query_bias: bias(&attention.q_proj),
            key_bias: bias(&attention.k_proj),
            value_bias: bias(&attention.v_proj),
            query_norm: attention.q_norm.as_ref().map(norm),
            key_norm: attention.k_norm.as_ref().map(norm),
            output: attention.o_proj.weight.val(),
            feed_forward_norm,
            gate: self.mlp.gate_proj.weight.val(),
            up: self.mlp.up_proj.weight.val(),
            down: self.mlp.down_proj.weight.val(),
        }
    }
}

/// Makes parameters of the values that `read` gives by name and shape.
struct Reader<'a, F> {
    read: F,
    device: &'a Device,
}

impl<F: FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError>> Reader<'_, F> {
    fn parameter<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Param<Tensor<D>>, ModelError> {
        let values = (self.read)(name, &shape)?;
        // A GPU pads the rows of a matrix that it is given, but not of one that was flat, as
        // all are after a step of the optimiser. The two layouts give products different bits.
        let n = values.len();
        let flat = Tensor::<1>::from_data(TensorData::new(values, [n]), self.device);
        Ok(parameter(flat.reshape(shape)))
    }

    fn projection(&mut self, name: &str, shape: [usize; 2]) -> Result<Projection, ModelError> {
        let weight = self.parameter(name, shape)?;
        Ok(Projection { weight })
    }

    fn norm(&mut self, name: &str, shape: [usize; 1]) -> Result<Norm, ModelError> {
        let weight = self.parameter(name, shape)?;
        Ok(Norm { weight })
    }
}
