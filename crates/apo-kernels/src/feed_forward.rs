//! The feed-forward network of a decoder layer, forward and backward.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::activations::{Activations, round};
use crate::bf16::{Packed, TwoBlocks};
use crate::buffer::Buffer;
use crate::disjoint::Disjoint;
use crate::instruction_sets::for_each_instruction_set;
use crate::layer_config::LayerConfig;
use crate::matmul::{self, add_product_of_two};
use crate::matrix::{Matrix, MatrixMut, ROWS_PER_TASK, Sum};
use crate::number::Number;
use crate::precision::Precision;
use crate::projections::{
    input_gradient, input_gradient_into, project, project_stacked, weight_gradients,
};
use crate::simd::exp;
use crate::sublayer::Input;
use crate::weight_forms::{ForwardWeights, Stacked, Weight, Weights};

/// Maximum number of elements in a block of a product.
const MOST_OF_BLOCK: usize = 32 * 32;

/// Gradients of the feed-forward network's weights.
pub(crate) struct FeedForwardGradients {
    pub(crate) gate: Vec<f32>,
    pub(crate) up: Vec<f32>,
    pub(crate) down: Vec<f32>,
}

/// Adds the feed-forward network's output for `input` to `sum`; returns the gate and up
/// projections, which may be rounded to bf16.
///
/// # Shapes
///
/// - `input`, `sum`: `[tokens, hidden]`
/// - gate and up projections: `[tokens, 2 · intermediate]`
pub(crate) fn forward(
    config: &LayerConfig,
    input: &[f32],
    sum: &mut [f32],
    w: &ForwardWeights<'_>,
) -> Activations {
    let (hidden, tokens) = (config.hidden, input.len() / config.hidden);
    if let Some([gate, up, down]) = &packed(w, hidden, tokens, config.precision)
        && let (Some(gate), Some(up)) = (gate.columns(), up.columns())
    {
        let intermediate = down.depth();
        let mut gate_up = Buffer::new(tokens * 2 * intermediate);
        let kept = Disjoint::new(gate_up.parts());
        let combine = |blocks: TwoBlocks<'_>| {
            // SAFETY: each block has rows and columns of its own, within `intermediate`.
            unsafe { keep(&blocks, intermediate, &kept) };
            swiglu_of_block(blocks.first, blocks.second);
        };
        let sum = MatrixMut::new(sum, tokens, hidden);
        let left = Matrix::new(input, tokens, hidden);
        add_product_of_two(sum, left, [gate, up], combine, down);
        // SAFETY: the blocks have all rows and columns together: both products have as many
        // columns as the last one's depth, or there is a panic.
        let gate_up = unsafe { gate_up.assume_init() };
        return Activations::Bf16(gate_up);
    }
    add_output(config, input, sum, w)
}

/// Adds the feed-forward network's output for `input` to `sum`.
///
/// # Shapes
///
/// - `input`, `sum`: `[tokens, hidden]`
pub(crate) fn infer(config: &LayerConfig, input: &[f32], sum: &mut [f32], w: &ForwardWeights<'_>) {
    let (hidden, tokens) = (config.hidden, input.len() / config.hidden);
    if let (Stacked::Together(Weight::Packed(gate_up)), Weight::Packed(down)) = (w.gate_up, w.down)
        && let Some(pair) = gate_up.halves()
    {
        let sum = MatrixMut::new(sum, tokens, hidden);
        let left = Matrix::new(input, tokens, hidden);
        let combine = |blocks: TwoBlocks<'_>| swiglu_of_block(blocks.first, blocks.second);
        add_product_of_two(sum, left, pair, combine, down);
        return;
    }
    add_output(config, input, sum, w);
}

/// Adds the network's output for `input` to `sum`, and returns the gate and up
/// projections.
///
/// # Shapes
///
/// - `input`, `sum`: `[tokens, hidden]`
/// - result: `[tokens, 2 · intermediate]`
fn add_output(
    config: &LayerConfig,
    input: &[f32],
    sum: &mut [f32],
    w: &ForwardWeights<'_>,
) -> Activations {
    let (hidden, intermediate) = (config.hidden, config.intermediate);
    let gate_up = Activations::F32(project_stacked(config, input, &w.gate_up, hidden));
    let activated = swiglu(&gate_up, intermediate);
    let sum = MatrixMut::new(sum, input.len() / hidden, hidden);
    project(config, &activated, w.down, intermediate, sum, Sum::Add);
    gate_up
}

