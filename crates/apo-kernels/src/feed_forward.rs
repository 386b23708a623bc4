//! The feed-forward half of a decoder layer, forward and backward.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::instruction_sets::for_each_instruction_set;
use crate::layer_config::LayerConfig;
use crate::matmul::add_product_of_combined_halves;
use crate::matrix::{Matrix, MatrixMut, ROWS_PER_TASK, Sum};
use crate::norm::{rms_norm, rms_norm_backward};
use crate::projections::{
    input_gradient, input_gradient_into, project, project_stacked, weight_gradients,
};
use crate::simd::exp;
use crate::weight_forms::{ForwardWeights, Stacked, Weight, Weights};

/// Gradients of the feed-forward network's input, its residual included, and of its
/// weights.
pub(crate) struct FeedForwardGradients {
    /// `[tokens, hidden]`
    pub(crate) input: Vec<f32>,
    pub(crate) post_norm: Vec<f32>,
    pub(crate) gate: Vec<f32>,
    pub(crate) up: Vec<f32>,
    pub(crate) down: Vec<f32>,
}

/// Adds the feed-forward network's output for `middle` to `out`; returns the sum, and
/// the gate and up projections.
///
/// # Shapes
///
/// - `out`, `middle` and the sum: `[tokens, hidden]`
/// - gate and up projections: `[tokens, 2 · intermediate]`
pub(crate) fn forward(
    config: &LayerConfig,
    mut out: Vec<f32>,
    middle: &[f32],
    w: &ForwardWeights<'_>,
) -> (Vec<f32>, Vec<f32>) {
    let normed = rms_norm(middle, w.post_norm, config.rms_norm_eps);
    let gate_up = add_output(config, &mut out, &normed, w);
    (out, gate_up)
}

/// Adds the feed-forward network's output for `x` to it.
///
/// # Shapes
///
/// - `x`: `[tokens, hidden]`
pub(crate) fn infer(config: &LayerConfig, x: &mut [f32], w: &ForwardWeights<'_>) {
    let (hidden, tokens) = (config.hidden, x.len() / config.hidden);
    let normed = rms_norm(x, w.post_norm, config.rms_norm_eps);
    if let (Stacked::Together(Weight::Packed(gate_up)), Weight::Packed(down)) = (w.gate_up, w.down)
    {
        let out = MatrixMut::new(x, tokens, hidden);
        let left = Matrix::new(&normed, tokens, hidden);
        if add_product_of_combined_halves(out, left, gate_up, swiglu_of_block, down) {
            return;
        }
    }
    add_output(config, x, &normed, w);
}

/// Adds the network's output for `normed` to `out`, and returns the gate and up
/// projections.
///
/// # Shapes
///
/// - `out`, `normed`: `[tokens, hidden]`
/// - result: `[tokens, 2 · intermediate]`
fn add_output(
    config: &LayerConfig,
    out: &mut [f32],
    normed: &[f32],
    w: &ForwardWeights<'_>,
) -> Vec<f32> {
    let (hidden, intermediate) = (config.hidden, config.intermediate);
    let gate_up = project_stacked(config, normed, &w.gate_up, hidden);
    let activated = swiglu(&gate_up, intermediate);
    let sum = MatrixMut::new(out, normed.len() / hidden, hidden);
    project(config, &activated, w.down, intermediate, sum, Sum::Add);
    gate_up
}

/// Returns the gradients of [`forward`], with `middle` as its residual.
///
/// # Shapes
///
/// - `middle`, `dout`: `[tokens, hidden]`
/// - `gate_up`: `[tokens, 2 · intermediate]`
pub(crate) fn backward(
    config: &LayerConfig,
    middle: &[f32],
    gate_up: &[f32],
    w: &Weights<'_>,
    dout: &[f32],
) -> FeedForwardGradients {
    let (hidden, intermediate) = (config.hidden, config.intermediate);
    let tokens = middle.len() / hidden;
    assert_eq!(
        gate_up.len(),
        tokens * 2 * intermediate,
        "activations of the same tokens"
    );
    let dsum = Matrix::new(dout, tokens, hidden);
    let mut activated = swiglu(gate_up, intermediate);
    let [down] = weight_gradients(config, [dsum], &activated);
    let dactivated = &mut activated; // its gradient takes its place
    let to = MatrixMut::new(dactivated, tokens, intermediate);
    input_gradient_into(config, dsum, w.down, to, Sum::Replace);
    let dgate_up = swiglu_backward(gate_up, intermediate, dactivated);
    drop(activated);
    let normed = rms_norm(middle, w.post_norm, config.rms_norm_eps);
    let half = |column: usize| {
        Matrix::with_stride(&dgate_up[column..], tokens, intermediate, 2 * intermediate)
    };
    let (dgate, dup) = (half(0), half(intermediate));
    let [gate, up] = weight_gradients(config, [dgate, dup], &normed);
    let mut dnormed = input_gradient(config, dgate, w.gate, hidden);
    let to = MatrixMut::new(&mut dnormed, tokens, hidden);
    input_gradient_into(config, dup, w.up, to, Sum::Add);
    let mut input = dout.to_vec();
    let eps = config.rms_norm_eps;
    let post_norm = rms_norm_backward(middle, w.post_norm, eps, &dnormed, &mut input);
    FeedForwardGradients {
        input,
        post_norm,
        gate,
        up,
        down,
    }
}

