//! Products of a few rows with a weight in its file's layout, `x · weightᵀ`.
//!
//! A step of generation multiplies each weight with one row per sequence. Packing the
//! weight, as a product of many rows does, would cost more than the product itself.
//! Here each result is a dot product of two rows as they lie in memory. The results of
//! a tile share their loads, and a weight is read once for all rows.
//!
//! A result is summed in the same order in every tile, so it does not depend on the
//! number of rows.

use super::gemm_f32;
use super::matrix::{Matrix, MatrixMut, Sum, Threads, check};

/// Maximum number of rows; with more, packing is faster.
const MOST_ROWS: usize = 96;

/// Tells whether a product has this form, and the processor the instructions.
pub(crate) fn applies(left: Matrix<'_>, right: Matrix<'_>) -> bool {
    let fits = left.rows <= MOST_ROWS && left.col_stride == 1 && right.row_stride == 1;
    // Miri runs the same tiles, each computed by plain loops.
    if cfg!(miri) {
        return fits;
    }
    #[cfg(target_arch = "x86_64")]
    {
        fits && is_x86_feature_detected!("avx512f")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        fits && false
    }
}

/// Computes `out (+)= left · right`, over the threads.
pub(crate) fn multiply(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    check(&out, left, right, sum);
    #[cfg(target_arch = "x86_64")]
    if applies(left, right) {
        return native::multiply(out, left, right, sum);
    }
    gemm_f32::multiply(out, left, right, sum, Threads::All);
}

#[cfg(target_arch = "x86_64")]
mod native {
    #[cfg(not(miri))]
    use std::arch::x86_64::{
        _MM_HINT_T1, _mm_prefetch, _mm512_fmadd_ps, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps,
        _mm512_setzero_ps,
    };

    use rayon::prelude::*;

    use crate::matrix::{Matrix, MatrixMut, Sum};
    use crate::{simd, write, written};

    /// Rows of x and of the weight in a tile: 24 sums, 6 weights and a row of x
    /// fill 31 of 32 registers.
    const ROWS: usize = 4;
    const COLS: usize = 6;

    /// Maximum number of the weight's rows that one thread takes at a time.
    const PART: usize = if cfg!(miri) { COLS } else { 16 * COLS };

    #[cfg(not(miri))]
    const LANES: usize = 16;

    /// See [`super::multiply`]; the processor has the instructions.
    pub(crate) fn multiply(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
        let (n_rows, n_cols, depth) = (left.rows, right.cols, left.cols);
        let x: Vec<&[f32]> = (0..n_rows)
            .map(|row| &left.data[row * left.row_stride..][..depth])
            .collect();
        let a_thread = n_cols.div_ceil(2 * rayon::current_num_threads());
        let part_cols = a_thread.next_multiple_of(COLS).min(PART);
        (0..n_cols.div_ceil(part_cols))
            .into_par_iter()
            .for_each(|part| {
                let first = part * part_cols;
                let cols = part_cols.min(n_cols - first);
                let weight: Vec<&[f32]> = (first..first + cols)
                    .map(|col| &right.data[col * right.col_stride..][..depth])
                    .collect();
                let mut results = vec![0.0; n_rows * cols];
                // SAFETY: `applies` has found the instructions.
                unsafe { dot_products(&x, &weight, &mut results) };
                for (row, results) in results.chunks_exact(cols).enumerate() {
                    // SAFETY: a part owns its columns of every row.
                    let out = unsafe { out.part_mut(row, first, cols) };
                    match sum {
                        Sum::Replace => write(out, results),
                        // SAFETY: `check` has seen that they have values.
                        Sum::Add => simd::add(unsafe { written(out) }, results),
                    }
                }
            });
    }

    /// Writes the dot product of each row of `x` with each of `weight`,
    /// `[x, weight]`.
    #[cfg_attr(not(miri), target_feature(enable = "avx512f"))]
    fn dot_products(x: &[&[f32]], weight: &[&[f32]], out: &mut [f32]) {
        let n = weight.len();
        let (weight_tiles, weight_rest) = weight.as_chunks::<COLS>();
        let (x_tiles, x_rest) = x.as_chunks::<ROWS>();
        let first = x_tiles.len() * ROWS;
        for (j, weight) in weight_tiles.iter().enumerate() {
            let mut next = weight_tiles.get(j + 1);
            for (i, x) in x_tiles.iter().enumerate() {
                let out = &mut out[i * ROWS * n + j * COLS..];
                tile(x, weight, next.take(), out, n);
            }
            for (i, x) in x_rest.iter().enumerate() {
                let out = &mut out[(first + i) * n + j * COLS..];
                tile(&[*x], weight, next.take(), out, n);
            }
        }
        let first = weight_tiles.len() * COLS;
        for (j, weight) in weight_rest.iter().enumerate() {
            for (i, x) in x.iter().enumerate() {
                tile(&[*x], &[*weight], None, &mut out[i * n + first + j..], n);
            }
        }
    }

    /// Writes the dot products of a tile, a row every `stride` elements. Prefetches the
    /// next rows of the weight, which come from memory.
    #[cfg(not(miri))]
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn tile<const R: usize, const C: usize>(
        x: &[&[f32]; R],
        weight: &[&[f32]; C],
        next: Option<&[&[f32]; C]>,
        out: &mut [f32],
        stride: usize,
    ) {
        let depth = x[0].len();
        assert!(
            x.iter().chain(weight).all(|row| row.len() == depth),
            "rows of one length"
        );
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

    /// The same without the instructions, for Miri.
    #[cfg(miri)]
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::values;

    #[test]
    fn it_is_the_product_and_does_not_depend_on_the_number_of_rows() {
        let small = [(1, 1, 1), (4, 6, 16), (7, 20, 5)];
        let large = [(7, 100, 37), (33, 205, 576), (3, 96, 1540)];
        let large = if cfg!(miri) { &[] } else { &large[..] };
        for &(m, n, k) in small.iter().chain(large) {
            let (x, weight) = (values(m * k, 1), values(n * k, 2));
            let right = Matrix::new(&weight, n, k).transposed();
            for sum in [Sum::Replace, Sum::Add] {
                // A row of the result is longer than its columns.
                let (mut got, mut expected) = (values(m * (n + 3), 3), values(m * (n + 3), 3));
                let left = Matrix::new(&x, m, k);
                let to = MatrixMut::with_stride(&mut got, m, n, n + 3);
                multiply(to, left, right, sum);
                let to = MatrixMut::with_stride(&mut expected, m, n, n + 3);
                gemm_f32::multiply(to, left, right, sum, Threads::This);
                for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    let close = (got - expected).abs() < 1e-5 * (k as f32).sqrt().max(4.0);
                    assert!(
                        close,
                        "[{m}, {k}] · [{k}, {n}] at {i}: {got}, not {expected}"
                    );
                }
            }
            // Without the instructions, the library multiplies, whose sums depend on the
            // number of rows.
            if !applies(Matrix::new(&x, m, k), right) {
                continue;
            }
            let mut all = vec![0.0; m * n];
            multiply(
                MatrixMut::new(&mut all, m, n),
                Matrix::new(&x, m, k),
                right,
                Sum::Replace,
            );
            for (row, of_all) in all.chunks_exact(n).enumerate() {
                let mut alone = vec![0.0; n];
                let left = Matrix::new(&x[row * k..(row + 1) * k], 1, k);
                multiply(MatrixMut::new(&mut alone, 1, n), left, right, Sum::Replace);
                assert_eq!(alone, of_all, "row {row} of {m}");
            }
        }
    }
}
