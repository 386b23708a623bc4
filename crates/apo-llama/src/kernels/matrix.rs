//! Matrix products over strided views of `f32` slices.

use rayon::prelude::*;

use super::{bf16, few_rows};
use crate::Precision;
use crate::spent::{Kind, counted};

/// A matrix to read: element `(row, col)` lies at `row · row_stride + col · col_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

/// A matrix to write, its columns side by side.
pub(crate) struct MatrixMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
}

/// Whether a product replaces what stands in its place or is added to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    Replace,
    Add,
}

/// Whether a product is split over the threads or stays on this one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    All,
    This,
}

/// Returns one past the last element that a view touches.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> usize {
    if rows == 0 || cols == 0 {
        return 0;
    }
    (rows - 1) * row_stride + (cols - 1) * col_stride + 1
}

impl<'a> Matrix<'a> {
    /// Views `data` as `[rows, cols]`, row after row.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::with_stride(data, rows, cols, cols)
    }

    /// Views `data` as `[rows, cols]`, a row beginning every `row_stride` elements.
    pub(crate) fn with_stride(
        data: &'a [f32],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Self {
        assert!(
            extent(rows, cols, row_stride, 1) <= data.len(),
            "a view of [{rows}, {cols}] by {row_stride} leaves its {} elements",
            data.len()
        );
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }

    /// Swaps rows and columns, without moving anything.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

impl<'a> MatrixMut<'a> {
    /// Views `data` as `[rows, cols]`, row after row.
    pub(crate) fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::with_stride(data, rows, cols, cols)
    }

    /// Views `data` as `[rows, cols]`, a row beginning every `row_stride` elements.
    pub(crate) fn with_stride(
        data: &'a mut [f32],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Self {
        assert!(
            extent(rows, cols, row_stride, 1) <= data.len() && cols <= row_stride,
            "a view of [{rows}, {cols}] by {row_stride} leaves its {} elements",
            data.len()
        );
        Self {
            data,
            rows,
            cols,
            row_stride,
        }
    }
}

/// Computes `out (+)= left · right`.
///
/// With [`Precision::Bf16`] the operands are rounded to bf16 and the sums kept
/// in f32, where the processor has such products. Small ones on one thread, and
/// those of a few rows, which rounding a weight would only slow down, stay in
/// f32.
pub(crate) fn multiply(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    threads: Threads,
    precision: Precision,
) {
    assert!(
        left.cols == right.rows && left.rows == out.rows && right.cols == out.cols,
        "[{}, {}] · [{}, {}] does not give [{}, {}]",
        left.rows,
        left.cols,
        right.rows,
        right.cols,
        out.rows,
        out.cols
    );
    let (m, n, k) = (out.rows, out.cols, left.cols);
    counted(
        Kind::Products,
        2 * m * n * k,
        4 * (m * k + k * n + m * n),
        || {
            if threads == Threads::All && few_rows::is_it(left, right) {
                few_rows::multiply(out, left, right, sum);
            } else if threads == Threads::All && precision == Precision::Bf16 {
                bf16::multiply(out, left, right, sum);
            } else {
                multiply_f32(out, left, right, sum, threads);
            }
        },
    );
}

/// Computes `out (+)= left · right` in f32.
pub(super) fn multiply_f32(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    threads: Threads,
) {
    let parallelism = match threads {
        Threads::All if rayon::current_num_threads() > 1 => gemm::Parallelism::Rayon(0),
        _ => gemm::Parallelism::None,
    };
    // SAFETY: the constructors have checked that every element that the
    // strides reach lies within the slices, and `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            out.rows,
            out.cols,
            left.cols,
            out.data.as_mut_ptr(),
            1,
            out.row_stride as isize,
            sum == Sum::Add,
            left.data.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Adds `from` to `to`, element by element, over the threads.
pub(crate) fn add_assign(to: &mut [f32], from: &[f32]) {
    const PART: usize = 1 << 15;
    assert_eq!(to.len(), from.len(), "a sum of unlike lengths");
    to.par_chunks_mut(PART)
        .zip(from.par_chunks(PART))
        .for_each(|(to, from)| super::simd::add(to, from));
}
