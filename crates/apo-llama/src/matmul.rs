//! Matrix products of bf16 or f32 operands with f32 sums and results, forward
//! and backward, on every backend. Burn's own product would round the results
//! of bf16 operands to bf16.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{FloatDType, Tensor};

#[cfg(feature = "gpu")]
use burn::{backend::Cube, tensor::DType};

use apo_kernels::Precision;

/// Backends that multiply into f32.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "gpu"))]
pub trait Matmul: Backend {
    /// Returns `a · b`, or `a · bᵀ` if `transposed`, as f32. Both have the same
    /// dtype, and their leading dimensions match.
    ///
    /// # Shapes
    ///
    /// - `a`: `[…, m, k]`
    /// - `b`: `[…, k, n]`, or `[…, n, k]` if `transposed`
    /// - result: `[…, m, n]`
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self>;
}

fn transpose_if<B: Backend>(x: FloatTensor<B>, transposed: bool) -> FloatTensor<B> {
    if !transposed {
        return x;
    }
    let rank = x.rank();
    B::float_swap_dims(x, rank - 2, rank - 1)
}

impl Matmul for Flex {
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self> {
        // A product of two bf16 numbers is exact in f32.
        let [a, b] = [a, b].map(|it| Self::float_cast(it, FloatDType::F32));
        Self::float_matmul(a, transpose_if::<Self>(b, transposed))
    }
}

#[cfg(feature = "gpu")]
impl Matmul for Cube {
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self> {
        use burn_cubecl::kernel::matmul::{self, MatmulStrategy};

        let b = transpose_if::<Self>(b, transposed);
        let product = matmul::matmul(a, b, None, MatmulStrategy::default(), DType::F32);
        product.expect("a device multiplies what it holds")
    }
}

#[derive(Debug)]
struct MatmulBackward;

#[derive(Clone, Debug)]
struct MatmulState<B: Backend> {
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    transposed: bool,
}

impl<B: Matmul> Backward<B, 2> for MatmulBackward {
    type State = MatmulState<B>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dout = gradients.consume::<B>(&ops.node);
        let MatmulState { a, b, transposed } = ops.state;
        let dout = B::float_cast(dout, a.dtype().into());
        let [of_a, of_b] = ops.parents;
        if let Some(parent) = of_a {
            gradients.register::<B>(parent.id, B::matmul(dout.clone(), b, !transposed));
        }
        if let Some(parent) = of_b {
            let db = if transposed {
                B::matmul(transpose_if::<B>(dout, true), a, false)
            } else {
                B::matmul(transpose_if::<B>(a, true), dout, false)
            };
            gradients.register::<B>(parent.id, db);
        }
    }
}

impl<B: Matmul, C: CheckpointStrategy> Matmul for Autodiff<B, C> {
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self> {
        let nodes = [a.node(), b.node()];
        let (a, b) = (a.primitive().clone(), b.primitive().clone());
        let out = B::matmul(a.clone(), b.clone(), transposed);
        let prepared = MatmulBackward.prepare::<C>(nodes).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(MatmulState { a, b, transposed }, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

/// Returns a product's operand in the type of a precision.
pub(crate) fn cast_operand<const D: usize>(x: Tensor<D>, precision: Precision) -> Tensor<D> {
    match precision {
        Precision::F32 => x,
        Precision::Bf16 => x.cast(FloatDType::BF16),
    }
}

/// Returns `a · b` as f32.
///
/// # Shapes
///
/// - `a`: `[…, m, k]`
/// - `b`: `[…, k, n]`
/// - result: `[…, m, n]`
pub(crate) fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    dispatch(a, b, false)
}

/// Returns `a · bᵀ` as f32.
///
/// # Shapes
///
/// - `a`: `[…, m, k]`
/// - `b`: `[…, n, k]`
/// - result: `[…, m, n]`
pub(crate) fn matmul_transposed<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    dispatch(a, b, true)
}

fn dispatch<const D: usize>(a: Tensor<D>, b: Tensor<D>, transposed: bool) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Matmul>::matmul(
        a.into_dispatch(),
        b.into_dispatch(),
        transposed,
    ))
}
