//! Burn operators made of the CPU's kernels: the embedding, a decoder layer, and
//! log-probs in slices, each with its own backward pass.
//!
//! Only the backend `flex` has them; on every other device `composed` makes the
//! same of Burn's own operators.

use std::array;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout as FlexLayout};

use apo_kernels::attention::Heads;
use apo_kernels::layout::Layout;
use apo_kernels::weight_forms::{Weight, Weights};
use apo_kernels::{LayerConfig, LayerWeights, Precision, layer, log_prob, simd};

use crate::config::ModelConfig;
use crate::extension::{SavedForBackward, Targets};
use crate::layer_weights::{BackendWeights, LayerTensors, N_INPUTS, inputs};

/// What a layer's kernel needs beside tensors.
#[derive(Debug)]
pub struct KernelPlan {
    pub(crate) layers: Vec<LayerConfig>,
    pub(crate) layout: Layout,
    /// Keep only the input, and compute the layer again in the backward pass.
    pub(crate) checkpointing: bool,
}

/// Returns what each layer's kernels need to know of a configuration.
pub(crate) fn layer_configs(config: &ModelConfig, precision: Precision) -> Vec<LayerConfig> {
    let of_layer = |&positions| LayerConfig {
        hidden: config.hidden_size,
        intermediate: config.intermediate_size,
        heads: Heads {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
        },
        norms: config.architecture.norms,
        positions,
        rms_norm_eps: config.rms_norm_eps as f32,
        precision,
        batch_invariant: false,
    };
    config.positions.iter().map(of_layer).collect()
}

/// Backends that have this crate's kernels.
#[backend_extension(Autodiff, Flex)]
pub trait Kernels: Backend {
    /// Returns the rows of `embedding` that tokens name.
    ///
    /// # Shapes
    ///
    /// - `embedding`: `[vocab, hidden]`
    /// - result: `[tokens, hidden]`
    fn embed(embedding: FloatTensor<Self>, tokens: Arc<[u32]>) -> FloatTensor<Self>;

    /// Runs a decoder layer, given its number.
    ///
    /// # Shapes
    ///
    /// - `x` and the result: `[tokens, hidden]`
    fn decoder_layer(
        x: FloatTensor<Self>,
        #[extension_type] weights: BackendWeights<Self>,
        plan: Arc<KernelPlan>,
        layer: usize,
    ) -> FloatTensor<Self>;

    /// Returns the log-prob of each row's target, nats.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[rows, hidden]`
    /// - `head`: `[vocab, hidden]`
    /// - result: `[rows]`
    fn log_probs(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        targets: Arc<Targets>,
    ) -> FloatTensor<Self>;
}

/// Makes a tensor of numbers in row-major order.
pub(crate) fn tensor(data: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(data),
        FlexLayout::contiguous(Shape::from(shape.to_vec())),
        DType::F32,
    )
}

pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("weights and activations are contiguous f32")
}

fn contiguous(tensor: &FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// Returns the number of columns of a matrix.
pub(crate) fn width(tensor: &FlexTensor) -> usize {
    tensor.layout().shape()[1]
}

/// Borrows a layer's tensors as its kernel reads them.
pub(crate) fn weights(tensors: &LayerWeights<FlexTensor>) -> Weights<'_> {
    tensors.as_ref().map(slice)
}

impl Kernels for Flex {
    fn embed(embedding: FloatTensor<Self>, tokens: Arc<[u32]>) -> FloatTensor<Self> {
        let hidden = width(&embedding);
        let out = embedded(slice(&embedding), hidden, &tokens);
        tensor(out, &[tokens.len(), hidden])
    }

    fn decoder_layer(
        x: FloatTensor<Self>,
        BackendWeights(tensors): BackendWeights<Self>,
        plan: Arc<KernelPlan>,
        layer: usize,
    ) -> FloatTensor<Self> {
        let x = contiguous(&x);
        let mut out = slice(&x).to_vec();
        let weights = weights(&tensors);
        let config = &plan.layers[layer];
        layer::infer(config, &plan.layout, &mut out, &(&weights).into());
        tensor(out, x.layout().shape())
    }

