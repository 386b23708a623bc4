//! Matrices as strided views of `f32` slices.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Rows that one thread takes at a time in a row-wise kernel.
pub(crate) const ROWS_PER_TASK: usize = 64;

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
// SAFETY: the only accesses are `block`, a raw pointer, and `part_mut`, whose callers
// promise that no two live parts overlap.
unsafe impl Sync for MatrixMut<'_> {}

/// Whether a product replaces elements or is added to them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// They are replaced.
    Replace,
    /// The product is added to them.
    Add,
}

/// Whether a product is split over the threads or stays on this one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
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
    ///
    /// # Shapes
    ///
    /// - `data`: `[rows, cols]`
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::with_stride(data, rows, cols, cols)
    }

    /// Views `data` as `[rows, cols]`, a row beginning every `row_stride` elements.
    ///
    /// # Shapes
    ///
    /// - `data`: `[rows, row_stride]`; the last row may end after `cols` elements
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

    /// Swaps rows and columns without copying.
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
    ///
    /// # Shapes
    ///
    /// - `data`: `[rows, cols]`
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::with_stride(data, rows, cols, cols)
    }

    /// Views `data` as `[rows, cols]`, a row beginning every `row_stride` elements.
    ///
    /// # Shapes
    ///
    /// - `data`: `[rows, row_stride]`; the last row may end after `cols` elements
    pub fn with_stride(data: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        let start = data.as_mut_ptr();
        Self::over(start, data.len(), [rows, cols, row_stride], true)
    }

    /// As [`Self::new`], over elements that have no value yet.
    ///
    /// # Shapes
    ///
    /// - `data`: `[rows, cols]`
    pub fn unwritten(data: &'a mut [MaybeUninit<f32>], rows: usize, cols: usize) -> Self {
        Self::unwritten_with_stride(data, rows, cols, cols)
    }

    /// As [`Self::with_stride`], over elements that have no value yet.
    ///
    /// # Shapes
    ///
    /// - `data`: `[rows, row_stride]`; the last row may end after `cols` elements
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

/// Checks that a product can be written to `out`, and tells whether it is done already:
/// one without elements is, and one without terms has sums of 0.
///
/// # Shapes
///
/// - left operand: `[rows, depth]`
/// - right operand: `[right_rows, right_cols]`
///
/// # Panics
///
/// When the shapes do not match, or the product is added to elements without a value.
pub(crate) fn is_done(
    out: &MatrixMut<'_>,
    [rows, depth]: [usize; 2],
    [right_rows, right_cols]: [usize; 2],
    sum: Sum,
) -> bool {
    assert!(
        depth == right_rows && rows == out.rows && right_cols == out.cols,
        "[{rows}, {depth}] · [{right_rows}, {right_cols}] does not give [{}, {}]",
        out.rows,
        out.cols
    );
    assert!(
        out.written || sum == Sum::Replace,
        "a product can be added only to elements with a value"
    );
    if depth == 0 && sum == Sum::Replace {
        for row in 0..out.rows {
            // SAFETY: only one part is live at a time.
            let part = unsafe { out.part_mut(row, 0, out.cols) };
            part.fill(MaybeUninit::new(0.0));
        }
    }
    out.rows == 0 || out.cols == 0 || depth == 0
}
