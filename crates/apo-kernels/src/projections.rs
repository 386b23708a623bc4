//! The projections of a decoder layer: products by its weights, and their gradients.

use crate::attention::Heads;
use crate::bf16::Packed;
use crate::buffer::Buffer;
use crate::layer_weights::LayerWeights;
use crate::matmul::{multiply, multiply_batch_invariant, multiply_packed};
use crate::matrix::{Matrix, MatrixMut, Sum, Threads};
use crate::precision::Precision;

/// Sizes and settings of a layer.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward network.
    pub intermediate: usize,
    /// Sizes of the attention.
    pub heads: Heads,
    /// Added to the mean square of a norm.
    pub rms_norm_eps: f32,
    /// The type of the matrix products' operands.
    pub precision: Precision,
    /// Whether a row's result is the same whatever other rows there are. Generation
    /// needs this, because its rows come and go. Projections by weights in f32 are then
    /// computed in f32; those by packed weights are always so.
    pub batch_invariant: bool,
}

/// A layer's weights in f32, as the backward pass reads them.
pub type Weights<'a> = LayerWeights<&'a [f32]>;

/// A layer's weights as the forward pass reads them.
#[derive(Clone, Copy)]
pub struct ForwardWeights<'a> {
    /// RMS norm before attention, `[hidden]`
    pub input_norm: &'a [f32],
    /// Queries, keys and values, `[(heads + 2 · kv_heads) · head_dim, hidden]`
    pub qkv: Stacked<'a, 3>,
    /// `[hidden, heads · head_dim]`
    pub output: Weight<'a>,
    /// RMS norm before the feed-forward network, `[hidden]`
    pub post_norm: &'a [f32],
    /// Gate and up projections, `[2 · intermediate, hidden]`
    pub gate_up: Stacked<'a, 2>,
    /// `[hidden, intermediate]`
    pub down: Weight<'a>,
}

/// Weights with the same input, whose outputs lie side by side.
#[derive(Clone, Copy)]
pub enum Stacked<'a, const N: usize> {
    /// Each by itself, as a model's files and the optimiser have them.
    Apart([Weight<'a>; N]),
    /// All as one weight, so that one product computes them.
    Together(Weight<'a>),
}

impl<'a, const N: usize> Stacked<'a, N> {
    fn weights(&self) -> &[Weight<'a>] {
        match self {
            Self::Apart(weights) => weights,
            Self::Together(weight) => std::slice::from_ref(weight),
        }
    }
}

/// A projection's weight.
#[derive(Clone, Copy)]
pub enum Weight<'a> {
    /// `[n_out, n_in]`
    F32(&'a [f32]),
    /// Its transpose `[n_in, n_out]`, rounded to bf16 and packed.
    Packed(&'a Packed),
}

impl Weight<'_> {
    /// Returns the number of its outputs, given that of its inputs.
    pub(crate) fn n_out(self, n_in: usize) -> usize {
        match self {
            Self::F32(weight) => weight.len() / n_in,
            Self::Packed(weight) => weight.cols(),
        }
    }
}

impl<'a> From<&Weights<'a>> for ForwardWeights<'a> {
    fn from(weights: &Weights<'a>) -> Self {
        let LayerWeights {
            input_norm,
            query,
            key,
            value,
            output,
            post_norm,
            gate,
            up,
            down,
        } = *weights;
        Self {
            input_norm,
            qkv: Stacked::Apart([query, key, value].map(Weight::F32)),
            output: Weight::F32(output),
            post_norm,
            gate_up: Stacked::Apart([gate, up].map(Weight::F32)),
            down: Weight::F32(down),
        }
    }
}

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
    let left = Matrix::new(x, x.len() / n_in, n_in);
    let weight = match weight {
        Weight::F32(it) => Matrix::new(it, weight.n_out(n_in), n_in).transposed(),
        Weight::Packed(it) => return multiply_packed(out, left, it, sum),
    };
    if config.batch_invariant {
        multiply_batch_invariant(out, left, weight, sum);
    } else {
        multiply(out, left, weight, sum, Threads::All, config.precision);
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
        Threads::All,
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

/// Returns the gradient of a projection's weight, `doutᵀ · x`.
///
/// # Shapes
///
/// - `dout`: `[tokens, n_out]`
/// - `x`: `[tokens, n_in]`
/// - result: `[n_out, n_in]`
pub(crate) fn weight_gradient(config: &LayerConfig, dout: Matrix<'_>, x: &[f32]) -> Vec<f32> {
    let n_in = x.len() / dout.rows;
    let mut dweight = Buffer::new(dout.cols * n_in);
    multiply(
        MatrixMut::unwritten(dweight.parts(), dout.cols, n_in),
        dout.transposed(),
        Matrix::new(x, dout.rows, n_in),
        Sum::Replace,
        Threads::All,
        config.precision,
    );
    // SAFETY: a product writes the whole of what it replaces.
    unsafe { dweight.assume_init() }
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
    let mut outputs = Buffer::new(tokens * width);
    let mut column = 0;
    for &weight in weights {
        let n_out = weight.n_out(n_in);
        let part = &mut outputs.parts()[column..];
        let to = MatrixMut::unwritten_with_stride(part, tokens, n_out, width);
        project(config, x, weight, n_in, to, Sum::Replace);
        column += n_out;
    }
    // SAFETY: each product writes all of its columns, and together they have all columns.
    unsafe { outputs.assume_init() }
}
