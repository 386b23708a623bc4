//! Tiles for AVX2 with FMA.

use std::arch::x86_64::{
    __m256, _MM_HINT_T1, _mm_prefetch, _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_maskload_ps, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::{DotKernel, common_length};

/// Rows of x and of the weight in a tile: 12 sums, 3 weights and a row of x fill the
/// 16 registers.
const ROWS: usize = 4;
const COLS: usize = 3;

const LANES: usize = 8;

/// Returns the kernel if this processor has the instructions.
pub fn kernel() -> Option<DotKernel> {
    let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    has.then_some(DotKernel {
        // SAFETY: the processor has just said that it can.
        dot_products: |x, weight, out| unsafe { dot_products(x, weight, out) },
        cols: COLS,
    })
}

dot_products! {
    #[target_feature(enable = "avx2,fma")]
}

/// Writes the dot products of a tile, a row every `stride` elements. Prefetches the
/// next rows of the weight, which come from memory.
#[target_feature(enable = "avx2,fma")]
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
    let mut sums = [[_mm256_setzero_ps(); C]; R];
    let whole = depth / LANES * LANES;
    let mut at = 0;
    while at < whole {
        let mut weights = [_mm256_setzero_ps(); C];
        for c in 0..C {
            // SAFETY: eight elements from `at` are within the rows, all of length
            // `depth`.
            weights[c] = unsafe { _mm256_loadu_ps(weight_at[c].add(at)) };
        }
        // A line of the cache holds 16 elements.
        if next.is_some() && at % 16 == 0 {
            for next in next_at {
                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(at).cast());
            }
        }
        for r in 0..R {
            // SAFETY: as above.
            let x = unsafe { _mm256_loadu_ps(x_at[r].add(at)) };
            for c in 0..C {
                sums[r][c] = _mm256_fmadd_ps(x, weights[c], sums[r][c]);
            }
        }
        at += LANES;
    }
    if whole < depth {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((depth - whole) as i32), lanes);
        for r in 0..R {
            // SAFETY: the mask keeps to what is left of the rows.
            let x = unsafe { _mm256_maskload_ps(x_at[r].add(whole), mask) };
            for c in 0..C {
                // SAFETY: as above.
                let weight = unsafe { _mm256_maskload_ps(weight_at[c].add(whole), mask) };
                sums[r][c] = _mm256_fmadd_ps(x, weight, sums[r][c]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (c, sum) in sums.iter().enumerate() {
            out[r * stride + c] = sum_of_lanes(*sum);
        }
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn sum_of_lanes(sum: __m256) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    // SAFETY: there is room for eight elements.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
