//! Gradient checkpointing on every device: the composition of Burn's operators as
//! operators that keep only their inputs and are computed again in the backward pass.
//!
//! Such a backward pass is a small training step by itself: the inputs become
//! leaves of a new graph, the composition runs on them, and that graph's
//! gradients are the operator's.

use std::cell::RefCell;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, Dispatch, DispatchKindConversion, DispatchTensor, Flex, backend_extension,
};
use burn::tensor::Tensor;

#[cfg(feature = "gpu")]
use burn::backend::Cube;

use apo_kernels::{LayerWeights, Precision};

use crate::composed::{self, ComposedPlan};
use crate::extension::{SavedForBackward, Targets};
use crate::layer_weights::{BackendWeights, LayerTensors, N_INPUTS, inputs};

/// Rows whose logits are in memory at once.
const ROWS: usize = 1024;

/// Backends that run the composition of Burn's operators.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "gpu"))]
pub trait Checkpointed: Backend {
    /// Runs a decoder layer, given its number.
    ///
    /// # Shapes
    ///
    /// - `x` and the result: `[tokens, hidden]`
    fn decoder_layer(
        x: FloatTensor<Self>,
        #[extension_type] weights: BackendWeights<Self>,
        plan: Arc<ComposedPlan>,
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

/// Implements the operators for a backend without autodiff.
macro_rules! composed {
    ($backend:ty) => {
        impl Checkpointed for $backend {
            fn decoder_layer(
                x: FloatTensor<Self>,
                BackendWeights(weights): BackendWeights<Self>,
                plan: Arc<ComposedPlan>,
                layer: usize,
            ) -> FloatTensor<Self> {
                let x = Tensor::from_primitive::<Self>(x);
                let weights = weights.map_each(
                    Tensor::from_primitive::<Self>,
                    Tensor::from_primitive::<Self>,
                );
                primitive::<Self, 2>(plan.decoder_layer(x, &weights, layer))
            }

            fn log_probs(
                hidden: FloatTensor<Self>,
                head: FloatTensor<Self>,
                targets: Arc<Targets>,
            ) -> FloatTensor<Self> {
                let hidden = Tensor::from_primitive::<Self>(hidden);
                let head = Tensor::from_primitive::<Self>(head);
                let Targets { ids, precision } = &*targets;
                primitive::<Self, 1>(composed::log_probs(hidden, head, ids, *precision))
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

/// Makes a tensor the leaf of a new graph.
fn leaf<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<D>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    let tensor = Tensor::from_primitive::<B>(primitive);
    tensor.autodiff().require_grad()
}

/// Runs the graph of `out` back from the gradient of `out`. A backward pass
/// begins with ones at each value, so the gradient is multiplied in.
fn back<B: Backend, const D: usize>(
    out: Tensor<D>,
    gradient: FloatTensor<B>,
) -> burn::tensor::Gradients
where
    DispatchTensor: DispatchKindConversion<B>,
{
    (out * Tensor::from_primitive::<B>(gradient)).backward()
}

/// Takes the gradient of a leaf.
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

#[derive(Clone, Debug)]
struct ComposedLayerSaved<B: Backend> {
    x: FloatTensor<B>,
    weights: LayerWeights<FloatTensor<B>>,
    plan: Arc<ComposedPlan>,
    layer: usize,
}

impl<B: Backend> SavedForBackward<B, N_INPUTS> for ComposedLayerSaved<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    fn gradients(self, dout: FloatTensor<B>) -> [Option<FloatTensor<B>>; N_INPUTS] {
        let x = leaf::<B, 2>(self.x);
        let weights = self.weights.map_each(leaf::<B, 2>, leaf::<B, 1>);
        let out = self.plan.decoder_layer(x.clone(), &weights, self.layer);
        let own = RefCell::new(back::<B, 2>(out, dout));
        let of_x = gradient_of::<B, 2>(&x, &mut own.borrow_mut());
        let of_weights = weights.map_each(
            |weight| gradient_of::<B, 2>(&weight, &mut own.borrow_mut()),
            |weight| gradient_of::<B, 1>(&weight, &mut own.borrow_mut()),
        );
        inputs(of_x, of_weights)
    }
}

#[derive(Clone, Debug)]
struct ComposedLogProbsSaved<B: Backend> {
    hidden: FloatTensor<B>,
    head: FloatTensor<B>,
    targets: Arc<Targets>,
}

impl<B: Backend> SavedForBackward<B, 2> for ComposedLogProbsSaved<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    fn gradients(self, dout: FloatTensor<B>) -> [Option<FloatTensor<B>>; 2] {
        let hidden = leaf::<B, 2>(self.hidden);
        let head = leaf::<B, 2>(self.head);
        let Targets { ids, precision } = &*self.targets;
        let out = composed::log_probs(hidden.clone(), head.clone(), ids, *precision);
        let mut own = back::<B, 1>(out, dout);
        [&hidden, &head].map(|leaf| Some(gradient_of::<B, 2>(leaf, &mut own)))
    }
}

impl<B: Checkpointed, C: CheckpointStrategy> Checkpointed for Autodiff<B, C>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    fn decoder_layer(
        x: FloatTensor<Self>,
        BackendWeights(weights): BackendWeights<Self>,
        plan: Arc<ComposedPlan>,
        layer: usize,
    ) -> FloatTensor<Self> {
        let nodes = inputs(x.node(), weights.as_ref().map(<FloatTensor<Self>>::node));
        let x = x.into_primitive();
        let weights = weights.map(FloatTensor::<Self>::into_primitive);
        let shared = BackendWeights(weights.clone());
        let out = B::decoder_layer(x.clone(), shared, Arc::clone(&plan), layer);
        ComposedLayerSaved::track::<C>(nodes, out, || ComposedLayerSaved {
            x,
            weights,
            plan,
            layer,
        })
    }

    fn log_probs(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        targets: Arc<Targets>,
    ) -> FloatTensor<Self> {
        let nodes = [Some(hidden.node()), Some(head.node())];
        let (hidden, head) = (hidden.into_primitive(), head.into_primitive());
        let out = B::log_probs(hidden.clone(), head.clone(), Arc::clone(&targets));
        ComposedLogProbsSaved::track::<C>(nodes, out, || ComposedLogProbsSaved {
            hidden,
            head,
            targets,
        })
    }
}

/// Runs a decoder layer, given its number, and keeps only its input.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, hidden]`
pub(crate) fn decoder_layer(
    x: Tensor<2>,
    weights: LayerTensors,
    plan: Arc<ComposedPlan>,
    layer: usize,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Checkpointed>::decoder_layer(
        x.into_dispatch(),
        BackendWeights::new(weights),
        plan,
        layer,
    ))
}

/// Returns the log-prob of each row's target, nats, computed in slices of rows;
/// the logits are not kept.
///
/// # Shapes
///
/// - `hidden`: `[rows, hidden]`
/// - `head`: `[vocab, hidden]`
/// - result: `[rows]`
pub(crate) fn log_probs(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[usize],
    precision: Precision,
) -> Tensor<1> {
    let slices = targets.chunks(ROWS).enumerate().map(|(i, ids)| {
        let rows = hidden.clone().narrow(0, i * ROWS, ids.len());
        let ids = ids.to_vec();
        Tensor::from_dispatch(<Dispatch as Checkpointed>::log_probs(
            rows.into_dispatch(),
            head.clone().into_dispatch(),
            Arc::new(Targets { ids, precision }),
        ))
    });
    Tensor::cat(slices.collect(), 0)
}
