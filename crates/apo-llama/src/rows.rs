//! Rows in another order: forward and backward a selection each. Burn's own
//! backward pass of a selection adds row after row, since one may be taken twice.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Int, Tensor};

#[cfg(feature = "gpu")]
use burn::backend::Cube;

/// Backends that put rows in another order.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "gpu"))]
pub trait Rows: Backend {
    /// The rows of `x` that `to` names; `back` names for each row of `x` where
    /// it went.
    fn ordered(
        x: FloatTensor<Self>,
        to: IntTensor<Self>,
        back: IntTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Implements the operator of a backend without autodiff.
macro_rules! selected {
    ($backend:ty) => {
        impl Rows for $backend {
            fn ordered(
                x: FloatTensor<Self>,
                to: IntTensor<Self>,
                _: IntTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::float_select(x, 0, to)
            }
        }
    };
}

selected!(Flex);
#[cfg(feature = "gpu")]
selected!(Cube);

#[derive(Debug)]
struct OrderedBackward;

impl<B: Rows> Backward<B, 1> for OrderedBackward {
    type State = IntTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dout = gradients.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            gradients.register::<B>(parent.id, B::float_select(dout, 0, ops.state));
        }
    }
}

impl<B: Rows, C: CheckpointStrategy> Rows for Autodiff<B, C> {
    fn ordered(
        x: FloatTensor<Self>,
        to: IntTensor<Self>,
        back: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let out = B::ordered(x.primitive().clone(), to, back.clone());
        let prepared = OrderedBackward.prepare::<C>(nodes).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(back, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

/// Returns the rows of `x` that `to` names, where `back` names for each row of
/// `x` its place in the result.
///
/// A row that `to` names twice learns through the place in `back` alone: the
/// others must be such that nothing is learnt through them.
pub(crate) fn ordered<const D: usize>(
    x: Tensor<D>,
    to: Tensor<1, Int>,
    back: Tensor<1, Int>,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Rows>::ordered(
        x.into_dispatch(),
        to.into_dispatch(),
        back.into_dispatch(),
    ))
}
