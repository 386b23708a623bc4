//! The plain composition as operators that keep their inputs alone and are
//! computed again in the backward pass, on every device.
//!
//! A backward pass of theirs is a small training step by itself: the inputs
//! become leaves of a graph of their own, the composition is run on them, and
//! that graph's gradients are the operator's.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, Dispatch, DispatchKindConversion, DispatchTensor, Flex, backend_extension,
};
use burn::tensor::Tensor;

#[cfg(feature = "gpu")]
use burn::backend::Cube;

use crate::Precision;
use crate::model::{Attention, DecoderLayer, FeedForward, Norm, Projection, parameter};
use crate::operators::{LayerWeights, Targets};
use crate::plain::{self, Composition};

/// Rows whose logits are computed at once.
const ROWS: usize = 1024;

/// Backends that the plain composition runs on.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "gpu"))]
pub trait Recomputed: Backend {
    /// A decoder layer: `x` and the result are `[tokens, hidden]`.
    fn decoder_layer(
        x: FloatTensor<Self>,
        #[extension_type] weights: LayerWeights<Self>,
        composition: Arc<Composition>,
    ) -> FloatTensor<Self>;

    /// Log-probs of targets: `hidden` `[rows, width]`, `head` `[vocab, width]`,
    /// result `[rows]`.
    fn log_probs(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        targets: Arc<Targets>,
    ) -> FloatTensor<Self>;
}

/// Implements the operators of a backend without autodiff.
macro_rules! composed {
    ($backend:ty) => {
        impl Recomputed for $backend {
            fn decoder_layer(
                x: FloatTensor<Self>,
                weights: LayerWeights<Self>,
                composition: Arc<Composition>,
            ) -> FloatTensor<Self> {
                let layer = layer_of::<Self>(weights, false);
                primitive::<Self, 2>(
                    composition.decoder_layer(Tensor::from_primitive::<Self>(x), &layer),
                )
            }

            fn log_probs(
                hidden: FloatTensor<Self>,
                head: FloatTensor<Self>,
                targets: Arc<Targets>,
            ) -> FloatTensor<Self> {
                let hidden = Tensor::from_primitive::<Self>(hidden);
                let head = Tensor::from_primitive::<Self>(head);
                primitive::<Self, 1>(plain::log_probs(hidden, head, &targets))
            }
        }
    };
}

composed!(Flex);
#[cfg(feature = "gpu")]
composed!(Cube);

fn primitive<B: Backend, const D: usize>(tensor: Tensor<D>) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let primitive = tensor.try_into_primitive::<B>();
    primitive.expect("a composition stays on its inputs' backend")
}

/// A tensor of a graph of its own, its first.
fn leaf<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<D>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let tensor = Tensor::from_primitive::<B>(primitive);
    tensor.autodiff().require_grad()
}

/// A layer of weights; where `tracked`, leaves of a graph of their own.
fn layer_of<B: Backend>(weights: LayerWeights<B>, tracked: bool) -> DecoderLayer
where
    DispatchTensor: DispatchKindConversion<B>,
{
    fn tensor<B: Backend, const D: usize>(weight: FloatTensor<B>, tracked: bool) -> Tensor<D>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        let tensor = Tensor::from_primitive::<B>(weight);
        if tracked { tensor.autodiff() } else { tensor }
    }
    let norm = |weight| Norm {
        weight: parameter(tensor::<B, 1>(weight, tracked)),
    };
    let projection = |weight| Projection {
        weight: parameter(tensor::<B, 2>(weight, tracked)),
    };
    DecoderLayer {
        self_attn: Attention {
            q_proj: projection(weights.query),
            k_proj: projection(weights.key),
            v_proj: projection(weights.value),
            o_proj: projection(weights.output),
        },
        mlp: FeedForward {
            gate_proj: projection(weights.gate),
            up_proj: projection(weights.up),
            down_proj: projection(weights.down),
        },
        input_layernorm: norm(weights.input_norm),
        post_attention_layernorm: norm(weights.post_norm),
    }
}

/// Runs a composition's graph back from the gradient of its result: a backward
/// pass begins with ones at each value.
fn back<B: Backend, const D: usize>(
    out: Tensor<D>,
    gradient: FloatTensor<B>,
) -> burn::tensor::Gradients
where
    DispatchTensor: DispatchKindConversion<B>,
{
    (out * Tensor::from_primitive::<B>(gradient)).backward()
}

/// The gradient of a leaf.
fn gradient_of<B: Backend, const D: usize>(
    leaf: &Tensor<D>,
    gradients: &mut burn::tensor::Gradients,
) -> FloatTensor<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let gradient = leaf.grad_remove(gradients);
    primitive::<B, D>(gradient.expect("every input is used"))
}

#[derive(Debug)]
struct LayerBackward;

#[derive(Clone, Debug)]
struct LayerState<B: Backend> {
    x: FloatTensor<B>,
    weights: LayerWeights<B>,
    composition: Arc<Composition>,
}

