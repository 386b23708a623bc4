//! Matrix products with f32 sums and results of operands as they are held, bf16
//! or f32, forward and backward, on every backend. Burn's own product would
//! round the results of bf16 operands to bf16.

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

/// Backends that multiply into f32.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "gpu"))]
pub trait Products: Backend {
    /// The product, f32, of `a` `[…, m, k]` and `b` `[…, k, n]`, or
    /// `[…, n, k]` where it is `transposed`; both are held in the same type and
    /// of like dimensions else.
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self>;
}

fn turned<B: Backend>(x: FloatTensor<B>, turn: bool) -> FloatTensor<B> {
    if !turn {
        return x;
    }
    let rank = x.rank();
    B::float_swap_dims(x, rank - 2, rank - 1)
}

impl Products for Flex {
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self> {
        // Products of two bf16 numbers are exact in f32.
        let [a, b] = [a, b].map(|it| Self::float_cast(it, FloatDType::F32));
        Self::float_matmul(a, turned::<Self>(b, transposed))
    }
}

#[cfg(feature = "gpu")]
impl Products for Cube {
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self> {
        use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};

        let b = turned::<Self>(b, transposed);
        let product = matmul(a, b, None, MatmulStrategy::default(), DType::F32);
        product.expect("a device multiplies what it holds")
    }
}

#[derive(Debug)]
struct ProductBackward;

#[derive(Clone, Debug)]
struct ProductState<B: Backend> {
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    transposed: bool,
}

impl<B: Products> Backward<B, 2> for ProductBackward {
    type State = ProductState<B>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dout = gradients.consume::<B>(&ops.node);
        let ProductState { a, b, transposed } = ops.state;
        let dout = B::float_cast(dout, a.dtype().into());
        let [of_a, of_b] = ops.parents;
        if let Some(parent) = of_a {
            gradients.register::<B>(parent.id, B::product(dout.clone(), b, !transposed));
        }
        if let Some(parent) = of_b {
            let db = if transposed {
                B::product(turned::<B>(dout, true), a, false)
            } else {
                B::product(turned::<B>(a, true), dout, false)
            };
            gradients.register::<B>(parent.id, db);
        }
    }
}

impl<B: Products, C: CheckpointStrategy> Products for Autodiff<B, C> {
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>, transposed: bool) -> FloatTensor<Self> {
        let nodes = [a.node(), b.node()];
        let (a, b) = (a.primitive().clone(), b.primitive().clone());
        let out = B::product(a.clone(), b.clone(), transposed);
        let prepared = ProductBackward.prepare::<C>(nodes).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(ProductState { a, b, transposed }, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

/// Returns `a · b`, f32, of `[…, m, k]` and `[…, k, n]`.
pub(crate) fn product<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    of(a, b, false)
}

/// Returns `a · bᵀ`, f32, of `[…, m, k]` and `[…, n, k]`.
pub(crate) fn product_transposed<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    of(a, b, true)
}

fn of<const D: usize>(a: Tensor<D>, b: Tensor<D>, transposed: bool) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Products>::product(
        a.into_dispatch(),
        b.into_dispatch(),
        transposed,
    ))
}
