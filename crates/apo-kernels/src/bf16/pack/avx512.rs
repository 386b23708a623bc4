//! Packing by AVX-512.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_epi16, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_permutexvar_epi16, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};
use std::mem::MaybeUninit;
use std::ops::Range;

use super::{Order, SIDE, Square, Steps, pack as pack_by};
use crate::matrix::Matrix;

/// Tells whether this processor has the instructions.
pub fn is_native() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
}

/// As [`super::pack`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub fn pack<const WIDTH: usize>(
    m: Matrix<'_>,
    rows: Range<usize>,
    order: Order,
    panel: &mut [MaybeUninit<u32>],
) {
    let steps = Steps {
        round: |x: &[f32; 2 * SIDE]| {
            let (low, high) = x.split_at(SIDE);
            // SAFETY: both halves are sixteen numbers.
            let halves = unsafe { [low, high].map(|it| _mm512_loadu_ps(it.as_ptr())) };
            pairs(bits(_mm512_cvtne2ps_pbh(halves[1], halves[0])))
        },
        interleave: |low: &[f32; SIDE], high: &[f32; SIDE]| {
            // SAFETY: both are sixteen numbers; `INTERLEAVED` is 64 bytes.
            let (low, high, order) = unsafe {
                (
                    _mm512_loadu_ps(low.as_ptr()),
                    _mm512_loadu_ps(high.as_ptr()),
                    _mm512_loadu_epi16(INTERLEAVED.as_ptr()),
                )
            };
            let rounded = bits(_mm512_cvtne2ps_pbh(high, low));
            pairs(_mm512_permutexvar_epi16(order, rounded))
        },
        transpose: |square: &Square| transpose(square),
    };
    pack_by::<WIDTH>(m, rows, order, &steps, panel);
}

/// Where each bf16 of sixteen pairs comes from: the lower halves lie first, then the upper
/// ones.
const INTERLEAVED: [i16; 2 * SIDE] = {
    let mut order = [0; 2 * SIDE];
    let mut i = 0;
    while i < 2 * SIDE {
        order[i] = ((i % 2) * SIDE + i / 2) as i16;
        i += 1;
    }
    order
};

#[target_feature(enable = "avx512f")]
#[inline]
fn bits(rounded: __m512bh) -> __m512i {
    // SAFETY: both are 512 bits, of which any have a meaning.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(rounded) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn pairs(bits: __m512i) -> [u32; SIDE] {
    // SAFETY: both are 512 bits, of which any have a meaning.
    unsafe { std::mem::transmute::<__m512i, [u32; SIDE]>(bits) }
}

/// Swaps lanes and pairs in four passes, each of which mixes pairs of registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn transpose(square: &Square) -> Square {
    let mut rows = [_mm512_setzero_si512(); 16];
    for (to, from) in rows.iter_mut().zip(square) {
        // SAFETY: a row is 64 bytes.
        *to = unsafe { _mm512_loadu_si512(from.as_ptr().cast()) };
    }
    let mut mixed = rows;
    // Within 128 bits: elements of two rows, then of four.
    for i in (0..16).step_by(2) {
        mixed[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        mixed[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for i in (0..16).step_by(4) {
        rows[i] = _mm512_unpacklo_epi64(mixed[i], mixed[i + 2]);
        rows[i + 1] = _mm512_unpackhi_epi64(mixed[i], mixed[i + 2]);
        rows[i + 2] = _mm512_unpacklo_epi64(mixed[i + 1], mixed[i + 3]);
        rows[i + 3] = _mm512_unpackhi_epi64(mixed[i + 1], mixed[i + 3]);
    }
    // The quarters of 128 bits: of eight rows, then of all.
    for i in 0..4 {
        for half in [0, 8] {
            let (a, b) = (rows[half + i], rows[half + i + 4]);
            mixed[half + i] = _mm512_shuffle_i32x4::<0x88>(a, b);
            mixed[half + i + 4] = _mm512_shuffle_i32x4::<0xdd>(a, b);
        }
    }
    let mut turned = [[0; 16]; 16];
    let mut put = |row: usize, value: __m512i| {
        // SAFETY: a row is 64 bytes.
        unsafe { _mm512_storeu_si512(turned[row].as_mut_ptr().cast(), value) };
    };
    for i in 0..8 {
        let (a, b) = (mixed[i], mixed[i + 8]);
        put(i, _mm512_shuffle_i32x4::<0x88>(a, b));
        put(i + 8, _mm512_shuffle_i32x4::<0xdd>(a, b));
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_swaps_lanes_and_pairs() {
        if !is_native() {
            eprintln!("skipped: no AVX-512");
            return;
        }
        let square = std::array::from_fn(|i| std::array::from_fn(|j| (16 * i + j) as u32));
        // SAFETY: the processor has just said that it can.
        let turned = unsafe { transpose(&square) };
        let expected: Square = std::array::from_fn(|i| std::array::from_fn(|j| square[j][i]));
        assert_eq!(turned, expected);
    }
}