impl<B: Backend> Backward<B, 10> for LayerBackward
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = LayerState<B>;

    fn backward(
        self,
        ops: Ops<LayerState<B>, 10>,
        gradients: &mut Gradients,
        _: &mut Checkpointer,
    ) {
        let dout = gradients.consume::<B>(&ops.node);
        let LayerState {
            x,
            weights,
            composition,
        } = ops.state;
        let x = leaf::<B, 2>(x);
        let layer = layer_of::<B>(weights, true);
        let mut own = back::<B, 2>(composition.decoder_layer(x.clone(), &layer), dout);
        let own = &mut own;
        let found = [
            gradient_of::<B, 2>(&x, own),
            gradient_of::<B, 1>(&layer.input_layernorm.weight.val(), own),
            gradient_of::<B, 2>(&layer.self_attn.q_proj.weight.val(), own),
            gradient_of::<B, 2>(&layer.self_attn.k_proj.weight.val(), own),
            gradient_of::<B, 2>(&layer.self_attn.v_proj.weight.val(), own),
            gradient_of::<B, 2>(&layer.self_attn.o_proj.weight.val(), own),
            gradient_of::<B, 1>(&layer.post_attention_layernorm.weight.val(), own),
            gradient_of::<B, 2>(&layer.mlp.gate_proj.weight.val(), own),
            gradient_of::<B, 2>(&layer.mlp.up_proj.weight.val(), own),
            gradient_of::<B, 2>(&layer.mlp.down_proj.weight.val(), own),
        ];
        let parents = ops.parents.map(|it| it.map(|node| node.id));
        register::<B, 10>(parents, found, gradients);
    }
}

#[derive(Debug)]
struct LogProbsBackward;

#[derive(Clone, Debug)]
struct LogProbsState<B: Backend> {
    hidden: FloatTensor<B>,
    head: FloatTensor<B>,
    targets: Arc<Targets>,
}

impl<B: Backend> Backward<B, 2> for LogProbsBackward
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = LogProbsState<B>;

    fn backward(
        self,
        ops: Ops<LogProbsState<B>, 2>,
        gradients: &mut Gradients,
        _: &mut Checkpointer,
    ) {
        let dout = gradients.consume::<B>(&ops.node);
        let hidden = leaf::<B, 2>(ops.state.hidden);
        let head = leaf::<B, 2>(ops.state.head);
        let out = plain::log_probs(hidden.clone(), head.clone(), &ops.state.targets);
        let mut own = back::<B, 1>(out, dout);
        let found = [&hidden, &head].map(|it| gradient_of::<B, 2>(it, &mut own));
        let parents = ops.parents.map(|it| it.map(|node| node.id));
        register::<B, 2>(parents, found, gradients);
    }
}

fn register<B: Backend, const N: usize>(
    parents: [Option<NodeId>; N],
    found: [FloatTensor<B>; N],
    gradients: &mut Gradients,
) {
    for (parent, gradient) in parents.into_iter().zip(found) {
        if let Some(parent) = parent {
            gradients.register::<B>(parent, gradient);
        }
    }
}

impl<B: Recomputed, C: CheckpointStrategy> Recomputed for Autodiff<B, C>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    fn decoder_layer(
        x: FloatTensor<Self>,
        weights: LayerWeights<Self>,
        composition: Arc<Composition>,
    ) -> FloatTensor<Self> {
        let primitives = weights.clone().map::<B>(|w| w.primitive().clone());
        let [w0, w1, w2, w3, w4, w5, w6, w7, w8] = weights.into_array().map(|w| w.node());
        let nodes = [x.node(), w0, w1, w2, w3, w4, w5, w6, w7, w8];
        let (x, weights) = (x.primitive().clone(), primitives);
        let out = B::decoder_layer(x.clone(), weights.clone(), Arc::clone(&composition));
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(
                LayerState {
                    x,
                    weights,
                    composition,
                },
                out,
            ),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }

    fn log_probs(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        targets: Arc<Targets>,
    ) -> FloatTensor<Self> {
        let nodes = [hidden.node(), head.node()];
        let (hidden, head) = (hidden.primitive().clone(), head.primitive().clone());
        let out = B::log_probs(hidden.clone(), head.clone(), Arc::clone(&targets));
        let prepared = LogProbsBackward.prepare::<C>(nodes).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => {
                let state = LogProbsState {
                    hidden,
                    head,
                    targets,
                };
                prepared.finish(state, out)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

/// Runs a decoder layer of which the input alone is kept.
pub(crate) fn decoder_layer(
    x: Tensor<2>,
    layer: &DecoderLayer,
    composition: Arc<Composition>,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Recomputed>::decoder_layer(
        x.into_dispatch(),
        LayerWeights::of(layer),
        composition,
    ))
}

/// Returns the targets' log-probs, `[rows]`, in slices of rows whose logits are
/// not kept.
pub(crate) fn log_probs(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[usize],
    precision: Precision,
) -> Tensor<1> {
    let slices = targets.chunks(ROWS).enumerate().map(|(i, ids)| {
        let rows = hidden.clone().narrow(0, i * ROWS, ids.len());
        let ids = ids.to_vec();
        Tensor::from_dispatch(<Dispatch as Recomputed>::log_probs(
            rows.into_dispatch(),
            head.clone().into_dispatch(),
            Arc::new(Targets { ids, precision }),
        ))
    });
    Tensor::cat(slices.collect(), 0)
}
