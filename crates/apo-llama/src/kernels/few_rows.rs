//! Products of a few rows with a weight as its file holds it, `x · weightᵀ`.
//!
//! A step of generation multiplies each weight with one row a sequence. Packing
//! the weight, as a product of many rows does, then costs more than the product.
//! Here each result is a dot product of two rows as they lie in memory; a tile
//! of them shares its loads, and a weight is read once for all rows.
//!
//! A result is summed in the same order whatever tile it falls into, so that it
//! does not depend on the number of rows.

use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, Sum};
use super::shared::Disjoint;
use super::simd;

/// Most rows that are fewer work this way; beyond, packing pays.
const MOST_ROWS: usize = 96;

/// Rows of the weight that one thread takes at a time: a multiple of all tiles.
const PART: usize = 96;

/// Whether a product is of this kind.
pub(super) fn is_it(left: Matrix<'_>, right: Matrix<'_>) -> bool {
    left.rows <= MOST_ROWS && left.col_stride == 1 && right.row_stride == 1
}

/// Computes `out (+)= left · right`, over the threads.
pub(super) fn multiply(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    let (n_rows, n_cols, depth) = (left.rows, right.cols, left.cols);
    let stride = out.row_stride;
    let target = Disjoint::new(out.data);
    let x: Vec<&[f32]> = (0..n_rows)
        .map(|row| &left.data[row * left.row_stride..][..depth])
        .collect();
    (0..n_cols.div_ceil(PART)).into_par_iter().for_each(|part| {
        let first = part * PART;
        let cols = PART.min(n_cols - first);
        let weight: Vec<&[f32]> = (first..first + cols)
            .map(|col| &right.data[col * right.col_stride..][..depth])
            .collect();
        let mut results = vec![0.0; n_rows * cols];
        simd::dot_products(&x, &weight, &mut results);
        for (row, results) in results.chunks_exact(cols).enumerate() {
            // SAFETY: a part owns its columns of every row.
            let out = unsafe { target.part_mut(row * stride + first, cols) };
            match sum {
                Sum::Replace => out.copy_from_slice(results),
                Sum::Add => simd::add(out, results),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::matrix::{Threads, multiply_f32};
    use super::*;

    fn values(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| {
                let x = (i.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519);
                (x >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn it_is_the_product_and_does_not_depend_on_the_number_of_rows() {
        for (m, n, k) in [
            (1, 1, 1),
            (4, 6, 16),
            (7, 100, 37),
            (33, 205, 576),
            (3, 96, 1540),
        ] {
            let (x, weight) = (values(m * k, 1), values(n * k, 2));
            let right = Matrix::new(&weight, n, k).transposed();
            for sum in [Sum::Replace, Sum::Add] {
                // A row of the result is longer than its columns.
                let (mut got, mut expected) = (values(m * (n + 3), 3), values(m * (n + 3), 3));
                let left = Matrix::new(&x, m, k);
                assert!(is_it(left, right));
                let to = MatrixMut::with_stride(&mut got, m, n, n + 3);
                multiply(to, left, right, sum);
                let to = MatrixMut::with_stride(&mut expected, m, n, n + 3);
                multiply_f32(to, left, right, sum, Threads::This);
                for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    let close = (got - expected).abs() < 1e-5 * (k as f32).sqrt().max(4.0);
                    assert!(
                        close,
                        "[{m}, {k}] · [{k}, {n}] at {i}: {got}, not {expected}"
                    );
                }
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
