//! Products of a few rows with a weight in its file's layout, `x · weightᵀ`.
//!
//! A step of generation multiplies each weight with one row per sequence. Packing the
//! weight, as a product of many rows does, would cost more than the product itself.
//! Here each result is a dot product of two rows as they lie in memory. The results of
//! a tile share their loads, and a weight is read once for all rows.
//!
//! A result is summed in the same order in every tile, so it does not depend on the
//! number of rows. Generation counts on this on every machine: a response is the same
//! whichever others are in its batch. Each instruction set has tiles of its own, as
//! [`avx2`]; [`portable`] needs none.

use rayon::prelude::*;

use crate::matrix::{Matrix, MatrixMut, Sum, is_done};
use crate::simd;

/// Writes the dot product of each row of `x` with each of `weight`, `[x, weight]`, by
/// tiles of `ROWS` by `COLS`. Each instruction set compiles it for itself, so that its
/// tiles are inlined.
macro_rules! dot_products {
    ($(#[$meta:meta])*) => {
        $(#[$meta])*
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
    };
}

/// Returns the length that all rows of a tile have.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn common_length(x: &[&[f32]], weight: &[&[f32]]) -> usize {
    let length = x[0].len();
    assert!(
        x.iter().chain(weight).all(|row| row.len() == length),
        "rows of one length"
    );
    length
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx2;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx512;
mod portable;

/// Maximum number of rows for which this is faster than packing.
const MOST_ROWS: usize = 96;

/// Maximum number of the weight's rows that one thread takes at a time.
const PART: usize = if cfg!(miri) { 6 } else { 96 };

/// Writes the dot product of each row of the first with each of the second.
type DotProducts = fn(&[&[f32]], &[&[f32]], &mut [f32]);

/// How dot products of rows are computed.
#[derive(Clone, Copy)]
struct DotKernel {
    dot_products: DotProducts,
    /// Rows of the weight in a tile.
    cols: usize,
}

/// Returns the fastest kernel that this processor runs.
fn kernel() -> DotKernel {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if let Some(kernel) = avx512::kernel().or_else(avx2::kernel) {
        return kernel;
    }
    portable::kernel()
}

/// Tells whether a product has this form.
fn has_form(left: Matrix<'_>, right: Matrix<'_>) -> bool {
    left.col_stride == 1 && right.row_stride == 1
}

/// Tells whether packing the weight would cost more than a product of so many rows.
pub(crate) fn are_few(rows: usize) -> bool {
    rows <= MOST_ROWS
}

/// Tells whether a product has this form, and so few rows that this is the fastest way.
pub(crate) fn applies(left: Matrix<'_>, right: Matrix<'_>) -> bool {
    are_few(left.rows) && has_form(left, right)
}

/// Computes `out (+)= left · right` over the threads, for any number of rows.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`, its columns side by side
/// - `right`: `[depth, cols]`, its rows side by side
/// - `out`: `[rows, cols]`
///
/// # Panics
///
/// When the product has another form.
pub(crate) fn multiply(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    multiply_by(kernel(), out, left, right, sum);
}

fn multiply_by(
    kernel: DotKernel,
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
) {
    if is_done(&out, [left.rows, left.cols], [right.rows, right.cols], sum) {
        return;
    }
    assert!(has_form(left, right), "rows lie side by side");
    let (n_rows, n_cols, depth) = (left.rows, right.cols, left.cols);
    let x: Vec<&[f32]> = (0..n_rows)
        .map(|row| &left.data[row * left.row_stride..][..depth])
        .collect();
    let cols_per_thread = n_cols.div_ceil(2 * rayon::current_num_threads());
    let part_cols = cols_per_thread.next_multiple_of(kernel.cols).min(PART);
    (0..n_cols.div_ceil(part_cols))
        .into_par_iter()
        .for_each(|part| {
            let first = part * part_cols;
            let cols = part_cols.min(n_cols - first);
            let weight: Vec<&[f32]> = (first..first + cols)
                .map(|col| &right.data[col * right.col_stride..][..depth])
                .collect();
            let mut results = vec![0.0; n_rows * cols];
            (kernel.dot_products)(&x, &weight, &mut results);
            for (row, results) in results.chunks_exact(cols).enumerate() {
                // SAFETY: a part owns its columns of every row.
                let out = unsafe { out.part_mut(row, first, cols) };
                match sum {
                    Sum::Replace => {
                        out.write_copy_of_slice(results);
                    }
                    // SAFETY: `is_done` has seen that they have values.
                    Sum::Add => simd::add(unsafe { out.assume_init_mut() }, results),
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm_f32;
    use crate::matrix::Threads;
    use crate::test_values::values;

    /// Every kernel that this processor runs; the others are named.
    fn kernels() -> Vec<DotKernel> {
        let mut found = vec![portable::kernel()];
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        for (name, kernel) in [("AVX2", avx2::kernel()), ("AVX-512", avx512::kernel())] {
            match kernel {
                Some(kernel) => found.push(kernel),
                None => eprintln!("skipped: no {name}"),
            }
        }
        found
    }

    #[test]
    fn it_is_the_product_and_does_not_depend_on_the_number_of_rows() {
        let small = [(1, 1, 1), (4, 6, 16), (7, 20, 5)];
        let large = [(7, 100, 37), (101, 205, 576), (3, 96, 1540)];
        let large = if cfg!(miri) { &[] } else { &large[..] };
        for (&(m, n, k), kernel) in small.iter().chain(large).flat_map(|size| {
            let all = kernels().into_iter();
            all.map(move |kernel| (size, kernel))
        }) {
            let (x, weight) = (values(m * k, 1), values(n * k, 2));
            let right = Matrix::new(&weight, n, k).transposed();
            for sum in [Sum::Replace, Sum::Add] {
                // A row of the result is longer than its columns.
                let (mut got, mut expected) = (values(m * (n + 3), 3), values(m * (n + 3), 3));
                let left = Matrix::new(&x, m, k);
                let to = MatrixMut::with_stride(&mut got, m, n, n + 3);
                multiply_by(kernel, to, left, right, sum);
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
            let mut all = vec![0.0; m * n];
            let to = MatrixMut::new(&mut all, m, n);
            multiply_by(kernel, to, Matrix::new(&x, m, k), right, Sum::Replace);
            for (row, of_all) in all.chunks_exact(n).enumerate() {
                let mut alone = vec![0.0; n];
                let left = Matrix::new(&x[row * k..(row + 1) * k], 1, k);
                let to = MatrixMut::new(&mut alone, 1, n);
                multiply_by(kernel, to, left, right, Sum::Replace);
                assert_eq!(alone, of_all, "row {row} of {m}");
            }
        }
    }
}
