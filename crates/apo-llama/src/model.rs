//! The LLaMA decoder as a Burn module.
//!
//! Fields are named as Hugging Face names the tensors, so that a parameter's
//! path in the module is its name in the file.

use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::Precision;
use crate::config::{Head, LlamaConfig};
use crate::device::has_kernels;
use crate::error::ModelError;
use crate::operators::{self, LayerPlan, Targets};
use crate::plain::{self, Composition};
use crate::products::product_transposed;
use crate::recomputed;
use crate::tree::TreeBatch;
use apo_kernels::attention::Heads;
use apo_kernels::layer;

/// A matrix `[out, in]`, applied to rows.
#[derive(Module, Debug)]
pub struct Projection {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
}

/// The weight of an RMS norm.
#[derive(Module, Debug)]
pub struct Norm {
    /// `[hidden]`
    pub weight: Param<Tensor<1>>,
}

/// Attention's projections.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, `[heads · head_dim, hidden]`
    pub q_proj: Projection,
    /// Keys, `[kv_heads · head_dim, hidden]`
    pub k_proj: Projection,
    /// Values, `[kv_heads · head_dim, hidden]`
    pub v_proj: Projection,
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

/// One decoder layer.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Attention.
    pub self_attn: Attention,
    /// Feed-forward network.
    pub mlp: FeedForward,
    /// Norm before attention.
    pub input_layernorm: Norm,
    /// Norm before the feed-forward network.
    pub post_attention_layernorm: Norm,
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

/// A LLaMA with the head of a policy or of a reward model.
#[derive(Module, Debug)]
pub struct Llama {
    /// The trunk.
    pub model: Trunk,
    /// The policy's head, `[vocab, hidden]`; none where it is the embedding.
    pub lm_head: Option<Projection>,
    /// The reward model's head, `[1, hidden]`.
    pub score: Option<Projection>,
}

/// How a forward pass is computed; its values are the same up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compute {
    /// In what the matrix products' operands are held.
    pub precision: Precision,
    /// Keep the layers' inputs alone, and compute layers again in the
    /// backward pass: less memory for a third more arithmetic.
    pub recompute: bool,
    /// Use the CPU's own kernels where the device has them; `false` takes the
    /// plain composition, which defines what they compute.
    pub kernels: bool,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            recompute: false,
            kernels: true,
        }
    }
}

impl Projection {
    /// Applies the matrix to rows: `[rows, in]` to `[rows, out]`, by Burn's
    /// own operators.
    pub(crate) fn project(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        let weight = plain::rounded(self.weight.val(), precision);
        product_transposed(plain::rounded(x, precision), weight)
    }
}

