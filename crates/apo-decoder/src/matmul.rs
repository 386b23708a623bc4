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

/// How a product reads its right operand.
#[derive(Clone, Copy, Debug)]
pub enum Right {
    /// As it is.
    Straight,
    /// Transposed.
    Transposed,
}

/// Backends that multiply into f32.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "gpu"))]
pub trait Matmul: Backend {
    /// Returns `a · b`, or `a · bᵀ` with [`Right::Transposed`], as f32. Both have
    /// the same dtype, and their leading dimensions match.
    ///
    /// # Shapes
    ///
    /// - `a`: `[…, m, k]`
    /// - `b`: `[…, k, n]`, or `[…, n, k]` with [`Right::Transposed`]
    /// - result: `[…, m, n]`
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, right: Right) -> FloatTensor<Self>;
}

/// Returns the right operand as the product reads it.
fn as_read<B: Backend>(b: FloatTensor<B>, right: Right) -> FloatTensor<B> {
    match right {
        Right::Straight => b,
        Right::Transposed => transposed::<B>(b),
    }
}

fn transposed<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rank = x.rank();
    B::float_swap_dims(x, rank - 2, rank - 1)
}

impl Matmul for Flex {
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, right: Right) -> FloatTensor<Self> {
        // A product of two bf16 numbers is exact in f32.
        let [a, b] = [a, b].map(|it| Self::float_cast(it, FloatDType::F32));
        Self::float_matmul(a, as_read::<Self>(b, right))
    }
}

#[cfg(feature = "gpu")]
impl Matmul for Cube {
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, right: Right) -> FloatTensor<Self> {
        use burn_cubecl::kernel::matmul::{self, MatmulStrategy};

        let b = as_read::<Self>(b, right);
        assert_eq!(a.dtype, b.dtype, "a product's operands have one type");
        let (mut shape, last) = (a.shape(), a.rank() - 1);
        if shape[last] == 0 {
            // Sums of nothing; kernels would leave them unwritten.
            shape[last] = b.shape()[last];
            return Self::float_zeros(shape, &a.device, FloatDType::F32);
        }
        if a.dtype == DType::F32 {
            return crate::cube_matmul::multiply(a, b);
        }
        let product = matmul::matmul(a, b, None, MatmulStrategy::default(), DType::F32);
        product.expect("a device multiplies what it holds")
    }
}

/// A backward pass of its own, without `SavedForBackward`: it leaves out the gradient of
/// an operand that needs none, which is a product as large as the forward one.
#[derive(Debug)]
struct MatmulBackward;

#[derive(Clone, Debug)]
struct MatmulState<B: Backend> {
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    right: Right,
}

impl<B: Matmul> Backward<B, 2> for MatmulBackward {
    type State = MatmulState<B>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dout = gradients.consume::<B>(&ops.node);
        let MatmulState { a, b, right } = ops.state;
        let dout = B::float_cast(dout, a.dtype().into());
        let [of_a, of_b] = ops.parents;
        if let Some(parent) = of_a {
            let other = match right {
                Right::Straight => Right::Transposed,
                Right::Transposed => Right::Straight,
            };
            gradients.register::<B>(parent.id, B::matmul(dout.clone(), b, other));
        }
        if let Some(parent) = of_b {
            let (x, y) = match right {
                Right::Straight => (a, dout),
                Right::Transposed => (dout, a),
            };
            let db = B::matmul(transposed::<B>(x), y, Right::Straight);
            gradients.register::<B>(parent.id, db);
        }
    }
}

impl<B: Matmul, C: CheckpointStrategy> Matmul for Autodiff<B, C> {
    fn matmul(a: FloatTensor<Self>, b: FloatTensor<Self>, right: Right) -> FloatTensor<Self> {
        let nodes = [a.node(), b.node()];
        let (a, b) = (a.primitive().clone(), b.primitive().clone());
        let out = B::matmul(a.clone(), b.clone(), right);
        let prepared = MatmulBackward.prepare::<C>(nodes).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(MatmulState { a, b, right }, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

/// Returns a product's operand in the type of a precision.
///
/// # Shapes
///
/// - `x` and the result: `[…]`
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
    dispatch(a, b, Right::Straight)
}

/// Returns `a · bᵀ` as f32.
///
/// # Shapes
///
/// - `a`: `[…, m, k]`
/// - `b`: `[…, n, k]`
/// - result: `[…, m, n]`
pub(crate) fn matmul_transposed<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    dispatch(a, b, Right::Transposed)
}

fn dispatch<const D: usize>(a: Tensor<D>, b: Tensor<D>, right: Right) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Matmul>::matmul(
        a.into_dispatch(),
        b.into_dispatch(),
        right,
    ))
}
