//! The micro-kernel for AVX512-BF16's `vdpbf16ps`: 12 × 32 sums keep 24 registers of
//! accumulators busy.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps,
};
use std::mem::MaybeUninit;
use std::ops::Range;

use super::micro_kernel::{Block, MicroKernel, Operands};
use super::pack::Order;
use super::pack::avx512::{self as packing, pack};
use crate::matrix::{Matrix, Sum};

const ROWS: usize = 12;
const COLS: usize = 32;

/// A processor with AVX512-BF16.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// Returns the kernel if this processor has the instructions.
    pub fn new() -> Option<Self> {
        packing::is_native().then_some(Self(()))
    }
}

// SAFETY: `pack` of the module `pack` writes the whole panel; `multiply` stores every sum.
unsafe impl MicroKernel for Avx512 {
    const ROWS: usize = ROWS;
    const COLS: usize = COLS;
    /// A panel of `right` fills 36 KiB of first-level cache.
    const DEPTH: usize = 576;
    const PANELS: usize = 20;

    type Thread = ();

    fn on_thread(self) {}

    fn pack_left(self, left: Matrix<'_>, rows: Range<usize>, to: &mut [MaybeUninit<u32>]) {
        // SAFETY: `new` has found the instructions.
        unsafe { pack::<ROWS>(left, rows, Order::Lanes, to) };
    }

    fn pack_right(
        self,
        right_transposed: Matrix<'_>,
        cols: Range<usize>,
        to: &mut [MaybeUninit<u32>],
    ) {
        // SAFETY: `new` has found the instructions.
        unsafe { pack::<COLS>(right_transposed, cols, Order::Lanes, to) };
    }

    unsafe fn multiply(self, (): &(), operands: Operands<'_>, out: Block, sum: Sum) {
        let Operands { left, right, .. } = operands;
        macro_rules! by_rows {
            ($($rows:literal)*) => { match out.rows {
                // SAFETY: `new` has found the instructions; the block is the
                // caller's promise.
                $($rows => unsafe { block::<$rows>(left, right, out, sum) },)*
                _ => unreachable!("a panel has 1 to 12 rows"),
            } };
        }
        by_rows!(1 2 3 4 5 6 7 8 9 10 11 12);
    }
}

/// Adds or writes a block of `M` rows.
///
/// # Safety
///
/// As [`MicroKernel::multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn block<const M: usize>(left: &[u32], right: &[u32], out: Block, sum: Sum) {
    let mut acc = [[_mm512_setzero_ps(); 2]; M];
    for (left, right) in left.chunks_exact(ROWS).zip(right.chunks_exact(COLS)) {
        // SAFETY: `right` is 32 pairs, `COLS` by `chunks_exact`: two
        // registers of 512 bits, as those of bf16 are.
        let (low, high) = unsafe {
            (
                std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(right.as_ptr().cast())),
                std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(
                    right.as_ptr().add(16).cast(),
                )),
            )
        };
        for (acc, pair) in acc.iter_mut().zip(left) {
            // SAFETY: both are 512 bits, of which any are pairs of bf16.
            let pair: __m512bh = unsafe {
                std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(pair.cast_signed()))
            };
            acc[0] = _mm512_dpbf16_ps(acc[0], pair, low);
            acc[1] = _mm512_dpbf16_ps(acc[1], pair, high);
        }
    }
    let mask = |n: usize| -> u16 { if n >= 16 { 0xffff } else { (1 << n) - 1 } };
    let masks = [mask(out.cols), mask(out.cols.saturating_sub(16))];
    for (i, acc) in acc.into_iter().enumerate() {
        for (half, (mut value, mask)) in acc.into_iter().zip(masks).enumerate() {
            // SAFETY: the mask keeps to the row's `cols` elements; masked
            // elements are neither read nor written.
            unsafe {
                let at = out.start.add(i * out.stride).wrapping_add(half * 16);
                if sum == Sum::Add {
                    value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, at));
                }
                _mm512_mask_storeu_ps(at, mask, value);
            }
        }
    }
}
