//! Tiles of plain loops, for processors without any of the instructions, and for Miri.

use super::DotKernel;
use crate::simd;

const ROWS: usize = 4;
const COLS: usize = 6;

/// Returns the kernel, which every processor runs.
pub fn kernel() -> DotKernel {
    DotKernel {
        dot_products,
        cols: COLS,
    }
}

dot_products! {}

/// Writes the dot products of a tile, a row every `stride` elements.
fn tile<const R: usize, const C: usize>(
    x: &[&[f32]; R],
    weight: &[&[f32]; C],
    _: Option<&[&[f32]; C]>,
    out: &mut [f32],
    stride: usize,
) {
    for (r, x) in x.iter().enumerate() {
        for (c, weight) in weight.iter().enumerate() {
            out[r * stride + c] = simd::dot(x, weight);
        }
    }
}
