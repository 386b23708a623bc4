//! A product as blocks of packed panels, spread over the threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::matrix::{Matrix, MatrixMut, Sum, check};

/// What multiplies one block, and how it wants its operands packed. A value of the
/// type proves that the processor has the instructions.
///
/// Packed elements are pairs along the depth, two bf16 in a `u32`.
pub trait MicroKernel: Copy + Sync {
    /// Rows of `left` in a panel.
    const ROWS: usize;
    /// Columns of `right` in a panel.
    const COLS: usize;
    /// Maximum depth of a panel; a longer sum is cut.
    const DEPTH: usize;
    /// Panels of `left` in one task.
    const PANELS: usize;

    /// Packs rows of `left` over a part of its columns into a panel.
    ///
    /// # Shapes
    ///
    /// - `panel`: `[depth.len() / 2, ROWS]`, rounded up
    fn pack_left(
        self,
        left: Matrix<'_>,
        rows: Range<usize>,
        depth: Range<usize>,
        panel: &mut [u32],
    );

    /// Packs columns of `right`, which are rows of its transpose, over a part of its
    /// rows into a panel.
    ///
    /// # Shapes
    ///
    /// - `panel`: `[depth.len() / 2, COLS]`, rounded up
    fn pack_right(
        self,
        right_transposed: Matrix<'_>,
        cols: Range<usize>,
        depth: Range<usize>,
        panel: &mut [u32],
    );

    /// Adds or writes the product of two panels to a block.
    ///
    /// # Safety
    ///
    /// See [`Block`]; elements that are added to have values.
    unsafe fn multiply(self, left: &[u32], right: &[u32], out: Block, sum: Sum);
}

/// A part of a matrix: up to `ROWS` by `COLS` elements that nobody else reads or
/// writes meanwhile. Its rows are `stride` elements apart.
#[derive(Clone, Copy)]
pub struct Block {
    pub start: *mut f32,
    pub stride: usize,
    pub rows: usize,
    pub cols: usize,
}

/// Computes `out (+)= left · right`.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
pub fn multiply<K: MicroKernel>(
    kernel: K,
    out: &MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
) {
    check(out, left, right, sum);
    let (m, n, k) = (left.rows, right.cols, left.cols);
    let (row_panels, col_panels) = (m.div_ceil(K::ROWS), n.div_ceil(K::COLS));
    let rows_of = |panel: usize| panel * K::ROWS..((panel + 1) * K::ROWS).min(m);
    let cols_of = |panel: usize| panel * K::COLS..((panel + 1) * K::COLS).min(n);
    let right_transposed = right.transposed();
    let most_pairs = K::DEPTH.min(k).div_ceil(2);
    let mut right_packed = vec![0_u32; col_panels * most_pairs * K::COLS];
    let mut left_packed = vec![0_u32; row_panels * most_pairs * K::ROWS];
    for start in (0..k).step_by(K::DEPTH) {
        let depth = start..(start + K::DEPTH).min(k);
        let pairs = depth.len().div_ceil(2);
        let sum = if start > 0 { Sum::Add } else { sum };
        let (left_len, right_len) = (pairs * K::ROWS, pairs * K::COLS);
        right_packed[..col_panels * right_len]
            .par_chunks_mut(right_len)
            .with_min_len(4)
            .enumerate()
            .for_each(|(panel, to)| {
                kernel.pack_right(right_transposed, cols_of(panel), depth.clone(), to);
            });
        left_packed[..row_panels * left_len]
            .par_chunks_mut(left_len)
            .with_min_len(8)
            .enumerate()
            .for_each(|(panel, to)| {
                kernel.pack_left(left, rows_of(panel), depth.clone(), to);
            });
        let (left_packed, right_packed) = (&left_packed, &right_packed);
        let row_tasks = row_panels.div_ceil(K::PANELS);
        let col_tasks = (4 * rayon::current_num_threads())
            .div_ceil(row_tasks)
            .clamp(1, col_panels);
        let cols_a_task = col_panels.div_ceil(col_tasks);
        (0..row_tasks * col_tasks).into_par_iter().for_each(|task| {
            let (row_task, col_task) = (task / col_tasks, task % col_tasks);
            let row_panels = row_task * K::PANELS..((row_task + 1) * K::PANELS).min(row_panels);
            let col_panels = col_task * cols_a_task..((col_task + 1) * cols_a_task).min(col_panels);
            for col_panel in col_panels {
                let right = &right_packed[col_panel * right_len..(col_panel + 1) * right_len];
                let cols = cols_of(col_panel);
                for row_panel in row_panels.clone() {
                    let left = &left_packed[row_panel * left_len..(row_panel + 1) * left_len];
                    let rows = rows_of(row_panel);
                    let block = Block {
                        start: out.block(rows.start, cols.start, rows.len(), cols.len()),
                        stride: out.row_stride,
                        rows: rows.len(),
                        cols: cols.len(),
                    };
                    // SAFETY: a task owns its rows and columns, so that no other
                    // writes to this block; `check` has seen that what is added to
                    // has values, or an earlier depth has written it.
                    unsafe { kernel.multiply(left, right, block, sum) };
                }
            }
        });
    }
}
