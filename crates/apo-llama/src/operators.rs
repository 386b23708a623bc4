//! Burn operators made of the CPU's kernels: a decoder layer, and log-probs
//! in slices, each with its own backward pass.
//!
//! They exist for the backend `flex` alone; on every other device `plain`
//! composes the same from Burn's own operators.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout as FlexLayout};

use crate::Precision;
use apo_kernels::layout::Layout;
use apo_kernels::{layer, log_prob};

/// The weights of a decoder layer.
#[derive(Clone, Debug, ExtensionType)]
pub struct LayerWeights<B: Backend> {
    pub(crate) input_norm: FloatTensor<B>,
    pub(crate) query: FloatTensor<B>,
    pub(crate) key: FloatTensor<B>,
    pub(crate) value: FloatTensor<B>,
    pub(crate) output: FloatTensor<B>,
    pub(crate) post_norm: FloatTensor<B>,
    pub(crate) gate: FloatTensor<B>,
    pub(crate) up: FloatTensor<B>,
    pub(crate) down: FloatTensor<B>,
}

/// What a layer's kernel needs beside tensors.
#[derive(Debug)]
pub struct LayerPlan {
    pub(crate) shape: layer::Shape,
    pub(crate) layout: Arc<Layout>,
    /// Keep the input alone and compute the layer again in the backward pass.
    pub(crate) recompute: bool,
}

/// The rows' targets.
#[derive(Debug)]
pub struct Targets {
    pub(crate) ids: Vec<usize>,
    pub(crate) precision: Precision,
}

/// Backends that have kernels of this crate.
#[backend_extension(Autodiff, Flex)]
pub trait Kernels: Backend {
    /// A decoder layer: `x` and the result are `[tokens, hidden]`.
    fn decoder_layer(
        x: FloatTensor<Self>,
        #[extension_type] weights: LayerWeights<Self>,
        plan: Arc<LayerPlan>,
    ) -> FloatTensor<Self>;

    /// Log-probs of targets: `hidden` `[rows, width]`, `head` `[vocab, width]`,
    /// result `[rows]`.
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

/// Borrows nine tensors as a layer's weights, in [`LayerWeights`]' order.
pub(crate) fn weights(tensors: &[FlexTensor; 9]) -> layer::Weights<'_> {
    let [
        input_norm,
        query,
        key,
        value,
        output,
        post_norm,
        gate,
        up,
        down,
    ] = tensors.each_ref().map(slice);
    layer::Weights {
        input_norm,
        query,
        key,
        value,
        output,
        post_norm,
        gate,
        up,
        down,
    }
}

impl LayerWeights<Dispatch> {
    pub(crate) fn of(layer: &crate::model::DecoderLayer) -> Self {
        Self {
            input_norm: layer.input_layernorm.weight.val().into_dispatch(),
            query: layer.self_attn.q_proj.weight.val().into_dispatch(),
            key: layer.self_attn.k_proj.weight.val().into_dispatch(),
            value: layer.self_attn.v_proj.weight.val().into_dispatch(),
            output: layer.self_attn.o_proj.weight.val().into_dispatch(),
            post_norm: layer.post_attention_layernorm.weight.val().into_dispatch(),
            gate: layer.mlp.gate_proj.weight.val().into_dispatch(),
            up: layer.mlp.up_proj.weight.val().into_dispatch(),
            down: layer.mlp.down_proj.weight.val().into_dispatch(),
        }
    }
}

impl<B: Backend> LayerWeights<B> {
    /// The weights as another backend's.
    pub(crate) fn map<A: Backend>(
        self,
        to: impl Fn(FloatTensor<B>) -> FloatTensor<A>,
    ) -> LayerWeights<A> {
        LayerWeights {
            input_norm: to(self.input_norm),
            query: to(self.query),
            key: to(self.key),
            value: to(self.value),
            output: to(self.output),
            post_norm: to(self.post_norm),
            gate: to(self.gate),
            up: to(self.up),
            down: to(self.down),
        }
    }

    pub(crate) fn into_array(self) -> [FloatTensor<B>; 9] {
        [
            self.input_norm,
            self.query,
            self.key,
            self.value,
            self.output,
            self.post_norm,
            self.gate,
            self.up,
            self.down,
        ]
    }
}