/// Returns `silu(gate) · up` of each row, on all threads.
///
/// # Shapes
///
/// - `gate_up`: `[rows, 2 · intermediate]`
/// - result: `[rows, intermediate]`
fn swiglu(gate_up: &[f32], intermediate: usize) -> Vec<f32> {
    assert!(
        gate_up.len().is_multiple_of(2 * intermediate),
        "rows are whole"
    );
    let mut out = Buffer::new(gate_up.len() / 2);
    out.parts()
        .par_chunks_mut(intermediate * ROWS_PER_TASK)
        .zip(gate_up.par_chunks(2 * intermediate * ROWS_PER_TASK))
        .for_each(|(out, gate_up)| swiglu_of_rows(gate_up, intermediate, out));
    // SAFETY: both have the same number of whole rows, and each is written.
    unsafe { out.assume_init() }
}

/// Returns the gradient of `gate_up` in [`swiglu`], on all threads.
///
/// # Shapes
///
/// - `gate_up` and the result: `[rows, 2 · intermediate]`
/// - `dout`: `[rows, intermediate]`
fn swiglu_backward(gate_up: &[f32], intermediate: usize, dout: &[f32]) -> Vec<f32> {
    assert_eq!(gate_up.len(), 2 * dout.len(), "the same rows");
    assert!(dout.len().is_multiple_of(intermediate), "rows are whole");
    let mut dgate_up = Buffer::new(gate_up.len());
    let part = intermediate * ROWS_PER_TASK;
    dgate_up
        .parts()
        .par_chunks_mut(2 * part)
        .zip(gate_up.par_chunks(2 * part))
        .zip(dout.par_chunks(part))
        .for_each(|((dgate_up, gate_up), dout)| {
            swiglu_backward_of_rows(gate_up, intermediate, dout, dgate_up);
        });
    // SAFETY: all three have the same number of whole rows, and each is written.
    unsafe { dgate_up.assume_init() }
}

for_each_instruction_set! {
    /// Replaces a gate projection by `silu(gate) · up`.
    ///
    /// # Shapes
    ///
    /// - `gate`, `up`: `[elements]`
    fn swiglu_of_block(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + exp(-*gate)) * up;
        }
    }

    /// Writes `silu(gate) · up` of rows that hold the gate, then the up projection.
    /// Writes all of `out` if both have the same number of whole rows.
    ///
    /// # Shapes
    ///
    /// - `gate_up`: `[rows, 2 · intermediate]`
    /// - `out`: `[rows, intermediate]`
    fn swiglu_of_rows(gate_up: &[f32], intermediate: usize, out: &mut [MaybeUninit<f32>]) {
        for (out, row) in out.chunks_exact_mut(intermediate).zip(gate_up.chunks_exact(2 * intermediate)) {
            let (gate, up) = row.split_at(intermediate);
            for i in 0..intermediate {
                out[i].write(gate[i] / (1.0 + exp(-gate[i])) * up[i]);
            }
        }
    }

    /// Writes the gradient of `gate_up` in [`swiglu_of_rows`]. Writes all of `dgate_up` if all
    /// three have the same number of whole rows.
    ///
    /// # Shapes
    ///
    /// - `gate_up`, `dgate_up`: `[rows, 2 · intermediate]`
    /// - `dout`: `[rows, intermediate]`
    fn swiglu_backward_of_rows(
        gate_up: &[f32],
        intermediate: usize,
        dout: &[f32],
        dgate_up: &mut [MaybeUninit<f32>],
    ) {
        let rows = dgate_up
            .chunks_exact_mut(2 * intermediate)
            .zip(gate_up.chunks_exact(2 * intermediate))
            .zip(dout.chunks_exact(intermediate));
        for ((dgate_up, row), dout) in rows {
            let (gate, up) = row.split_at(intermediate);
            let (dgate, dup) = dgate_up.split_at_mut(intermediate);
            for i in 0..intermediate {
                let sigmoid = 1.0 / (1.0 + exp(-gate[i]));
                let silu = gate[i] * sigmoid;
                dup[i].write(dout[i] * silu);
                dgate[i].write(dout[i] * up[i] * (sigmoid + silu * (1.0 - sigmoid)));
            }
        }
    }
}
