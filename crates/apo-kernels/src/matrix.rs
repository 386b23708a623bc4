//! Matrix products over strided views of `f32` slices.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{bf16, few_rows};
use crate::Precision;
use crate::stats::{Kind, timed};

/// A matrix to read: element `(row, col)` lies at `row · row_stride + col · col_stride`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

/// A matrix to write, its columns side by side.
///
/// Its rows are `row_stride` elements apart, so slices over two blocks can overlap
/// although the blocks do not. A block is therefore a pointer and never a slice.
pub struct MatrixMut<'a> {
    start: *mut f32,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    /// Whether all elements are initialised, so that sums may be added to them.
    written: bool,
    lifetime: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: the elements are borrowed exclusively, and any thread may write floats.
unsafe impl Send for MatrixMut<'_> {}
// SAFETY: a shared reference gives only pointers to the elements, and their users
// promise that no two threads touch the same element.
unsafe impl Sync for MatrixMut<'_> {}

/// Whether a product replaces the elements or is added to them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// They are replaced.
    Replace,
    /// The product is added to them.
    Add,
}

/// Whether a product is split over the threads or stays on this one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Split over all threads.
    All,
    /// Only on this thread.
    This,
}

/// Returns one past the last element that a view touches.
fn extent(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> usize {
    if rows == 0 || cols == 0 {
        return 0;
    }
    let rows = (rows - 1).checked_mul(row_stride);
    let cols = (cols - 1).checked_mul(col_stride);
    let last = rows
        .zip(cols)
        .and_then(|(rows, cols)| rows.checked_add(cols));
    last.map_or(usize::MAX, |last| last + 1)
}

impl<'a> Matrix<'a> {
    /// Views `data` as `[rows, cols]`, row after row.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::with_stride(data, rows, cols, cols)
    }

    /// Views `data` as `[rows, cols]`, a row beginning every `row_stride` elements.
    pub fn with_stride(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
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
    #[must_use]
    pub fn transposed(self) -> Self {
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
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::with_stride(data, rows, cols, cols)
    }

    /// Views `data` as `[rows, cols]`, a row beginning every `row_stride` elements.
    pub fn with_stride(data: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        let start = data.as_mut_ptr();
        Self::over(start, data.len(), [rows, cols, row_stride], true)
    }

    /// As [`Self::new`], over elements that have no value yet.
    pub fn unwritten(data: &'a mut [MaybeUninit<f32>], rows: usize, cols: usize) -> Self {
        Self::unwritten_with_stride(data, rows, cols, cols)
    }

    /// As [`Self::with_stride`], over elements that have no value yet.
    pub fn unwritten_with_stride(
        data: &'a mut [MaybeUninit<f32>],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Self {
        let start = data.as_mut_ptr().cast();
        Self::over(start, data.len(), [rows, cols, row_stride], false)
    }

    fn over(
        start: *mut f32,
        len: usize,
        [rows, cols, row_stride]: [usize; 3],
        written: bool,
    ) -> Self {
        assert!(
            extent(rows, cols, row_stride, 1) <= len && cols <= row_stride,
            "a view of [{rows}, {cols}] by {row_stride} leaves its {len} elements"
        );
        Self {
            start,
            rows,
            cols,
            row_stride,
            written,
            lifetime: PhantomData,
        }
    }

    /// Returns a pointer to a block whose rows are `row_stride` elements apart.
    /// Other threads may write to other columns of the same rows, so no slice may
    /// span two rows.
    pub(crate) fn block(&self, row: usize, col: usize, rows: usize, cols: usize) -> *mut f32 {
        assert!(
            row + rows <= self.rows && col + cols <= self.cols,
            "a block leaves its matrix"
        );
        self.start.wrapping_add(row * self.row_stride + col)
    }

    /// Returns a part of one row.
    ///
    /// # Safety
    ///
    /// No other live part overlaps this one.
    #[expect(
        clippy::mut_from_ref,
        reason = "handing out disjoint parts is the point"
    )]
    pub(crate) unsafe fn part_mut(
        &self,
        row: usize,
        col: usize,
        cols: usize,
    ) -> &mut [MaybeUninit<f32>] {
        let start = self.block(row, col, 1, cols).cast();
        // SAFETY: within the matrix by `block`, disjoint by contract.
        unsafe { std::slice::from_raw_parts_mut(start, cols) }
    }
}

/// Checks that a product can be written to `out`.
pub(crate) fn check(out: &MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
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
    // A product without terms writes nothing.
    assert!(
        out.written || (sum == Sum::Replace && left.cols > 0),
        "elements without a value are replaced by sums of something"
    );
}

/// Computes `out (+)= left · right`.
///
/// With [`Precision::Bf16`], processors that have such products round the
/// operands to bf16 and keep the sums in f32. Small products on one thread stay
/// in f32, and so do products of few rows: converting the weight would cost more
/// than it saves.
pub fn multiply(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    threads: Threads,
    precision: Precision,
) {
    let (m, n, k) = (out.rows, out.cols, left.cols);
    timed(
        Kind::Matmul,
        2 * m * n * k,
        4 * (m * k + k * n + m * n),
        || {
            if threads == Threads::All && few_rows::applies(left, right) {
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
pub(crate) fn multiply_f32(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    threads: Threads,
) {
    check(&out, left, right, sum);
    #[cfg(miri)]
    return plain(&out, left, right, sum);
    #[cfg(not(miri))]
    gemm_f32(&out, left, right, sum, threads);
}

/// The same by plain loops for Miri, which should check our views and would take
/// hours over a library's buffers.
#[cfg(miri)]
fn plain(out: &MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    let at = |m: Matrix<'_>, row, col| m.data[row * m.row_stride + col * m.col_stride];
    for row in 0..out.rows {
        // SAFETY: only one part is live at a time.
        let part = unsafe { out.part_mut(row, 0, out.cols) };
        for (col, to) in part.iter_mut().enumerate() {
            let products = (0..left.cols).map(|k| at(left, row, k) * at(right, k, col));
            let value: f32 = products.sum();
            match sum {
                Sum::Replace => to.write(value),
                // SAFETY: `check` has seen that it has a value.
                Sum::Add => to.write(unsafe { to.assume_init() } + value),
            };
        }
    }
}

#[cfg(not(miri))]
fn gemm_f32(out: &MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum, threads: Threads) {
    let parallelism = match threads {
        Threads::All if rayon::current_num_threads() > 1 => gemm::Parallelism::Rayon(0),
        _ => gemm::Parallelism::None,
    };
    // SAFETY: the constructors have checked that the strides stay within the
    // slices, and `check` that the sizes agree and that elements are initialised
    // if the product is added to them; `out` is borrowed exclusively.
    unsafe {
        gemm::gemm(
            out.rows,
            out.cols,
            left.cols,
            out.block(0, 0, out.rows, out.cols),
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
pub fn add_assign(to: &mut [f32], from: &[f32]) {
    const PART: usize = 1 << 15;
    assert_eq!(to.len(), from.len(), "a sum of unlike lengths");
    to.par_chunks_mut(PART)
        .zip(from.par_chunks(PART))
        .for_each(|(to, from)| super::simd::add(to, from));
}