impl Kernels for Flex {
    fn decoder_layer(
        x: FloatTensor<Self>,
        layer_weights: LayerWeights<Self>,
        plan: Arc<LayerPlan>,
    ) -> FloatTensor<Self> {
        let (x, tensors) = (contiguous(&x), layer_weights.into_array());
        let (out, _) = plan
            .shape
            .forward(&plan.layout, slice(&x), &weights(&tensors));
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
    weights: [FlexTensor; 9],
    plan: Arc<LayerPlan>,
    saved: Option<Arc<layer::Saved>>,
}

impl std::fmt::Debug for LayerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerState").finish_non_exhaustive()
    }
}

impl Backward<Flex, 10> for LayerBackward {
    type State = LayerState;

    fn backward(self, ops: Ops<LayerState, 10>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(&gradients.consume::<Flex>(&ops.node));
        let state = ops.state;
        let plan = &state.plan;
        let view = weights(&state.weights);
        let saved = state.saved.unwrap_or_else(|| {
            let (_, saved) = plan.shape.forward(&plan.layout, slice(&state.x), &view);
            Arc::new(saved)
        });
        let d = plan
            .shape
            .backward(&plan.layout, slice(&state.x), &view, &saved, slice(&dout));
        let values = [
            d.input,
            d.input_norm,
            d.query,
            d.key,
            d.value,
            d.output,
            d.post_norm,
            d.gate,
            d.up,
            d.down,
        ];
        let inputs = std::iter::once(&state.x).chain(&state.weights);
        for ((parent, value), input) in ops.parents.into_iter().zip(values).zip(inputs) {
            if let Some(parent) = parent {
                let shape = input.layout().shape();
                gradients.register::<Flex>(parent.id, tensor(value, shape));
            }
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
        for ((parent, value), input) in ops
            .parents
            .into_iter()
            .zip([dhidden, dhead])
            .zip([hidden, head])
        {
            if let Some(parent) = parent {
                let shape = input.layout().shape();
                gradients.register::<Flex>(parent.id, tensor(value, shape));
            }
        }
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn decoder_layer(
        x: FloatTensor<Self>,
        layer_weights: LayerWeights<Self>,
        plan: Arc<LayerPlan>,
    ) -> FloatTensor<Self> {
        let tensors = layer_weights.into_array();
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "Burn names the type nowhere in public"
        )]
        let [w0, w1, w2, w3, w4, w5, w6, w7, w8] = tensors.each_ref().map(|w| w.node());
        let nodes = [x.node(), w0, w1, w2, w3, w4, w5, w6, w7, w8];
        let primitives = tensors.each_ref().map(|w| w.primitive().clone());
        let x = contiguous(x.primitive());
        let (out, saved) = plan
            .shape
            .forward(&plan.layout, slice(&x), &weights(&primitives));
        let out = tensor(out, x.layout().shape());
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let saved = (!plan.recompute).then(|| Arc::new(saved));
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

/// Returns a tensor of the CPU's as the kernels take it, without copying.
///
/// # Panics
///
/// On another device.
pub(crate) fn on_cpu<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let Ok(primitive) = tensor.try_into_primitive::<Flex>() else {
        panic!("kernels are for the CPU's tensors alone");
    };
    primitive.to_contiguous()
}

/// Returns a layer's weights in [`LayerWeights`]' order.
pub(crate) fn layer_on_cpu(layer: &crate::model::DecoderLayer) -> [FlexTensor; 9] {
    [
        on_cpu(layer.input_layernorm.weight.val()),
        on_cpu(layer.self_attn.q_proj.weight.val()),
        on_cpu(layer.self_attn.k_proj.weight.val()),
        on_cpu(layer.self_attn.v_proj.weight.val()),
        on_cpu(layer.self_attn.o_proj.weight.val()),
        on_cpu(layer.post_attention_layernorm.weight.val()),
        on_cpu(layer.mlp.gate_proj.weight.val()),
        on_cpu(layer.mlp.up_proj.weight.val()),
        on_cpu(layer.mlp.down_proj.weight.val()),
    ]
}

/// Runs a decoder layer through its kernel; `weights` in [`LayerWeights`]' order.
pub(crate) fn decoder_layer(
    x: Tensor<2>,
    layer: &crate::model::DecoderLayer,
    plan: Arc<LayerPlan>,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Kernels>::decoder_layer(
        x.into_dispatch(),
        LayerWeights::of(layer),
        plan,
    ))
}

/// Returns the targets' log-probs through the kernel, `[rows]`.
pub(crate) fn log_probs(hidden: Tensor<2>, head: Tensor<2>, targets: Arc<Targets>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as Kernels>::log_probs(
        hidden.into_dispatch(),
        head.into_dispatch(),
        targets,
    ))
}
