//! f32 products on GPUs that are f32 throughout.
//!
//! Burn's own product rounds f32 operands to TF32 on tensor cores, by whichever kernel
//! tuning found the fastest. These kernels use none, and the shapes and the kind of device
//! alone choose one, so that the same operands give the same bits in every process.

use burn::tensor::DType;
use burn_cubecl::cubecl::ir::{ElemType, FloatKind};
use burn_cubecl::kernel::matmul::init_matmul_output;
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::definition::MatmulElems;
use cubek::matmul::launch::launch_ref;
use cubek::matmul::multi_level::Strategy;
use cubek::matmul::routine::BlueprintStrategy;
use cubek::std::InputBinding;

const F32: ElemType = ElemType::Float(FloatKind::F32);

/// Returns `a · b` of f32 operands.
///
/// # Shapes
///
/// - `a`: `[…, m, k]`, `k` at least 1
/// - `b`: `[…, k, n]`
/// - result: `[…, m, n]`
pub(crate) fn multiply(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let out = init_matmul_output(&a, &b, DType::F32);
    if out.meta.shape().contains(&0) {
        return out;
    }
    let multiply_by = |strategy: Strategy| {
        launch_ref(
            &strategy.into(),
            &out.client,
            InputBinding::new(a.clone().binding(), F32),
            InputBinding::new(b.clone().binding(), F32),
            out.clone().binding(),
            &mut MatmulElems::from_single_dtype(F32),
        )
    };
    // `Gemm` itself falls back to `SimpleUnit` at depths that it does not take, and that needs
    // more shared memory than some devices have. `Naive` needs none.
    multiply_by(strategy(&out))
        .or_else(|_| multiply_by(Strategy::Naive))
        .expect("a naive kernel multiplies every shape");
    out
}

/// Returns the kernel for a result's shape: one for a single row or column, and one that
/// shares tiles of the operands.
fn strategy(out: &CubeTensor) -> Strategy {
    let shape = out.meta.shape();
    let [.., rows, cols] = shape[..] else {
        unreachable!("a matrix has rows and columns");
    };
    if rows == 1 || cols == 1 {
        Strategy::Gemm(BlueprintStrategy::default())
    } else {
        Strategy::SimpleUnit(BlueprintStrategy::default())
    }
}
