//! Models that no longer change, as inference reads their weights: for the CPU's kernels
//! the matrices of bf16 products are packed once, on other devices they are rounded once.

use std::fmt;

use apo_kernels::bf16::Packed;
use apo_kernels::layer::{self, Projected};
use apo_kernels::layout::Layout;
use apo_kernels::log_prob;
use apo_kernels::matrix::Matrix;
use apo_kernels::weight_forms::{ForwardWeights, HeadWeights, Stacked, Weight};
use apo_kernels::{LayerConfig, LayerWeights, Precision};
use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::FlexTensor;

use crate::composed::{self, integers};
use crate::compute::Compute;
use crate::config::ModelConfig;
use crate::decoder::Decoder;
use crate::evaluate::{Evaluate, values};
use crate::kernel_ops::{embedded, layer_configs, layer_on_cpu, on_cpu, slice, tensor, width};
use crate::model::Model;
use crate::tree::TreeBatch;

/// A policy or a reward model whose weights no longer change: it scores and generates.
pub type InferenceModel = Model<Frozen>;

/// The weights of a model for inference.
#[derive(Debug)]
pub struct Frozen(pub(crate) InferenceWeights);

#[derive(Debug)]
pub(crate) enum InferenceWeights {
    /// For the CPU's kernels.
    Kernels(Box<KernelModel>),
    /// For Burn's own operators, on every device.
    Composed(Box<Decoder>),
}

/// A projection's weight, or several stacked, as all products read it.
enum ProjectionWeight {
    F32(FlexTensor),
    Packed(Packed),
}

impl ProjectionWeight {
    /// Packs a weight `[n_out, n_in]` if products are to have operands in bf16.
    fn new(weight: FlexTensor, precision: Precision) -> Self {
        let &[n_out, n_in] = weight.layout().shape().as_ref() else {
            unreachable!("a projection is a matrix");
        };
        let packed = match precision {
            Precision::F32 => None,
            Precision::Bf16 => Packed::new(Matrix::new(slice(&weight), n_out, n_in).transposed()),
        };
        packed.map_or(Self::F32(weight), Self::Packed)
    }

    /// Stacks weights `[n_out, n_in]` of the same input, so that one product computes
    /// them all.
    fn stacked<const N: usize>(weights: [FlexTensor; N], precision: Precision) -> Self {
        let n_in = width(&weights[0]);
        let rows = weights.iter().map(slice).collect::<Vec<_>>().concat();
        drop(weights);
        let n_out = rows.len() / n_in;
        Self::new(tensor(rows, &[n_out, n_in]), precision)
    }

    fn as_ref(&self) -> Weight<'_> {
        match self {
            Self::F32(weight) => Weight::F32(slice(weight)),
            Self::Packed(weight) => Weight::Packed(weight),
        }
    }
}

/// A decoder layer as the CPU's kernels read it.
struct KernelLayer {
    /// `[hidden]`
    attention_norm: FlexTensor,
    /// Queries, keys and values.
    qkv: ProjectionWeight,
    /// Of queries, keys and values.
    biases: Option<[FlexTensor; 3]>,
    /// Norms of queries and keys.
    head_norms: Option<[FlexTensor; 2]>,
    output: ProjectionWeight,
    /// `[hidden]`
    feed_forward_norm: FlexTensor,
    /// Gate and up projections.
    gate_up: ProjectionWeight,
    down: ProjectionWeight,
}

impl KernelLayer {
    fn new(weights: LayerWeights<FlexTensor>, precision: Precision) -> Self {
        let LayerWeights {
            attention_norm,
            query,
            key,
            value,
            query_bias,
            key_bias,
            value_bias,
            query_norm,
            key_norm,
            output,
            feed_forward_norm,
            gate,
            up,
            down,
        } = weights;
        let biases = query_bias.zip(key_bias).zip(value_bias);
        Self {
            attention_norm,
            qkv: ProjectionWeight::stacked([query, key, value], precision),
            biases: biases.map(|((query, key), value)| [query, key, value]),
            head_norms: query_norm.zip(key_norm).map(Into::into),
            output: ProjectionWeight::new(output, precision),
            feed_forward_norm,
            gate_up: ProjectionWeight::stacked([gate, up], precision),
            down: ProjectionWeight::new(down, precision),
        }
    }

    fn as_ref(&self) -> ForwardWeights<'_> {
        ForwardWeights {
            attention_norm: slice(&self.attention_norm),
            qkv: Stacked::Together(self.qkv.as_ref()),
            heads: HeadWeights {
                biases: self.biases.as_ref().map(|it| it.each_ref().map(slice)),
                norms: self.head_norms.as_ref().map(|it| it.each_ref().map(slice)),
            },
            output: self.output.as_ref(),
            feed_forward_norm: slice(&self.feed_forward_norm),
            gate_up: Stacked::Together(self.gate_up.as_ref()),
            down: self.down.as_ref(),
        }
    }
}

/// A decoder as the CPU's kernels read it.
pub(crate) struct KernelModel {
    /// `[vocab, hidden]`
    embedding: FlexTensor,
    layers: Vec<KernelLayer>,
    /// `[hidden]`
    norm: Tensor<1>,
    head: KernelHead,
}

#[allow(
    clippy::large_enum_variant,
    reason = "with a GPU's backend; a model has one"
)]
enum KernelHead {
    /// A policy's, `[vocab, hidden]`.
    Language(ProjectionWeight),
    /// A reward model's, `[1, hidden]`.
    Reward(Tensor<2>),
}