    fn log_probs(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        targets: Arc<Targets>,
    ) -> FloatTensor<Self> {
        let hidden = contiguous(&hidden);
        let (log_probs, _) = log_prob::forward(
            slice(&hidden),
            Weight::F32(slice(&head)),
            width(&hidden),
            &targets.ids,
            targets.precision,
        );
        tensor(log_probs, &[targets.ids.len()])
    }
}

/// Returns tokens' embeddings.
///
/// # Shapes
///
/// - `embedding`: `[vocab, hidden]`
/// - result: `[tokens, hidden]`
pub(crate) fn embedded(embedding: &[f32], hidden: usize, tokens: &[u32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(tokens.len() * hidden);
    for &id in tokens {
        out.extend_from_slice(&embedding[id as usize * hidden..][..hidden]);
    }
    out
}

#[derive(Clone, Debug)]
struct KernelEmbeddingSaved {
    shape: [usize; 2],
    tokens: Arc<[u32]>,
}

impl SavedForBackward<Flex, 1> for KernelEmbeddingSaved {
    /// A selection of Burn's would fill and copy the gradient, the largest of all, before
    /// it adds the first row.
    fn gradients(self, dout: FlexTensor) -> [Option<FlexTensor>; 1] {
        let [vocab, hidden] = self.shape;
        let dout = contiguous(&dout);
        let mut gradient = vec![0.0; vocab * hidden];
        for (&id, row) in self.tokens.iter().zip(slice(&dout).chunks_exact(hidden)) {
            simd::add(&mut gradient[id as usize * hidden..][..hidden], row);
        }
        [Some(tensor(gradient, &self.shape))]
    }
}

#[derive(Clone)]
struct KernelLayerSaved {
    x: FlexTensor,
    weights: LayerWeights<FlexTensor>,
    plan: Arc<KernelPlan>,
    layer: usize,
    /// `None` with gradient checkpointing.
    saved: Option<Arc<layer::Saved>>,
}

impl std::fmt::Debug for KernelLayerSaved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelLayerSaved").finish_non_exhaustive()
    }
}

impl SavedForBackward<Flex, N_INPUTS> for KernelLayerSaved {
    fn gradients(self, dout: FlexTensor) -> [Option<FlexTensor>; N_INPUTS] {
        let Self {
            x,
            weights: tensors,
            plan,
            layer,
            saved,
        } = self;
        let dout = contiguous(&dout);
        let view = weights(&tensors);
        let (config, layout) = (&plan.layers[layer], &plan.layout);
        let saved = saved.unwrap_or_else(|| {
            let (_, saved) = layer::forward(config, layout, slice(&x), &(&view).into());
            Arc::new(saved)
        });
        let d = layer::backward(config, layout, slice(&x), &view, &saved, slice(&dout));
        like(inputs(d.input, d.weights), inputs(&x, tensors.as_ref()))
    }
}

/// Makes tensors of gradients, in the shapes of their inputs.
fn like<const N: usize>(
    gradients: [Option<Vec<f32>>; N],
    inputs: [Option<&FlexTensor>; N],
) -> [Option<FlexTensor>; N] {
    let mut pairs = gradients.into_iter().zip(inputs);
    array::from_fn(|_| {
        let (gradient, input) = pairs.next()?;
        Some(tensor(gradient?, input?.layout().shape()))
    })
}

#[derive(Clone)]
struct KernelLogProbsSaved {
    hidden: FlexTensor,
    head: FlexTensor,
    targets: Arc<Targets>,
    saved: Arc<log_prob::Saved>,
}

impl std::fmt::Debug for KernelLogProbsSaved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelLogProbsSaved")
            .finish_non_exhaustive()
    }
}

