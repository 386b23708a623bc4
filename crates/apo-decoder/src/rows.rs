//! Rows in another order. Forward and backward are one selection each; the
//! backward pass of Burn's own selection adds row after row, because a row may be
//! selected twice.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Int, Tensor};

#[cfg(feature = "gpu")]
use burn::backend::Cube;

use crate::extension::SavedForBackward;

/// Backends that put rows in another order.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "gpu"))]
pub trait Rows: Backend {
    /// Returns the rows of `x` that `to` names; `back` gives the place of each
    /// row of `x` in the result.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, …]`
    /// - `to`: `[places]`
    /// - `back`: `[rows]`
    /// - result: `[places, …]`
    fn reorder(
        x: FloatTensor<Self>,
        to: IntTensor<Self>,
        back: IntTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Implements the operator for a backend without autodiff.
macro_rules! select_rows {
    ($backend:ty) => {
        impl Rows for $backend {
            fn reorder(
                x: FloatTensor<Self>,
                to: IntTensor<Self>,
                _: IntTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::float_select(x, 0, to)
            }
        }
    };
}

select_rows!(Flex);
#[cfg(feature = "gpu")]
select_rows!(Cube);

#[derive(Clone, Debug)]
struct ReorderSaved<B: Backend> {
    back: IntTensor<B>,
}

impl<B: Backend> SavedForBackward<B, 1> for ReorderSaved<B> {
    fn gradients(self, dout: FloatTensor<B>) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::float_select(dout, 0, self.back))]
    }
}

impl<B: Rows, C: CheckpointStrategy> Rows for Autodiff<B, C> {
    fn reorder(
        x: FloatTensor<Self>,
        to: IntTensor<Self>,
        back: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [Some(x.node())];
        let out = B::reorder(x.into_primitive(), to, back.clone());
        ReorderSaved::<B>::track::<C>(nodes, out, || ReorderSaved { back })
    }
}

/// Returns the rows of `x` that `to` names; `back` gives the place of each row
/// of `x` in the result.
///
/// # Shapes
///
/// - `x`: `[rows, …]`
/// - `to`: `[places]`
/// - `back`: `[rows]`
/// - result: `[places, …]`
///
/// If `to` names a row twice, its gradient comes only from the place in `back`:
/// no gradient may be needed through the other places.
pub(crate) fn reorder<const D: usize>(
    x: Tensor<D>,
    to: Tensor<1, Int>,
    back: Tensor<1, Int>,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Rows>::reorder(
        x.into_dispatch(),
        to.into_dispatch(),
        back.into_dispatch(),
    ))
}
