//! The projections of a decoder layer: products by its weights, and their gradients.

use crate::attention::Heads;
use crate::bf16::Packed;
use crate::layer_weights::LayerWeights;
use crate::matmul::{multiply, multiply_batch_invariant, multiply_packed};
use crate::matrix::{Matrix, MatrixMut, Sum, Threads};
use crate::{Buffer, Precision};

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

/// A layer's weights as the forward pass reads them: each projection in f32, or packed
/// in bf16.
pub type ForwardWeights<'a> = LayerWeights<Weight<'a>, &'a [f32]>;

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
        weights.map_each(Weight::F32, |vector| vector)
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

/// Returns each row's queries, keys and values side by side, not yet rotated.
///
/// # Shapes
///
/// - `normed`: `[tokens, hidden]`
/// - result: `[tokens, (heads + 2 · kv_heads) · head_dim]`
pub(crate) fn project_qkv(
    config: &LayerConfig,
    normed: &[f32],
    w: &ForwardWeights<'_>,
) -> Vec<f32> {
    let (hidden, width) = (config.hidden, config.heads.width());
    let tokens = normed.len() / hidden;
    let mut qkv = Buffer::new(tokens * width);
    let mut column = 0;
    for weight in [w.query, w.key, w.value] {
        let n_out = weight.n_out(hidden);
        let part = &mut qkv.parts()[column..];
        let out = MatrixMut::unwritten_with_stride(part, tokens, n_out, width);
        project(config, normed, weight, hidden, out, Sum::Replace);
        column += n_out;
    }
    assert_eq!(column, width, "projections fill a row");
    // SAFETY: each product writes all of its columns, and the three have all
    // columns.
    unsafe { qkv.assume_init() }
}