/// Packs the gate, up and down projections for products with so many rows. Returns `None`
/// where products of this precision do not read them so.
fn packed(
    w: &ForwardWeights<'_>,
    hidden: usize,
    rows: usize,
    precision: Precision,
) -> Option<[Packed; 3]> {
    let Stacked::Apart([Weight::F32(gate), Weight::F32(up)]) = w.gate_up else {
        return None;
    };
    let Weight::F32(down) = w.down else {
        return None;
    };
    let pack = |weight: &[f32], n_in: usize| {
        let weight = Matrix::new(weight, weight.len() / n_in, n_in);
        matmul::packed(weight.transposed(), rows, precision)
    };
    let intermediate = gate.len() / hidden;
    let gate = pack(gate, hidden)?;
    gate.columns()?; // or else they are packed again for whole products
    Some([gate, pack(up, hidden)?, pack(down, intermediate)?])
}

/// Keeps blocks of the gate and up projections, rounded to bf16.
///
/// # Shapes
///
/// - `blocks`: `[rows, cols]` of `[tokens, intermediate]` each
/// - `to`: `[tokens, 2 · intermediate]`
///
/// # Safety
///
/// Nobody else reads or writes the blocks' rows and columns meanwhile.
unsafe fn keep(blocks: &TwoBlocks<'_>, intermediate: usize, to: &Disjoint<'_, u16>) {
    let width = blocks.cols.len();
    let mut rounded = [MaybeUninit::uninit(); MOST_OF_BLOCK];
    for (block, column) in [(&*blocks.first, 0), (blocks.second, intermediate)] {
        let rounded = &mut rounded[..block.len()];
        round(block, rounded);
        for (row, rounded) in blocks.rows.clone().zip(rounded.chunks_exact(width)) {
            let at = row * 2 * intermediate + column + blocks.cols.start;
            // SAFETY: by contract, nobody else has this part of the row.
            unsafe { to.part_mut(at, width) }.copy_from_slice(rounded);
        }
    }
}

/// Returns the gradients of the network's input and weights from that of its output.
///
/// # Shapes
///
/// - `dout` and the input's gradient: `[tokens, hidden]`
/// - `gate_up`: `[tokens, 2 · intermediate]`
pub(crate) fn backward(
    config: &LayerConfig,
    input: Input<'_>,
    gate_up: &Activations,
    w: &Weights<'_>,
    dout: &[f32],
) -> (Vec<f32>, FeedForwardGradients) {
    let (hidden, intermediate) = (config.hidden, config.intermediate);
    let tokens = dout.len() / hidden;
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
    let input = input();
    let half = |column: usize| {
        Matrix::with_stride(&dgate_up[column..], tokens, intermediate, 2 * intermediate)
    };
    let (dgate, dup) = (half(0), half(intermediate));
    let [gate, up] = weight_gradients(config, [dgate, dup], &input);
    drop(input);
    let mut dinput = input_gradient(config, dgate, w.gate, hidden);
    let to = MatrixMut::new(&mut dinput, tokens, hidden);
    input_gradient_into(config, dup, w.up, to, Sum::Add);
    (dinput, FeedForwardGradients { gate, up, down })
}

/// Returns `silu(gate) · up` of each row, on all threads.
///
/// # Shapes
///
/// - `gate_up`: `[rows, 2 · intermediate]`
/// - result: `[rows, intermediate]`
fn swiglu(gate_up: &Activations, intermediate: usize) -> Vec<f32> {
    match gate_up {
        Activations::F32(gate_up) => swiglu_by(swiglu_of_rows, gate_up, intermediate),
        Activations::Bf16(gate_up) => swiglu_by(swiglu_of_rounded_rows, gate_up, intermediate),
    }
}

fn swiglu_by<T: Sync>(
    of_rows: impl Fn(&[T], usize, &mut [MaybeUninit<f32>]) + Send + Sync,
    gate_up: &[T],
    intermediate: usize,
) -> Vec<f32> {
    assert!(
        gate_up.len().is_multiple_of(2 * intermediate),
        "rows are whole"
    );
    let mut out = Buffer::new(gate_up.len() / 2);
    out.parts()
        .par_chunks_mut(intermediate * ROWS_PER_TASK)
        .zip(gate_up.par_chunks(2 * intermediate * ROWS_PER_TASK))
        .for_each(|(out, gate_up)| of_rows(gate_up, intermediate, out));
    // SAFETY: both have the same number of whole rows, and each is written.
    unsafe { out.assume_init() }
}

