//! Matrix products of operands rounded to bf16, summed in f32, by the
//! processor's own instruction (AVX512-BF16's `vdpbf16ps`).
//!
//! Both operands are packed into panels of pairs along the inner dimension,
//! rounded to the nearest even bf16 on the way; a micro-kernel of 12 × 32 sums
//! keeps 24 registers of accumulators busy.

use super::gemm_f32;
use super::matrix::{Matrix, MatrixMut, Sum, Threads, check};

/// Whether this processor multiplies bf16 natively.
pub fn is_native() -> bool {
    // Miri runs the same packing and tiles over a portable micro-kernel.
    if cfg!(miri) {
        return true;
    }
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512bf16")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512f")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Computes `out (+)= left · right`, rounding the operands to bf16.
///
/// A processor without such products computes them in f32; stages check
/// [`crate::Precision`] against the device before any work.
pub fn multiply(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    check(&out, left, right, sum);
    #[cfg(target_arch = "x86_64")]
    if is_native() {
        return native::multiply(out, left, right, sum);
    }
    gemm_f32::multiply(out, left, right, sum, Threads::All);
}

#[cfg(target_arch = "x86_64")]
mod native {
    #[cfg(not(miri))]
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_si512,
        _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps,
    };

    use rayon::prelude::*;

    use crate::matrix::{Matrix, MatrixMut, Sum};

    /// Rows and columns of the micro-kernel.
    const ROWS: usize = 12;
    const COLS: usize = 32;
    /// Inner length of a panel: one of `right` fills 36 KiB of first-level cache.
    const DEPTH: usize = if cfg!(miri) { 8 } else { 576 };
    /// Row panels that one task takes.
    const PANELS: usize = if cfg!(miri) { 2 } else { 20 };

    /// Rounds to the nearest bf16, ties to even; the bits in the lower half.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "must take its caller's instruction set"
    )]
    fn round(x: f32) -> u32 {
        let bits = x.to_bits();
        bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
    }

    /// Packs `lanes` rows of `m`, from `first`, over the columns
    /// `depth.0..depth.1`, into pairs `[depth / 2][WIDTH]`.
    #[cfg_attr(not(miri), target_feature(enable = "avx512f,avx512bw,avx512vl"))]
    fn pack<const WIDTH: usize>(
        m: Matrix<'_>,
        first: usize,
        lanes: usize,
        depth: (usize, usize),
        out: &mut [u32],
    ) {
        let (start, end) = depth;
        let pairs = (end - start).div_ceil(2);
        let at = |lane: usize, k: usize| (first + lane) * m.row_stride + k * m.col_stride;
        if m.col_stride == 1 {
            // Reads along the rows, sixteen pairs at a time, and transposes them
            // in the first-level cache.
            let mut block = [[0_u32; 16]; WIDTH];
            for p0 in (0..pairs).step_by(16) {
                let n = (pairs - p0).min(16);
                for (lane, block) in block.iter_mut().enumerate().take(lanes) {
                    let k = start + 2 * p0;
                    let row = &m.data[at(lane, k)..=at(lane, end - 1)];
                    let (whole, rest) = row[..row.len().min(2 * n)].as_chunks::<2>();
                    for (to, [low, high]) in block.iter_mut().zip(whole) {
                        *to = round(*low) | (round(*high) << 16);
                    }
                    if let [last] = rest {
                        block[n - 1] = round(*last);
                    }
                }
                for (i, out) in out[p0 * WIDTH..(p0 + n) * WIDTH]
                    .chunks_exact_mut(WIDTH)
                    .enumerate()
                {
                    for (to, block) in out.iter_mut().zip(&block) {
                        *to = block[i];
                    }
                }
            }
        } else {
            // The lanes lie side by side.
            assert_eq!(m.row_stride, 1, "a view has one stride of 1");
            for (p, out) in out.chunks_exact_mut(WIDTH).enumerate().take(pairs) {
                let k = start + 2 * p;
                let low = &m.data[at(0, k)..][..lanes];
                if k + 1 < end {
                    let high = &m.data[at(0, k + 1)..][..lanes];
                    for ((to, low), high) in out.iter_mut().zip(low).zip(high) {
                        *to = round(*low) | (round(*high) << 16);
                    }
                } else {
                    for (to, low) in out.iter_mut().zip(low) {
                        *to = round(*low);
                    }
                }
                out[lanes..].fill(0);
            }
        }
    }

    /// Adds or writes an `M × cols` block of `out`.
    ///
    /// # Safety
    ///
    /// `out` has `M` rows by `stride`, of at least `cols` elements each, up to
    /// `COLS`, which nobody else reads or writes meanwhile; they have values
    /// where the sum is added to them.
    #[cfg(not(miri))]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn block<const M: usize>(
        left: &[u32],
        right: &[u32],
        out: *mut f32,
        stride: usize,
        cols: usize,
        sum: Sum,
    ) {
        let mut acc = [[_mm512_setzero_ps(); 2]; M];
        for (left, right) in left.chunks_exact(ROWS).zip(right.chunks_exact(COLS)) {
            // SAFETY: `right` is 32 pairs, `COLS` by `chunks_exact`: two
            // registers of 512 bits, as those of bf16 are.
            let (low, high) = unsafe {
                (
                    std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(
                        right.as_ptr().cast(),
                    )),
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
        let masks = [mask(cols), mask(cols.saturating_sub(16))];
        for (i, acc) in acc.into_iter().enumerate() {
            for (half, (mut value, mask)) in acc.into_iter().zip(masks).enumerate() {
                // SAFETY: the mask keeps to the row's `cols` elements; masked
                // elements are neither read nor written.
                unsafe {
                    let at = out.add(i * stride).wrapping_add(half * 16);
                    if sum == Sum::Add {
                        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, at));
                    }
                    _mm512_mask_storeu_ps(at, mask, value);
                }
            }
        }
    }

    /// The same without the instruction, for Miri.
    #[cfg(miri)]
    unsafe fn block<const M: usize>(
        left: &[u32],
        right: &[u32],
        out: *mut f32,
        stride: usize,
        cols: usize,
        sum: Sum,
    ) {
        let halves = |pair: u32| [pair << 16, pair & 0xffff_0000].map(f32::from_bits);
        for i in 0..M {
            for col in 0..cols {
                let mut value = 0.0;
                for (left, right) in left.chunks_exact(ROWS).zip(right.chunks_exact(COLS)) {
                    let ([a, b], [c, d]) = (halves(left[i]), halves(right[col]));
                    value += a * c + b * d;
                }
                // SAFETY: as above.
                unsafe {
                    let at = out.add(i * stride + col);
                    *at = if sum == Sum::Add { *at + value } else { value };
                }
            }
        }
    }

    /// See [`super::multiply`]; the processor has the instruction.
    pub(crate) fn multiply(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
        let (m, n, k) = (left.rows, right.cols, left.cols);
        let (row_panels, col_panels) = (m.div_ceil(ROWS), n.div_ceil(COLS));
        let stride = out.row_stride;
        let right = right.transposed(); // lanes of a panel are its columns
        let depth_most = DEPTH.min(k).div_ceil(2);
        let mut right_packed = vec![0_u32; col_panels * depth_most * COLS];
        let mut left_packed = vec![0_u32; row_panels * depth_most * ROWS];
        for start in (0..k).step_by(DEPTH) {
            let end = (start + DEPTH).min(k);
            let pairs = (end - start).div_ceil(2);
            let sum = if start > 0 { Sum::Add } else { sum };
            right_packed[..col_panels * pairs * COLS]
                .par_chunks_mut(pairs * COLS)
                .with_min_len(4)
                .enumerate()
                .for_each(|(panel, to)| {
                    let first = panel * COLS;
                    // SAFETY: `is_native` has found the instructions.
                    unsafe { pack::<COLS>(right, first, COLS.min(n - first), (start, end), to) };
                });
            left_packed[..row_panels * pairs * ROWS]
                .par_chunks_mut(pairs * ROWS)
                .with_min_len(8)
                .enumerate()
                .for_each(|(panel, to)| {
                    let first = panel * ROWS;
                    // SAFETY: `is_native` has found the instructions.
                    unsafe { pack::<ROWS>(left, first, ROWS.min(m - first), (start, end), to) };
                });
            let (left_packed, right_packed) = (&left_packed, &right_packed);
            let row_tasks = row_panels.div_ceil(PANELS);
            let col_tasks = (4 * rayon::current_num_threads())
                .div_ceil(row_tasks)
                .clamp(1, col_panels);
            let cols_a_task = col_panels.div_ceil(col_tasks);
            (0..row_tasks * col_tasks).into_par_iter().for_each(|task| {
                let (row_task, col_task) = (task / col_tasks, task % col_tasks);
                let rows = row_task * PANELS..((row_task + 1) * PANELS).min(row_panels);
                let cols = col_task * cols_a_task..((col_task + 1) * cols_a_task).min(col_panels);
                for col in cols {
                    let right = &right_packed[col * pairs * COLS..(col + 1) * pairs * COLS];
                    let n_cols = COLS.min(n - col * COLS);
                    for row in rows.clone() {
                        let left = &left_packed[row * pairs * ROWS..(row + 1) * pairs * ROWS];
                        let n_rows = ROWS.min(m - row * ROWS);
                        let to = out.block(row * ROWS, col * COLS, n_rows, n_cols);
                        // SAFETY: a task owns its rows and columns, so that no
                        // other writes to this block; `check` has seen that
                        // what is added to has values, or an earlier depth has
                        // written it; `is_native` has found the instructions.
                        unsafe {
                            macro_rules! by_rows {
                                ($($rows:literal)*) => { match n_rows {
                                    $($rows => block::<$rows>(left, right, to, stride, n_cols, sum),)*
                                    _ => unreachable!("a panel has 1 to 12 rows"),
                                } };
                            }
                            by_rows!(1 2 3 4 5 6 7 8 9 10 11 12);
                        }
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::values;

    fn rounded(x: &[f32]) -> Vec<f32> {
        x.iter()
            .map(|&x| half::bf16::from_f32(x).to_f32())
            .collect()
    }

    /// The product equals the f32 product of operands rounded beforehand, up
    /// to the order of its sums, for all four layouts and ragged sizes.
    #[test]
    fn a_product_is_that_of_the_rounded_operands() {
        let small = [(1, 1, 1), (13, 33, 9), (25, 3, 2)];
        let sizes = [(12, 32, 576), (13, 33, 577), (5, 100, 1200), (250, 31, 7)];
        let sizes = if cfg!(miri) { &small[..] } else { &sizes };
        for &(m, n, k) in small[..1].iter().chain(sizes) {
            let (a, b) = (values(m * k, 1), values(k * n, 2));
            let (ra, rb) = (rounded(&a), rounded(&b));
            for turned in 0..4 {
                let view = |a, turn: bool, rows, cols| {
                    if turn {
                        Matrix::new(a, cols, rows).transposed()
                    } else {
                        Matrix::new(a, rows, cols)
                    }
                };
                let (ta, tb) = (turned & 1 == 1, turned & 2 == 2);
                let mut got = values(m * n, 3);
                let mut expected = got.clone();
                let (out, exact) = (
                    MatrixMut::new(&mut got, m, n),
                    MatrixMut::new(&mut expected, m, n),
                );
                multiply(out, view(&a, ta, m, k), view(&b, tb, k, n), Sum::Add);
                let (left, right) = (view(&ra, ta, m, k), view(&rb, tb, k, n));
                gemm_f32::multiply(exact, left, right, Sum::Add, Threads::This);
                let tolerance = if is_native() { 2e-4 } else { 2.0 };
                for (got, expected) in got.iter().zip(&expected) {
                    assert!(
                        (got - expected).abs() < tolerance,
                        "[{m}, {k}] · [{k}, {n}], layout {turned}: {got}, expected {expected}"
                    );
                }
            }
        }
    }
}
