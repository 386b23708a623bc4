//! Models that no longer change, as inference reads their weights: for the CPU's kernels
//! the matrices of bf16 products are packed once, on other devices they are rounded once.

use std::fmt;

use apo_kernels::bf16::Packed;
use apo_kernels::layer::{self, ForwardWeights, Stacked, Weight};
use apo_kernels::log_prob;
use apo_kernels::matrix::Matrix;
use apo_kernels::{LayerWeights, Precision};
use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::FlexTensor;

use crate::compute::Compute;
use crate::config::LlamaConfig;
use crate::decoder::Llama;
use crate::model::Model;
use crate::network::{Network, values};
use crate::operators::{embedded, layer_config, layer_on_cpu, on_cpu, slice, tensor, width};
use crate::plain::{self, integers};
use crate::tree::TreeBatch;

/// A policy or a reward model whose weights no longer change: it scores and generates.
pub type InferenceModel = Model<Frozen>;

/// The weights of a model for inference.
#[derive(Debug)]
pub struct Frozen(pub(crate) Form);

#[derive(Debug)]
pub(crate) enum Form {
    /// For the CPU's kernels.
    Kernels(Box<KernelLlama>),
    /// For Burn's own operators, on every device.
    Composed(Box<Llama>),
}

/// A projection's weight, or several stacked, as all products read it.
enum Held {
    F32(FlexTensor),
    Packed(Packed),
}

impl Held {
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
    input_norm: FlexTensor,
    /// Queries, keys and values.
    qkv: Held,
    output: Held,
    /// `[hidden]`
    post_norm: FlexTensor,
    /// Gate and up projections.
    gate_up: Held,
    down: Held,
}

impl KernelLayer {
    fn new(weights: LayerWeights<FlexTensor>, precision: Precision) -> Self {
        let LayerWeights {
            input_norm,
            query,
            key,
            value,
            output,
            post_norm,
            gate,
            up,
            down,
        } = weights;
        Self {
            input_norm,
            qkv: Held::stacked([query, key, value], precision),
            output: Held::new(output, precision),
            post_norm,
            gate_up: Held::stacked([gate, up], precision),
            down: Held::new(down, precision),
        }
    }

    fn as_ref(&self) -> ForwardWeights<'_> {
        ForwardWeights {
            input_norm: slice(&self.input_norm),
            qkv: Stacked::Together(self.qkv.as_ref()),
            output: self.output.as_ref(),
            post_norm: slice(&self.post_norm),
            gate_up: Stacked::Together(self.gate_up.as_ref()),
            down: self.down.as_ref(),
        }
    }
}

/// A decoder as the CPU's kernels read it.
pub(crate) struct KernelLlama {
    /// `[vocab, hidden]`
    embedding: FlexTensor,
    layers: Vec<KernelLayer>,
    /// `[hidden]`
    norm: Tensor<1>,
    head: KernelHead,
}

enum KernelHead {
    /// A policy's, `[vocab, hidden]`.
    Language(Held),
    /// A reward model's, `[1, hidden]`.
    Reward(Tensor<2>),
}

impl fmt::Debug for KernelLlama {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelLlama").finish_non_exhaustive()
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
        let form = if compute.runs_kernels_on(&self.device()) {
            Form::Kernels(Box::new(KernelLlama::new(self.llama, compute.precision)))
        } else {
            Form::Composed(Box::new(self.llama.cast(compute.precision)))
        };
        Model {
            config: self.config,
            head: self.head,
            llama: Frozen(form),
            compute,
        }
    }
}

impl KernelLlama {
    /// Takes a model apart, one layer after the other, so that hardly more than one is
    /// in memory in both forms.
    fn new(llama: Llama, precision: Precision) -> Self {
        let language_head = llama.language_head();
        let layers = llama.model.layers.into_iter();
        let layers = layers.map(|layer| KernelLayer::new(layer_on_cpu(layer.weights()), precision));
        Self {
            layers: layers.collect(),
            embedding: on_cpu(llama.model.embed_tokens.weight.val()),
            norm: llama.model.norm.weight.val(),
            head: match llama.score {
                Some(score) => KernelHead::Reward(score.weight.val()),
                None => KernelHead::Language(Held::new(on_cpu(language_head), precision)),
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

    /// Returns the hidden states at `rows`, after the last norm.
    ///
    /// # Shapes
    ///
    /// - result: `[rows, hidden]`
    fn hidden_states(
        &self,
        config: &LlamaConfig,
        compute: Compute,
        batch: &TreeBatch,
        rows: &[usize],
    ) -> Tensor<2> {
        let (plan, layout) = (
            layer_config(config, compute.precision),
            batch.layout(config),
        );
        let layer = |x: Vec<f32>, weights| layer::forward(&plan, &layout, &x, &weights).0;
        let x = self.layers().fold(self.embed(batch.tokens()), layer);
        let device = self.norm.device();
        let shape = [batch.n_tokens(), config.hidden_size];
        let x = Tensor::<2>::from_data(TensorData::new(x, shape), &device);
        let x = x.select(0, integers(rows, &device));
        plain::rms_norm(x, self.norm.clone(), config.rms_norm_eps)
    }
}

impl Network for Frozen {
    fn device(&self) -> Device {
        match &self.0 {
            Form::Kernels(llama) => llama.norm.device(),
            Form::Composed(llama) => llama.device(),
        }
    }

    fn reward_values(&self, config: &LlamaConfig, compute: Compute, batch: &TreeBatch) -> Vec<f32> {
        let llama = match &self.0 {
            Form::Kernels(llama) => llama,
            Form::Composed(llama) => return llama.reward_values(config, compute, batch),
        };
        let KernelHead::Reward(score) = &llama.head else {
            panic!("a policy has no score head");
        };
        let hidden = llama.hidden_states(config, compute, batch, &batch.last_rows());
        values(plain::rewards(hidden, score.clone()))
    }

    fn log_prob_values(
        &self,
        config: &LlamaConfig,
        compute: Compute,
        batch: &TreeBatch,
    ) -> Vec<f32> {
        let llama = match &self.0 {
            Form::Kernels(llama) => llama,
            Form::Composed(llama) => return llama.log_prob_values(config, compute, batch),
        };
        let (rows, targets) = batch.predictions();
        let hidden = on_cpu(llama.hidden_states(config, compute, batch, &rows));
        let (width, precision) = (config.hidden_size, compute.precision);
        log_prob::forward(
            slice(&hidden),
            llama.language_head(),
            width,
            &targets,
            precision,
        )
        .0
    }
}