pub(crate) fn integers(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

impl Llama {
    /// Makes the module of a configuration; `read` gives each parameter's
    /// values by name and shape.
    ///
    /// # Errors
    ///
    /// What `read` fails with.
    pub fn new(
        config: &LlamaConfig,
        head: Head,
        device: &Device,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError>,
    ) -> Result<Self, ModelError> {
        let mut matrix = |name: String, shape: [usize; 2]| {
            let name = format!("{name}.weight");
            let data = TensorData::new(read(&name, &shape)?, shape);
            let weight = parameter(Tensor::from_data(data, device));
            Ok::<_, ModelError>(Projection { weight })
        };
        let hidden = config.hidden_size;
        let intermediate = config.intermediate_size;
        let query = config.num_attention_heads * config.head_dim;
        let key = config.num_key_value_heads * config.head_dim;
        let embed_tokens = matrix("model.embed_tokens".into(), [config.vocab_size, hidden])?;
        let mut projections = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let at = |name: &str| format!("model.layers.{i}.{name}");
            let self_attn = Attention {
                q_proj: matrix(at("self_attn.q_proj"), [query, hidden])?,
                k_proj: matrix(at("self_attn.k_proj"), [key, hidden])?,
                v_proj: matrix(at("self_attn.v_proj"), [key, hidden])?,
                o_proj: matrix(at("self_attn.o_proj"), [hidden, query])?,
            };
            let mlp = FeedForward {
                gate_proj: matrix(at("mlp.gate_proj"), [intermediate, hidden])?,
                up_proj: matrix(at("mlp.up_proj"), [intermediate, hidden])?,
                down_proj: matrix(at("mlp.down_proj"), [hidden, intermediate])?,
            };
            projections.push((self_attn, mlp));
        }
        let (mut lm_head, mut score) = (None, None);
        match head {
            Head::LanguageModel if config.tie_word_embeddings => {}
            Head::LanguageModel => {
                lm_head = Some(matrix("lm_head".into(), [config.vocab_size, hidden])?);
            }
            Head::Reward => score = Some(matrix("score".into(), [1, hidden])?),
        }
        let mut norm = |name: &str| {
            let name = format!("{name}.weight");
            let data = TensorData::new(read(&name, &[hidden])?, [hidden]);
            let weight = parameter(Tensor::from_data(data, device));
            Ok::<_, ModelError>(Norm { weight })
        };
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for (i, (self_attn, mlp)) in projections.into_iter().enumerate() {
            layers.push(DecoderLayer {
                self_attn,
                mlp,
                input_layernorm: norm(&format!("model.layers.{i}.input_layernorm"))?,
                post_attention_layernorm: norm(&format!(
                    "model.layers.{i}.post_attention_layernorm"
                ))?,
            });
        }
        let norm = norm("model.norm")?;
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

    /// The matrix that turns hidden states into logits, `[vocab, hidden]`.
    pub(crate) fn language_head(&self) -> Tensor<2> {
        let head = self.lm_head.as_ref().unwrap_or(&self.model.embed_tokens);
        head.weight.val()
    }

    /// Returns tokens' embeddings, `[tokens, hidden]`.
    pub(crate) fn embed(&self, tokens: &[u32]) -> Tensor<2> {
        let tokens: Vec<usize> = tokens.iter().map(|&id| id as usize).collect();
        let embedding = self.model.embed_tokens.weight.val();
        embedding.select(0, integers(&tokens, &self.device()))
    }

    pub(crate) fn device(&self) -> Device {
        self.model.norm.weight.val().device()
    }

    /// Returns the trunk's hidden states at `rows`, after the last norm,
    /// `[rows, hidden]`.
    fn hidden_states(
        &self,
        config: &LlamaConfig,
        compute: Compute,
        batch: &TreeBatch,
        rows: &[usize],
    ) -> Tensor<2> {
        let device = self.device();
        let layout = batch.layout(config);
        let mut x = self.embed(batch.tokens());
        if compute.kernels && has_kernels(&device) {
            let plan = Arc::new(LayerPlan {
                shape: kernel_shape(config, compute.precision),
                layout: Arc::new(layout),
                recompute: compute.recompute,
            });
            for layer in &self.model.layers {
                x = operators::decoder_layer(x, layer, Arc::clone(&plan));
            }
        } else {
            let composition = Composition::new(&layout, config, compute.precision, &device);
            let composition = Arc::new(composition);
            for layer in &self.model.layers {
                x = if compute.recompute {
                    recomputed::decoder_layer(x, layer, Arc::clone(&composition))
                } else {
                    composition.decoder_layer(x, layer)
                };
            }
        }
        let x = x.select(0, integers(rows, &device)); // [rows, hidden]
        plain::rms_norm(x, &self.model.norm, config.rms_norm_eps)
    }

    /// Returns the log-prob of every response token of a batch, responses one
    /// after the other, `[response tokens]`, nats.
    pub fn token_log_probs(
        &self,
        config: &LlamaConfig,
        compute: Compute,
        batch: &TreeBatch,
    ) -> Tensor<1> {
        let (rows, targets) = batch.predictions();
        let hidden = self.hidden_states(config, compute, batch, &rows);
        let head = self.language_head();
        let precision = compute.precision;
        if compute.kernels && has_kernels(&hidden.device()) {
            let ids = targets;
            let targets = Targets { ids, precision };
            operators::log_probs(hidden, head, Arc::new(targets))
        } else {
            recomputed::log_probs(hidden, head, &targets, precision)
        }
    }

    /// Returns the reward of every response of a batch, `[response]`, read at
    /// its last token.
    ///
    /// # Panics
    ///
    /// When the model has no reward head.
    pub fn rewards(&self, config: &LlamaConfig, compute: Compute, batch: &TreeBatch) -> Tensor<1> {
        let score = self
            .score
            .as_ref()
            .expect("a reward model has a score head");
        let rows = batch.last_rows();
        let hidden = self.hidden_states(config, compute, batch, &rows);
        let rewards = hidden.matmul(score.weight.val().transpose());
        rewards.reshape([rows.len()])
    }

    /// Returns the logits of every token of a batch, `[tokens, vocab]`: for
    /// comparisons; nothing else needs them all.
    pub fn logits(&self, config: &LlamaConfig, compute: Compute, batch: &TreeBatch) -> Tensor<2> {
        let rows: Vec<usize> = (0..batch.n_tokens()).collect();
        let hidden = self.hidden_states(config, compute, batch, &rows);
        plain::logits(hidden, self.language_head(), compute.precision)
    }

    /// Returns the values of one parameter.
    ///
    /// # Panics
    ///
    /// When there is none of that name.
    pub fn values_of(&self, name: &str) -> Vec<f32> {
        let mut found = None;
        self.visit(&mut Finder {
            path: Vec::new(),
            name,
            found: &mut found,
        });
        found.unwrap_or_else(|| panic!("no parameter is called `{name}`"))
    }

    /// Calls `visit` with every parameter's name, in the module's order.
    pub(crate) fn for_each_name(&self, visit: impl FnMut(&str)) {
        self.visit(&mut Namer {
            path: Vec::new(),
            visit,
        });
    }

    /// Returns the same model with the matrices that its large products take
    /// held in a precision, a tied head beside its embedding.
    pub(crate) fn held_in(mut self, precision: Precision) -> Self {
        if precision == Precision::F32 {
            return self;
        }
        let mut rounder = Rounder { precision };
        if self.score.is_none() {
            let weight = parameter(self.language_head());
            self.lm_head = Some(Projection { weight }.map(&mut rounder));
        }
        self.model.layers = self.model.layers.map(&mut rounder);
        self
    }

    /// Returns the same model on a device: with [`Device::autodiff`] to train
    /// it, without to use it.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        self.map(&mut Mover { device })
    }
}

