//! Matrix products: chooses how each one is computed.

use crate::bf16::{self, Packed};
use crate::matrix::{Matrix, MatrixMut, Sum, Threads};
use crate::precision::Precision;
use crate::stats::{KernelKind, timed};
use crate::{few_rows, gemm_f32};

/// Computes `out (+)= left · right`.
///
/// With [`Precision::Bf16`], a processor that has such products rounds the operands to
/// bf16 and keeps the sums in f32. Products on one thread stay in f32, and so do
/// products of few rows, because converting the weight would cost more than it saves.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
pub fn multiply(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    threads: Threads,
    precision: Precision,
) {
    counted([out.rows, out.cols, left.cols], || {
        if threads == Threads::All && few_rows::applies(left, right) {
            few_rows::multiply(out, left, right, sum);
        } else if threads == Threads::All && precision == Precision::Bf16 {
            bf16::multiply(out, left, right, sum);
        } else {
            gemm_f32::multiply(out, left, right, sum, threads);
        }
    });
}

/// Packs the right operand of products that have so many rows of the left one together
/// that this pays. Returns `None` where [`multiply`] is as fast without.
pub(crate) fn packed(right: Matrix<'_>, rows: usize, precision: Precision) -> Option<Packed> {
    let pays = precision == Precision::Bf16 && !few_rows::are_few(rows);
    pays.then(|| Packed::new(right)).flatten()
}

/// Computes `out (+)= left · right` in f32 over the threads. A row of the result is the
/// same whatever other rows there are, and how many.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`, its columns side by side
/// - `right`: `[depth, cols]`, its rows side by side
/// - `out`: `[rows, cols]`
pub fn multiply_batch_invariant(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    counted([out.rows, out.cols, left.cols], || {
        few_rows::multiply(out, left, right, sum);
    });
}

/// Computes `out (+)= left · right`, with the left operand rounded to bf16 and sums in
/// f32. A row of the result is the same whatever other rows there are, and how many.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
pub fn multiply_packed(out: MatrixMut<'_>, left: Matrix<'_>, right: &Packed, sum: Sum) {
    counted([out.rows, out.cols, left.cols], || {
        right.multiply(out, left, sum);
    });
}

/// Counts and times the product of `[rows, depth]` and `[depth, cols]`.
fn counted([rows, cols, depth]: [usize; 3], product: impl FnOnce()) {
    let elements = rows * depth + depth * cols + rows * cols;
    timed(
        KernelKind::Matmul,
        2 * rows * cols * depth,
        4 * elements,
        product,
    );
}
