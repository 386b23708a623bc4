//! A product as blocks of packed panels, spread over the threads.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::pack::SIDE;
use super::panels::{Panels, Parts};
use crate::matrix::{Matrix, MatrixMut, Sum, Threads, is_done};

/// What multiplies one block, and how it wants its operands packed. A value of the
/// type proves that the processor has the instructions.
///
/// Packed elements are pairs along the depth, two bf16 in a `u32`; the depth is filled
/// up to a multiple of 16 pairs. Sixteen pairs of a panel lie together, so that a part of
/// its depth is a part of the panel.
///
/// # Safety
///
/// `pack_left` and `pack_right` write the whole panel.
pub unsafe trait MicroKernel: Copy + Sync {
    /// Rows of `left` in a panel.
    const ROWS: usize;
    /// Columns of `right` in a panel.
    const COLS: usize;
    /// Maximum depth of a panel; a longer sum is cut.
    const DEPTH: usize;
    /// Panels of `left` in one task.
    const PANELS: usize;

    /// What a thread holds while it multiplies blocks.
    type Thread;

    /// Makes this thread ready.
    fn on_thread(self) -> Self::Thread;

    /// Packs rows of `left` into a panel of `ROWS`, in the order that
    /// [`Self::multiply`] reads. The whole panel is written.
    fn pack_left(self, left: Matrix<'_>, rows: Range<usize>, panel: &mut [MaybeUninit<u32>]);

    /// Packs columns of `right`, which are rows of its transpose, into a panel of `COLS`:
    /// `[pairs, COLS]` for each kernel.
    fn pack_right(
        self,
        right_transposed: Matrix<'_>,
        cols: Range<usize>,
        panel: &mut [MaybeUninit<u32>],
    );

    /// Adds or writes the product of two panels to a block.
    ///
    /// # Safety
    ///
    /// See [`Block`]; elements that are added to have values.
    unsafe fn multiply(self, thread: &Self::Thread, operands: Operands<'_>, out: Block, sum: Sum);
}

/// What one block is computed from.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    /// A part of a panel of `left`.
    pub left: &'a [u32],
    /// The same part of the depth of a panel of `right`.
    pub right: &'a [u32],
    /// What will be read soon: a kernel may fetch it into the caches meanwhile.
    pub next: &'a [u32],
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
///
/// # Panics
///
/// As [`is_done`], and when the panels are another kernel's.
pub fn multiply<K: MicroKernel>(
    kernel: K,
    out: &MatrixMut<'_>,
    left: &Panels,
    right: &Panels,
    sum: Sum,
    threads: Threads,
) {
    let shape = [left.lanes, left.depth];
    if is_done(out, shape, [right.depth, right.lanes], sum) {
        return;
    }
    let widths = [left.width, right.width];
    assert_eq!(widths, [K::ROWS, K::COLS], "panels of this kernel");
    let depths = depths::<K>(left.depth);
    let tasks = tasks([left.len(), right.len()], K::PANELS, threads);
    for_each(threads, tasks, |[row_panels, col_panels]| {
        let thread = kernel.on_thread();
        for depth in &depths {
            let sum = if depth.start > 0 { Sum::Add } else { sum };
            for col_panel in col_panels.clone() {
                let cols = right.lanes_of(col_panel);
                let next = (col_panel + 1 < col_panels.end).then_some(col_panel + 1);
                for (i, row_panel) in row_panels.clone().enumerate() {
                    let rows = left.lanes_of(row_panel);
                    let block = Block {
                        start: out.block(rows.start, cols.start, rows.len(), cols.len()),
                        stride: out.row_stride,
                        rows: rows.len(),
                        cols: cols.len(),
                    };
                    let operands = Operands {
                        left: left.pairs(row_panel, depth),
                        right: right.pairs(col_panel, depth),
                        next: share(right, next, depth, [i, row_panels.len()]),
                    };
                    // SAFETY: a task owns its rows and columns, so that no other
                    // writes to this block; `is_done` has seen that what is added to
                    // has values, or an earlier depth has written it.
                    unsafe { kernel.multiply(&thread, operands, block, sum) };
                }
            }
        }
    });
}

/// Columns of a right operand that are whole panels.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    pub panels: &'a Panels,
    /// The first panel.
    pub first: usize,
    /// Number of panels.
    pub n: usize,
}

/// The same block of two products.
pub struct TwoBlocks<'a> {
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    /// `[ROWS, cols]`, with values of 0 after the last row.
    pub first: &'a mut [f32],
    /// `[ROWS, cols]`
    pub second: &'a [f32],
}