/// Makes a parameter; it is tracked where its device has autodiff.
pub(crate) fn parameter<const D: usize>(value: Tensor<D>) -> Param<Tensor<D>> {
    let value = if value.device().is_autodiff() {
        value.require_grad()
    } else {
        value
    };
    Param::initialized(ParamId::new(), value)
}

/// What the layers' kernels need to know of a configuration.
pub(crate) fn kernel_shape(config: &LlamaConfig, precision: Precision) -> layer::Shape {
    layer::Shape {
        hidden: config.hidden_size,
        intermediate: config.intermediate_size,
        heads: Heads {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
        },
        rms_norm_eps: config.rms_norm_eps as f32,
        precision,
    }
}

struct Finder<'a> {
    path: Vec<String>,
    name: &'a str,
    found: &'a mut Option<Vec<f32>>,
}

impl ModuleVisitor for Finder<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if self.found.is_none() && self.path.join(".") == self.name {
            let values = parameter.val().into_data().convert::<f32>();
            *self.found = Some(values.try_into_vec().expect("converted to f32"));
        }
    }
}

struct Namer<F> {
    path: Vec<String>,
    visit: F,
}

impl<F: FnMut(&str)> ModuleVisitor for Namer<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        (self.visit)(&self.path.join("."));
    }
}

struct Rounder {
    precision: Precision,
}

impl ModuleMapper for Rounder {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, _) = parameter.consume();
        let tensor = if D == 2 {
            plain::rounded(tensor, self.precision)
        } else {
            tensor
        };
        Param::initialized(id, tensor)
    }
}

struct Mover<'a> {
    device: &'a Device,
}

impl ModuleMapper for Mover<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, _) = parameter.consume();
        let tensor = if tensor.device().is_autodiff() {
            tensor.inner()
        } else {
            tensor
        };
        let mut tensor = tensor.to_device(&self.device.clone().without_autodiff());
        if self.device.is_autodiff() {
            tensor = Tensor::from_inner(tensor).require_grad();
        }
        Param::initialized(id, tensor)
    }
}
