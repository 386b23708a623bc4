//! RMS norms, forward and backward.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::instruction_sets::for_each_instruction_set;
use crate::matrix::ROWS_PER_TASK;
use crate::simd::{self, sum_of_products};

/// Returns the RMS norm of each row, on all threads.
///
/// # Shapes
///
/// - `x` and the result: `[rows, hidden]`
/// - `weight`: `[hidden]`
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    assert!(x.len().is_multiple_of(weight.len()), "rows are whole");
    let part = weight.len() * ROWS_PER_TASK;
    let mut out = Buffer::new(x.len());
    out.parts()
        .par_chunks_mut(part)
        .zip(x.par_chunks(part))
        .for_each(|(out, x)| rms_norm_of_rows(x, weight, eps, out));
    // SAFETY: `x` and `out` have the same number of whole rows, and each is written.
    unsafe { out.assume_init() }
}

/// Adds the norm's gradient to `dx` and returns that of its weight.
///
/// # Shapes
///
/// - `x`, `dout`, `dx`: `[rows, hidden]`
/// - `weight` and the result: `[hidden]`
pub(crate) fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dout: &[f32],
    dx: &mut [f32],
) -> Vec<f32> {
    let part = weight.len() * ROWS_PER_TASK;
    let partial: Vec<Vec<f32>> = dx
        .par_chunks_mut(part)
        .zip(x.par_chunks(part))
        .zip(dout.par_chunks(part))
        .map(|((dx, x), dout)| {
            let mut dweight = vec![0.0; weight.len()];
            rms_norm_backward_of_rows(x, weight, eps, dout, dx, &mut dweight);
            dweight
        })
        .collect();
    let mut dweight = vec![0.0; weight.len()];
    for part in &partial {
        simd::add(&mut dweight, part);
    }
    dweight
}

/// `1 / sqrt(mean(x²) + eps)`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn inverse_root_mean_square(x: &[f32], eps: f32) -> f32 {
    1.0 / (sum_of_products(x, x) / x.len() as f32 + eps).sqrt()
}

for_each_instruction_set! {
    /// Writes the RMS norm of each row, `x / rms(x) · weight`. Writes all of `out` if
    /// `x` and `out` have the same number of whole rows.
    ///
    /// # Shapes
    ///
    /// - `x`, `out`: `[rows, hidden]`
    /// - `weight`: `[hidden]`
    fn rms_norm_of_rows(x: &[f32], weight: &[f32], eps: f32, out: &mut [MaybeUninit<f32>]) {
        let hidden = weight.len();
        for (out, x) in out.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)) {
            let scale = inverse_root_mean_square(x, eps);
            for i in 0..hidden {
                out[i].write(x[i] * scale * weight[i]);
            }
        }
    }

    /// Replaces each row by its RMS norm, `x / rms(x) · weight`.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, width]`
    /// - `weight`: `[width]`
    pub(crate) fn rms_norm_in_place(x: &mut [f32], weight: &[f32], eps: f32) {
        for x in x.chunks_exact_mut(weight.len()) {
            let scale = inverse_root_mean_square(x, eps);
            for (x, weight) in x.iter_mut().zip(weight) {
                *x *= scale * weight;
            }
        }
    }

    /// Adds the gradients of [`rms_norm_of_rows`] to `dx` and `dweight`.
    ///
    /// # Shapes
    ///
    /// - `x`, `dout`, `dx`: `[rows, hidden]`
    /// - `weight`, `dweight`: `[hidden]`
    pub(crate) fn rms_norm_backward_of_rows(
        x: &[f32],
        weight: &[f32],
        eps: f32,
        dout: &[f32],
        dx: &mut [f32],
        dweight: &mut [f32],
    ) {
        let hidden = weight.len();
        let mut weighted = vec![0.0_f32; hidden];
        let rows = dx.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)).zip(dout.chunks_exact(hidden));
        for ((dx, x), dout) in rows {
            let scale = inverse_root_mean_square(x, eps);
            for i in 0..hidden {
                weighted[i] = dout[i] * weight[i];
                dweight[i] += dout[i] * x[i] * scale;
            }
            let along_x = sum_of_products(&weighted, x) * scale * scale * scale / hidden as f32;
            for i in 0..hidden {
                dx[i] += weighted[i] * scale - x[i] * along_x;
            }
        }
    }
}
