//! Burn operators made of the CPU's kernels: a decoder layer, and log-probs
//! in slices, each with its own backward pass.
//!
//! Only the backend `flex` has them; on every other device `plain` composes the
//! same from Burn's own operators.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout as FlexLayout};

use apo_kernels::attention::Heads;
use apo_kernels::layer::{self, LayerConfig};
use apo_kernels::layout::Layout;
use apo_kernels::{LayerWeights, log_prob};

use crate::Precision;
use crate::config::LlamaConfig;
use crate::layer_weights::{BackendWeights, LayerTensors, N_INPUTS, inputs};

/// What a layer's kernel needs beside tensors.
#[derive(Debug)]
pub struct LayerPlan {
    pub(crate) config: LayerConfig,
    pub(crate) layout: Layout,
    /// Keep only the input, and compute the layer again in the backward pass.
    pub(crate) checkpointing: bool,
}

/// The tokens whose log-probs are computed, one for each row.
#[derive(Debug)]
pub struct Targets {
    pub(crate) ids: Vec<usize>,
    pub(crate) precision: Precision,
}

/// Returns what the layers' kernels need to know of a configuration.
pub(crate) fn layer_config(config: &LlamaConfig, precision: Precision) -> LayerConfig {
    LayerConfig {
        hidden: config.hidden_size,
        intermediate: config.intermediate_size,
        heads: Heads {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
        },
        rms_norm_eps: config.rms_norm_eps as f32,
        precision,
        batch_invariant: false,
    }
}

/// Backends that have this crate's kernels.
#[backend_extension(Autodiff, Flex)]
pub trait Kernels: Backend {
    /// Runs a decoder layer.
    ///
    /// # Shapes
    ///
    /// - `x` and the result: `[tokens, hidden]`
    fn decoder_layer(
        x: FloatTensor<Self>,
        #[extension_type] weights: BackendWeights<Self>,
        plan: Arc<LayerPlan>,
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

fn tensor(data: Vec<f32>, shape: &[usize]) -> FlexTensor {
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

fn width(tensor: &FlexTensor) -> usize {
    tensor.layout().shape()[1]
}

/// Borrows a layer's tensors as its kernel reads them.
pub(crate) fn weights(tensors: &LayerWeights<FlexTensor>) -> layer::Weights<'_> {
    tensors.as_ref().map(slice)
}

impl Kernels for Flex {
    fn decoder_layer(
        x: FloatTensor<Self>,
        BackendWeights(tensors): BackendWeights<Self>,
        plan: Arc<LayerPlan>,
    ) -> FloatTensor<Self> {
        let x = contiguous(&x);
        let (out, _) = plan
            .config
            .forward(&plan.layout, slice(&x), &(&weights(&tensors)).into());
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
            slice(&head),
            width(&hidden),
            &targets.ids,
            targets.precision,
        );
        tensor(log_probs, &[targets.ids.len()])
    }
}

#[derive(Debug)]
struct LayerBackward;

#[derive(Clone)]
struct LayerState {
    x: FlexTensor,
    weights: LayerWeights<FlexTensor>,
    plan: Arc<LayerPlan>,
    saved: Option<Arc<layer::Saved>>,
}

impl std::fmt::Debug for LayerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerState").finish_non_exhaustive()
    }
}

impl Backward<Flex, N_INPUTS> for LayerBackward {
    type State = LayerState;

    fn backward(
        self,
        ops: Ops<LayerState, N_INPUTS>,
        gradients: &mut Gradients,
        _: &mut Checkpointer,
    ) {
        let dout = contiguous(&gradients.consume::<Flex>(&ops.node));
        let state = ops.state;
        let plan = &state.plan;
        let view = weights(&state.weights);
        let saved = state.saved.unwrap_or_else(|| {
            let (_, saved) = plan
                .config
                .forward(&plan.layout, slice(&state.x), &(&view).into());
            Arc::new(saved)
        });
        let d = plan
            .config
            .backward(&plan.layout, slice(&state.x), &view, &saved, slice(&dout));
        let values = inputs(d.input, d.weights);
        let tensors = inputs(&state.x, state.weights.as_ref());
        let parents = ops.parents.map(|it| it.map(|node| node.id));
        register(parents, values, tensors, gradients);
    }
}

/// Registers the gradients of an operator's inputs, in the inputs' shapes.
fn register<const N: usize>(
    parents: [Option<NodeId>; N],
    values: [Vec<f32>; N],
    inputs: [&FlexTensor; N],
    gradients: &mut Gradients,
) {
    for ((parent, value), input) in parents.into_iter().zip(values).zip(inputs) {
        if let Some(parent) = parent {
            let shape = input.layout().shape();
            gradients.register::<Flex>(parent, tensor(value, shape));
        }
    }
}

#[derive(Debug)]
struct LogProbsBackward;

#[derive(Clone, Debug)]
struct LogProbsState {
    hidden: FlexTensor,
    head: FlexTensor,
    targets: Arc<Targets>,
    log_sums: Vec<f32>,
}

impl Backward<Flex, 2> for LogProbsBackward {
    type State = LogProbsState;

    fn backward(self, ops: Ops<LogProbsState, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dlog_probs = contiguous(&gradients.consume::<Flex>(&ops.node));
        let LogProbsState {
            hidden,
            head,
            targets,
            log_sums,
        } = ops.state;
        let (dhidden, dhead) = log_prob::backward(
            slice(&hidden),
            slice(&head),
            width(&hidden),
            &targets.ids,
            &log_sums,
            slice(&dlog_probs),
            targets.precision,
        );
        let values = [dhidden, dhead];
        let parents = ops.parents.map(|it| it.map(|node| node.id));
        register(parents, values, [&hidden, &head], gradients);
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn decoder_layer(
        x: FloatTensor<Self>,
        BackendWeights(tensors): BackendWeights<Self>,
        plan: Arc<LayerPlan>,
    ) -> FloatTensor<Self> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "Burn names the type nowhere in public"
        )]
        let nodes = inputs(x.node(), tensors.as_ref().map(|tensor| tensor.node()));
        let primitives = tensors.map(|tensor| tensor.primitive().clone());
        let x = contiguous(x.primitive());
        let (out, saved) =
            plan.config
                .forward(&plan.layout, slice(&x), &(&weights(&primitives)).into());
        let out = tensor(out, x.layout().shape());
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let saved = (!plan.checkpointing).then(|| Arc::new(saved));
                let state = LayerState {
                    x,
                    weights: primitives,
                    plan,
                    saved,
                };
                prepared.finish(state, out)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }

    fn log_probs(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        targets: Arc<Targets>,
    ) -> FloatTensor<Self> {
        let nodes = [hidden.node(), head.node()];
        let hidden = contiguous(hidden.primitive());
        let head = head.primitive().clone();
        let (log_probs, log_sums) = log_prob::forward(
            slice(&hidden),
            slice(&head),
            width(&hidden),
            &targets.ids,
            targets.precision,
        );
        let out = tensor(log_probs, &[targets.ids.len()]);
        match LogProbsBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => {
                let state = LogProbsState {
                    hidden,
                    head,
                    targets,
                    log_sums,
                };
                prepared.finish(state, out)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
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

/// Runs a decoder layer through its kernel.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, hidden]`
pub(crate) fn decoder_layer(
    x: Tensor<2>,
    weights: LayerTensors,
    plan: Arc<LayerPlan>,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Kernels>::decoder_layer(
        x.into_dispatch(),
        BackendWeights::new(weights),
        plan,
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