/// Computes two products of the same left operand, and packs what `combine` makes of them
/// as the left operand of another product. It is called with blocks of both, and leaves
/// the result in the first. The products themselves are never in memory as a whole.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `rights`: `[depth, cols]` each
/// - result: `[rows, cols]`
///
/// # Panics
///
/// When the panels are another kernel's, or the shapes differ.
pub fn multiply_by_two<K: MicroKernel>(
    kernel: K,
    left: &Panels,
    rights: [Columns<'_>; 2],
    combine: impl Fn(TwoBlocks<'_>) + Sync,
) -> Panels {
    assert_eq!(K::COLS, 2 * SIDE, "a block fills sixteen pairs of a panel");
    let n = rights[0].n;
    for right in rights {
        let widths = [left.width, right.panels.width];
        assert_eq!(widths, [K::ROWS, K::COLS], "panels of this kernel");
        assert_eq!(left.depth, right.panels.depth, "operands of one product");
        assert_eq!(right.n, n, "two products of one shape");
    }
    let depths = depths::<K>(left.depth);
    let tasks = tasks([left.len(), n], K::PANELS, Threads::All);
    let write = |parts: &Parts<'_>| {
        for_each(Threads::All, tasks, |[row_panels, col_panels]| {
            let thread = kernel.on_thread();
            let mut blocks = [(); 2].map(|()| vec![0.0; K::ROWS * K::COLS]);
            for col_panel in col_panels.clone() {
                let next = (col_panel + 1 < col_panels.end).then_some(col_panel + 1);
                for (i, row_panel) in row_panels.clone().enumerate() {
                    for (block, right) in blocks.iter_mut().zip(&rights) {
                        for depth in &depths {
                            let operands = Operands {
                                left: left.pairs(row_panel, depth),
                                right: right.panels.pairs(right.first + col_panel, depth),
                                next: share(
                                    right.panels,
                                    next.map(|it| right.first + it),
                                    depth,
                                    [i, row_panels.len()],
                                ),
                            };
                            let sum = if depth.start > 0 {
                                Sum::Add
                            } else {
                                Sum::Replace
                            };
                            let block = Block {
                                start: block.as_mut_ptr(),
                                stride: K::COLS,
                                rows: K::ROWS,
                                cols: K::COLS,
                            };
                            // SAFETY: a whole block of our own, with values.
                            unsafe { kernel.multiply(&thread, operands, block, sum) };
                        }
                    }
                    let [first, second] = &mut blocks;
                    combine(TwoBlocks {
                        rows: left.lanes_of(row_panel),
                        cols: col_panel * K::COLS..(col_panel + 1) * K::COLS,
                        first,
                        second,
                    });
                    let block = Matrix::new(first, K::ROWS, K::COLS);
                    // SAFETY: a task owns its rows and columns.
                    let part = unsafe { parts.part_mut(row_panel, col_panel) };
                    kernel.pack_left(block, 0..K::ROWS, part);
                }
            }
        });
    };
    // SAFETY: tasks have all rows and columns together; `pack_left` writes the whole of
    // what it is given, by the trait's contract.
    unsafe { Panels::by_parts(K::ROWS, [left.lanes, n * K::COLS], write) }
}

/// Returns the parts of a depth, in pairs, that the kernel sums at a time. They are equal:
/// a short last one would read and write all sums for little.
fn depths<K: MicroKernel>(depth: usize) -> Vec<Range<usize>> {
    let pairs = depth.div_ceil(2).next_multiple_of(SIDE);
    let step = pairs.div_ceil((2 * pairs).div_ceil(K::DEPTH).max(1));
    let step = step.next_multiple_of(SIDE).max(SIDE);
    let starts = (0..pairs).step_by(step);
    starts
        .map(|start| start..(start + step).min(pairs))
        .collect()
}

/// Returns the panels of rows and of columns of each task, given the number of both: up to
/// `most` panels of rows, and as many of columns as give every thread enough tasks.
fn tasks([rows, cols]: [usize; 2], most: usize, threads: Threads) -> Vec<[Range<usize>; 2]> {
    let wanted = match threads {
        Threads::All => 4 * rayon::current_num_threads(),
        Threads::This => 1,
    };
    let n_rows = rows.div_ceil(most).max(1);
    let n_cols = wanted.div_ceil(n_rows).clamp(1, cols.max(1));
    let step = cols.div_ceil(n_cols).max(1);
    let parts = |n: usize, step: usize| {
        let starts = (0..n).step_by(step);
        starts.map(move |start| start..(start + step).min(n))
    };
    let of_rows = |rows: Range<usize>| parts(cols, step).map(move |cols| [rows.clone(), cols]);
    parts(rows, most).flat_map(of_rows).collect()
}

fn for_each<T: Send>(threads: Threads, tasks: Vec<T>, compute: impl Fn(T) + Send + Sync) {
    match threads {
        Threads::All => tasks.into_par_iter().for_each(compute),
        Threads::This => tasks.into_iter().for_each(compute),
    }
}

/// Returns part `i` of `n` of the panel that is multiplied next, to fetch during a block.
fn share<'a>(
    right: &'a Panels,
    next: Option<usize>,
    depth: &Range<usize>,
    [i, n]: [usize; 2],
) -> &'a [u32] {
    let Some(next) = next else {
        return &[];
    };
    let pairs = right.pairs(next, depth);
    let len = pairs.len().div_ceil(n);
    &pairs[(i * len).min(pairs.len())..((i + 1) * len).min(pairs.len())]
}