impl SavedForBackward<Flex, 2> for KernelLogProbsSaved {
    fn gradients(self, dout: FlexTensor) -> [Option<FlexTensor>; 2] {
        let Self {
            hidden,
            head,
            targets,
            saved,
        } = self;
        let (dhidden, dhead) = log_prob::backward(
            slice(&hidden),
            slice(&head),
            width(&hidden),
            &targets.ids,
            &saved,
            slice(&contiguous(&dout)),
            targets.precision,
        );
        like([dhidden, dhead].map(Some), [&hidden, &head].map(Some))
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn embed(embedding: FloatTensor<Self>, tokens: Arc<[u32]>) -> FloatTensor<Self> {
        let nodes = [Some(embedding.node())];
        let embedding = embedding.into_primitive();
        let out = Flex::embed(embedding.clone(), Arc::clone(&tokens));
        KernelEmbeddingSaved::track::<C>(nodes, out, || KernelEmbeddingSaved {
            shape: embedding.layout().shape().dims(),
            tokens,
        })
    }

    fn decoder_layer(
        x: FloatTensor<Self>,
        BackendWeights(tensors): BackendWeights<Self>,
        plan: Arc<KernelPlan>,
        layer: usize,
    ) -> FloatTensor<Self> {
        let nodes = inputs(x.node(), tensors.as_ref().map(<FloatTensor<Self>>::node));
        let tensors = tensors.map(FloatTensor::<Self>::into_primitive);
        let x = contiguous(x.primitive());
        let (out, saved) = layer::forward(
            &plan.layers[layer],
            &plan.layout,
            slice(&x),
            &(&weights(&tensors)).into(),
        );
        let out = tensor(out, x.layout().shape());
        KernelLayerSaved::track::<C>(nodes, out, || {
            let saved = match plan.layers[layer].precision {
                _ if plan.checkpointing => None,
                Precision::F32 => Some(saved),
                Precision::Bf16 => Some(saved.into_bf16()),
            };
            KernelLayerSaved {
                x,
                weights: tensors,
                saved: saved.map(Arc::new),
                plan,
                layer,
            }
        })
    }

    fn log_probs(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        targets: Arc<Targets>,
    ) -> FloatTensor<Self> {
        let nodes = [Some(hidden.node()), Some(head.node())];
        let hidden = contiguous(hidden.primitive());
        let head = head.into_primitive();
        let (log_probs, saved) = log_prob::forward(
            slice(&hidden),
            Weight::F32(slice(&head)),
            width(&hidden),
            &targets.ids,
            targets.precision,
        );
        let out = tensor(log_probs, &[targets.ids.len()]);
        KernelLogProbsSaved::track::<C>(nodes, out, || KernelLogProbsSaved {
            hidden,
            head,
            targets,
            saved: Arc::new(saved),
        })
    }
}

/// Returns a tensor of the CPU as the kernels take it, without copying.
///
/// # Panics
///
/// On another device.
pub(crate) fn on_cpu<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let Ok(primitive) = tensor.try_into_primitive::<Flex>() else {
        panic!("kernels take only tensors of the CPU");
    };
    primitive.to_contiguous()
}

/// Returns a layer's weights as the kernels take them, without copying.
///
/// # Panics
///
/// On another device.
pub(crate) fn layer_on_cpu(weights: LayerTensors) -> LayerWeights<FlexTensor> {
    weights.map_each(on_cpu, on_cpu)
}

/// Returns tokens' embeddings through the kernel.
///
/// # Shapes
///
/// - `embedding`: `[vocab, hidden]`
/// - result: `[tokens, hidden]`
pub(crate) fn embed(embedding: Tensor<2>, tokens: &[u32]) -> Tensor<2> {
    let (embedding, tokens) = (embedding.into_dispatch(), Arc::from(tokens));
    Tensor::from_dispatch(<Dispatch as Kernels>::embed(embedding, tokens))
}

/// Runs a decoder layer through its kernel.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, hidden]`
pub(crate) fn decoder_layer(
    x: Tensor<2>,
    weights: LayerTensors,
    plan: Arc<KernelPlan>,
    layer: usize,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Kernels>::decoder_layer(
        x.into_dispatch(),
        BackendWeights::new(weights),
        plan,
        layer,
    ))
}

/// Returns the log-prob of each row's token in `ids` through the kernel, nats.
///
/// # Shapes
///
/// - `hidden`: `[rows, hidden]`
/// - `head`: `[vocab, hidden]`
/// - result: `[rows]`
pub(crate) fn log_probs(
    hidden: Tensor<2>,
    head: Tensor<2>,
    ids: Vec<usize>,
    precision: Precision,
) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as Kernels>::log_probs(
        hidden.into_dispatch(),
        head.into_dispatch(),
        Arc::new(Targets { ids, precision }),
    ))
}