/// Returns the gradient of `gate_up` in [`swiglu`], on all threads.
///
/// # Shapes
///
/// - `gate_up` and the result: `[rows, 2 · intermediate]`
/// - `dout`: `[rows, intermediate]`
fn swiglu_backward(gate_up: &Activations, intermediate: usize, dout: &[f32]) -> Vec<f32> {
    match gate_up {
        Activations::F32(gate_up) => {
            swiglu_backward_by(swiglu_backward_of_rows, gate_up, intermediate, dout)
        }
        Activations::Bf16(gate_up) => {
            swiglu_backward_by(swiglu_backward_of_rounded_rows, gate_up, intermediate, dout)
        }
    }
}

fn swiglu_backward_by<T: Sync>(
    of_rows: impl Fn(&[T], usize, &[f32], &mut [MaybeUninit<f32>]) + Send + Sync,
    gate_up: &[T],
    intermediate: usize,
    dout: &[f32],
) -> Vec<f32> {
    assert_eq!(gate_up.len(), 2 * dout.len(), "the same rows");
    assert!(dout.len().is_multiple_of(intermediate), "rows are whole");
    let mut dgate_up = Buffer::new(gate_up.len());
    let part = intermediate * ROWS_PER_TASK;
    dgate_up
        .parts()
        .par_chunks_mut(2 * part)
        .zip(gate_up.par_chunks(2 * part))
        .zip(dout.par_chunks(part))
        .for_each(|((dgate_up, gate_up), dout)| of_rows(gate_up, intermediate, dout, dgate_up));
    // SAFETY: all three have the same number of whole rows, and each is written.
    unsafe { dgate_up.assume_init() }
}

/// Writes `silu(gate) · up` of rows that hold the gate, then the up projection. Writes all
/// of `out` if both have the same number of whole rows.
///
/// # Shapes
///
/// - `gate_up`: `[rows, 2 · intermediate]`
/// - `out`: `[rows, intermediate]`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn write_swiglu<T: Number>(gate_up: &[T], intermediate: usize, out: &mut [MaybeUninit<f32>]) {
    let rows = gate_up.chunks_exact(2 * intermediate);
    for (out, row) in out.chunks_exact_mut(intermediate).zip(rows) {
        let (gate, up) = row.split_at(intermediate);
        for i in 0..intermediate {
            let gate = gate[i].value();
            out[i].write(gate / (1.0 + exp(-gate)) * up[i].value());
        }
    }
}

/// Writes the gradient of `gate_up` in [`write_swiglu`]. Writes all of `dgate_up` if all
/// three have the same number of whole rows.
///
/// # Shapes
///
/// - `gate_up`, `dgate_up`: `[rows, 2 · intermediate]`
/// - `dout`: `[rows, intermediate]`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn write_swiglu_backward<T: Number>(
    gate_up: &[T],
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
            let (gate, up) = (gate[i].value(), up[i].value());
            let sigmoid = 1.0 / (1.0 + exp(-gate));
            let silu = gate * sigmoid;
            dup[i].write(dout[i] * silu);
            dgate[i].write(dout[i] * up * (sigmoid + silu * (1.0 - sigmoid)));
        }
    }
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

    /// [`write_swiglu`] of projections in f32.
    fn swiglu_of_rows(gate_up: &[f32], intermediate: usize, out: &mut [MaybeUninit<f32>]) {
        write_swiglu(gate_up, intermediate, out);
    }

    /// [`write_swiglu`] of projections in bf16.
    fn swiglu_of_rounded_rows(gate_up: &[u16], intermediate: usize, out: &mut [MaybeUninit<f32>]) {
        write_swiglu(gate_up, intermediate, out);
    }

    /// [`write_swiglu_backward`] of projections in f32.
    fn swiglu_backward_of_rows(
        gate_up: &[f32],
        intermediate: usize,
        dout: &[f32],
        dgate_up: &mut [MaybeUninit<f32>],
    ) {
        write_swiglu_backward(gate_up, intermediate, dout, dgate_up);
    }

    /// [`write_swiglu_backward`] of projections in bf16.
    fn swiglu_backward_of_rounded_rows(
        gate_up: &[u16],
        intermediate: usize,
        dout: &[f32],
        dgate_up: &mut [MaybeUninit<f32>],
    ) {
        write_swiglu_backward(gate_up, intermediate, dout, dgate_up);
    }
}
