//! The projections of a decoder layer: products by its weights, and their gradients.

use crate::buffer::Buffer;
use crate::layer_config::LayerConfig;
use crate::matmul::{Left, Right, multiply, multiply_batch_invariant};
use crate::matrix::{Matrix, MatrixMut, Sum};
use crate::weight_forms::{Stacked, Weight};

/// Computes `out (+)= x · weightᵀ`.
///
/// # Shapes
///
/// - `x`: `[tokens, n_in]`
/// - `weight`: `[n_out, n_in]`
/// - `out`: `[tokens, n_out]`
pub(crate) fn project(
    config: &LayerConfig,
    x: &[f32],
    weight: Weight<'_>,
    n_in: usize,
    out: MatrixMut<'_>,
    sum: Sum,
) {
    let x = Left::new(Matrix::new(x, x.len() / n_in, n_in), config.precision);
    project_operand(config, &x, weight, out, sum);
}

/// Computes `out (+)= x · weightᵀ`.
///
/// # Shapes
///
/// - `x`: `[tokens, n_in]`
/// - `weight`: `[n_out, n_in]`
/// - `out`: `[tokens, n_out]`
fn project_operand(
    config: &LayerConfig,
    x: &Left<'_>,
    weight: Weight<'_>,
    out: MatrixMut<'_>,
    sum: Sum,
) {
    match weight {
        Weight::Packed(it) => x.multiply_packed(out, it, sum),
        Weight::F32(it) => {
            let n_in = x.matrix.cols;
            let weight = Matrix::new(it, weight.n_out(n_in), n_in).transposed();
            if config.batch_invariant {
                multiply_batch_invariant(out, x.matrix, weight, sum);
            } else {
                x.multiply(out, weight, sum);
            }
        }
    }
}

/// Computes `dx (+)= dout · weight`, the gradient of a projection's input.
///
/// # Shapes
///
/// - `dout`: `[tokens, n_out]`
/// - `weight`: `[n_out, n_in]`
/// - `dx`: `[tokens, n_in]`
pub(crate) fn input_gradient_into(
    config: &LayerConfig,
    dout: Matrix<'_>,
    weight: &[f32],
    dx: MatrixMut<'_>,
    sum: Sum,
) {
    let n_in = weight.len() / dout.cols;
    multiply(
        dx,
        dout,
        Matrix::new(weight, dout.cols, n_in),
        sum,
        config.precision,
    );
}

/// Returns the gradient of a projection's input, `dout · weight`.
///
/// # Shapes
///
/// - `dout`: `[tokens, n_out]`
/// - `weight`: `[n_out, n_in]`
/// - result: `[tokens, n_in]`
pub(crate) fn input_gradient(
    config: &LayerConfig,
    dout: Matrix<'_>,
    weight: &[f32],
    n_in: usize,
) -> Vec<f32> {
    let mut dx = Buffer::new(dout.rows * n_in);
    let to = MatrixMut::unwritten(dx.parts(), dout.rows, n_in);
    input_gradient_into(config, dout, weight, to, Sum::Replace);
    // SAFETY: a product writes the whole of what it replaces.
    unsafe { dx.assume_init() }
}

/// Returns the gradients of the weights of projections with the same input, `doutᵀ · x`.
///
/// # Shapes
///
/// - `douts`: `[tokens, n_out]` each
/// - `x`: `[tokens, n_in]`
/// - results: `[n_out, n_in]` each
pub(crate) fn weight_gradients<const N: usize>(
    config: &LayerConfig,
    douts: [Matrix<'_>; N],
    x: &[f32],
) -> [Vec<f32>; N] {
    let tokens = douts[0].rows;
    let n_in = x.len() / tokens;
    let x = Right::new(Matrix::new(x, tokens, n_in), config.precision);
    douts.map(|dout| {
        let mut dweight = Buffer::new(dout.cols * n_in);
        let to = MatrixMut::unwritten(dweight.parts(), dout.cols, n_in);
        x.multiply(to, dout.transposed(), Sum::Replace);
        // SAFETY: a product writes the whole of what it replaces.
        unsafe { dweight.assume_init() }
    })
}

/// Returns the outputs of stacked weights, side by side.
///
/// # Shapes
///
/// - `x`: `[tokens, n_in]`
/// - result: `[tokens, n_out]`, with the outputs of all weights
pub(crate) fn project_stacked<const N: usize>(
    config: &LayerConfig,
    x: &[f32],
    weights: &Stacked<'_, N>,
    n_in: usize,
) -> Vec<f32> {
    let tokens = x.len() / n_in;
    let weights = weights.weights();
    let width = weights.iter().map(|weight| weight.n_out(n_in)).sum();
    let x = Left::new(Matrix::new(x, tokens, n_in), config.precision);
    let mut outputs = Buffer::new(tokens * width);
    let mut column = 0;
    for &weight in weights {
        let n_out = weight.n_out(n_in);
        let part = &mut outputs.parts()[column..];
        let to = MatrixMut::unwritten_with_stride(part, tokens, n_out, width);
        project_operand(config, &x, weight, to, Sum::Replace);
        column += n_out;
    }
    // SAFETY: each product writes all of its columns, and together they have all columns.
    unsafe { outputs.assume_init() }
}
