//! Tiles for AVX-512.

use std::arch::x86_64::{
    _MM_HINT_T1, _mm_prefetch, _mm512_fmadd_ps, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps,
    _mm512_setzero_ps,
};

use super::{DotKernel, common_length};

/// Rows of x and of the weight in a tile: 24 sums, 6 weights and a row of x
/// fill 31 of 32 registers.
const ROWS: usize = 4;
const COLS: usize = 6;

const LANES: usize = 16;

/// Returns the kernel if this processor has the instructions.
pub fn kernel() -> Option<DotKernel> {
    is_x86_feature_detected!("avx512f").then_some(DotKernel {
        // SAFETY: the processor has just said that it can.
        dot_products: |x, weight, out| unsafe { dot_products(x, weight, out) },
        cols: COLS,
    })
}

dot_products! {
    #[target_feature(enable = "avx512f")]
}

/// Writes the dot products of a tile, a row every `stride` elements. Prefetches the
/// next rows of the weight, which come from memory.
#[target_feature(enable = "avx512f")]
#[inline]
fn tile<const R: usize, const C: usize>(
    x: &[&[f32]; R],
    weight: &[&[f32]; C],
    next: Option<&[&[f32]; C]>,
    out: &mut [f32],
    stride: usize,
) {
    let depth = common_length(x, weight);
    // Plain loops: values in vector registers must not pass through functions that
    // are compiled without the instructions.
    let x_at = x.map(<[f32]>::as_ptr);
    let weight_at = weight.map(<[f32]>::as_ptr);
    let next_at = next.unwrap_or(weight).map(<[f32]>::as_ptr);
    let mut sums = [[_mm512_setzero_ps(); C]; R];
    let mut at = 0;
    while at < depth {
        let left = depth - at;
        let mask = if left < LANES {
            (1_u16 << left) - 1
        } else {
            !0
        };
        let mut weights = [_mm512_setzero_ps(); C];
        for c in 0..C {
            // SAFETY: `at` is within the rows, all of length `depth`, and the
            // mask keeps to what is left of them.
            weights[c] = unsafe { _mm512_maskz_loadu_ps(mask, weight_at[c].add(at)) };
        }
        if next.is_some() {
            for next in next_at {
                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(at).cast());
            }
        }
        for r in 0..R {
            // SAFETY: as above.
            let x = unsafe { _mm512_maskz_loadu_ps(mask, x_at[r].add(at)) };
            for c in 0..C {
                sums[r][c] = _mm512_fmadd_ps(x, weights[c], sums[r][c]);
            }
        }
        at += LANES;
    }
    for (r, sums) in sums.iter().enumerate() {
        for (c, sum) in sums.iter().enumerate() {
            out[r * stride + c] = _mm512_reduce_add_ps(*sum);
        }
    }
}