impl fmt::Debug for KernelModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelModel").finish_non_exhaustive()
    }
}

impl Model {
    /// Rounds and packs the weights once, for inference, instead of for every product.
    ///
    /// # Panics
    ///
    /// When the model is on a device with autodiff.
    pub fn for_inference(self) -> InferenceModel {
        let compute = self.compute;
        let weights = if compute.runs_kernels_on(&self.device()) {
            InferenceWeights::Kernels(Box::new(KernelModel::new(self.decoder, compute.precision)))
        } else {
            InferenceWeights::Composed(Box::new(self.decoder.cast(compute.precision)))
        };
        Model {
            config: self.config,
            head: self.head,
            decoder: Frozen(weights),
            compute,
        }
    }
}

impl KernelModel {
    /// Takes a model apart, one layer after the other, so that hardly more than one is
    /// in memory in both forms.
    fn new(decoder: Decoder, precision: Precision) -> Self {
        let language_head = decoder.language_head();
        let layers = decoder.model.layers.into_iter();
        let layers = layers.map(|layer| KernelLayer::new(layer_on_cpu(layer.weights()), precision));
        Self {
            layers: layers.collect(),
            embedding: on_cpu(decoder.model.embed_tokens.weight.val()),
            norm: decoder.model.norm.weight.val(),
            head: match decoder.score {
                Some(score) => KernelHead::Reward(score.weight.val()),
                None => {
                    KernelHead::Language(ProjectionWeight::new(on_cpu(language_head), precision))
                }
            },
        }
    }

    /// Returns tokens' embeddings, `[tokens, hidden]`.
    pub(crate) fn embed(&self, tokens: &[u32]) -> Vec<f32> {
        embedded(slice(&self.embedding), self.norm.dims()[0], tokens)
    }

    /// Returns each layer's weights, first to last.
    pub(crate) fn layers(&self) -> impl ExactSizeIterator<Item = ForwardWeights<'_>> {
        self.layers.iter().map(KernelLayer::as_ref)
    }

    /// Returns the weight of the last norm, `[hidden]`.
    pub(crate) fn norm(&self) -> FlexTensor {
        on_cpu(self.norm.clone())
    }

    /// Returns the weight of a policy's head, `[vocab, hidden]`.
    ///
    /// # Panics
    ///
    /// In a reward model.
    pub(crate) fn language_head(&self) -> Weight<'_> {
        match &self.head {
            KernelHead::Language(head) => head.as_ref(),
            KernelHead::Reward(_) => panic!("a reward model has no language head"),
        }
    }

    /// Passes tokens through all layers; `each_layer` takes what each one projected, first
    /// to last.
    ///
    /// # Shapes
    ///
    /// - result: `[tokens, hidden]`
    pub(crate) fn forward(
        &self,
        configs: &[LayerConfig],
        layout: &Layout,
        tokens: &[u32],
        mut each_layer: impl FnMut(Projected),
    ) -> Vec<f32> {
        let mut x = self.embed(tokens);
        for (config, weights) in configs.iter().zip(self.layers()) {
            each_layer(layer::infer(config, layout, &mut x, &weights));
        }
        x
    }

    /// Returns the hidden states at `rows`, after the last norm.
    ///
    /// # Shapes
    ///
    /// - result: `[rows, hidden]`
    fn hidden_states(
        &self,
        config: &ModelConfig,
        compute: Compute,
        batch: &TreeBatch,
        rows: &[usize],
    ) -> Tensor<2> {
        let of_layers = layer_configs(config, compute.precision);
        let x = self.forward(&of_layers, &batch.layout(config), batch.tokens(), drop);
        let device = self.norm.device();
        let shape = [batch.n_tokens(), config.hidden_size];
        let x = Tensor::<2>::from_data(TensorData::new(x, shape), &device);
        let x = x.select(0, integers(rows, &device));
        composed::rms_norm(x, self.norm.clone(), config.rms_norm_eps)
    }
}

impl Evaluate for Frozen {
    fn device(&self) -> Device {
        match &self.0 {
            InferenceWeights::Kernels(decoder) => decoder.norm.device(),
            InferenceWeights::Composed(decoder) => decoder.device(),
        }
    }

    fn reward_values(&self, config: &ModelConfig, compute: Compute, batch: &TreeBatch) -> Vec<f32> {
        let decoder = match &self.0 {
            InferenceWeights::Kernels(decoder) => decoder,
            InferenceWeights::Composed(decoder) => {
                return decoder.reward_values(config, compute, batch);
            }
        };
        let KernelHead::Reward(score) = &decoder.head else {
            panic!("a policy has no score head");
        };
        let hidden = decoder.hidden_states(config, compute, batch, &batch.last_rows());
        values(composed::rewards(hidden, score.clone()))
    }

    fn log_prob_values(
        &self,
        config: &ModelConfig,
        compute: Compute,
        batch: &TreeBatch,
    ) -> Vec<f32> {
        let decoder = match &self.0 {
            InferenceWeights::Kernels(decoder) => decoder,
            InferenceWeights::Composed(decoder) => {
                return decoder.log_prob_values(config, compute, batch);
            }
        };
        let (rows, targets) = batch.predictions();
        let hidden = on_cpu(decoder.hidden_states(config, compute, batch, &rows));
        let (width, precision) = (config.hidden_size, compute.precision);
        log_prob::forward(
            slice(&hidden),
            decoder.language_head(),
            width,
            &targets,
            precision,
        )
        .0
    }
}
