//! A product as blocks of packed panels, spread over the threads.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::pack::SIDE;
use crate::buffer::Buffer;
use crate::matrix::{Matrix, MatrixMut, Sum, is_done};

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
    unsafe fn multiply(
        self,
        thread: &Self::Thread,
        left: &[u32],
        right: &[u32],
        out: Block,
        sum: Sum,
    );
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

/// An operand, rounded to bf16 and cut into panels of rows or columns over the whole
/// depth, as a kernel reads them.
#[derive(Clone)]
pub struct Panels {
    data: Vec<u32>,
    /// Rows of `left`, or columns of `right`.
    pub lanes: usize,
    pub depth: usize,
    /// Lanes of a panel.
    width: usize,
}

impl Panels {
    /// Packs `left`, `[lanes, depth]`.
    pub fn of_left<K: MicroKernel>(kernel: K, left: Matrix<'_>) -> Self {
        Self::pack(left, K::ROWS, |rows, panel| {
            kernel.pack_left(left, rows, panel);
        })
    }

    /// Packs `right`, `[depth, lanes]`.
    pub fn of_right<K: MicroKernel>(kernel: K, right: Matrix<'_>) -> Self {
        let turned = right.transposed();
        Self::pack(turned, K::COLS, |cols, panel| {
            kernel.pack_right(turned, cols, panel);
        })
    }

    fn pack(
        m: Matrix<'_>,
        width: usize,
        pack: impl Fn(Range<usize>, &mut [MaybeUninit<u32>]) + Sync,
    ) -> Self {
        let (lanes, depth) = (m.rows, m.cols);
        let panel = depth.div_ceil(2).next_multiple_of(SIDE) * width;
        let len = lanes.div_ceil(width) * panel;
        let mut data = Buffer::reusing(spare::take(len), len);
        if panel > 0 {
            data.parts()
                .par_chunks_mut(panel)
                .with_min_len((1_usize << 14).div_ceil(panel))
                .enumerate()
                .for_each(|(i, panel)| pack(i * width..((i + 1) * width).min(lanes), panel));
        }
        // SAFETY: each panel is packed, which writes the whole of it by the trait's contract.
        let data = unsafe { data.assume_init() };
        Self {
            data,
            lanes,
            depth,
            width,
        }
    }

    /// Leaves their memory to the next panels.
    pub fn recycle(self) {
        spare::put(self.data);
    }

    /// Returns the number of panels.
    fn len(&self) -> usize {
        self.lanes.div_ceil(self.width)
    }

    /// Returns the lanes of a panel.
    fn lanes_of(&self, panel: usize) -> Range<usize> {
        panel * self.width..((panel + 1) * self.width).min(self.lanes)
    }

    /// Returns some pairs of a panel.
    fn pairs(&self, panel: usize, pairs: Range<usize>) -> &[u32] {
        let start = panel * (self.data.len() / self.len());
        &self.data[start + pairs.start * self.width..start + pairs.end * self.width]
    }
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
    left: Matrix<'_>,
    right: &Panels,
    sum: Sum,
) {
    if is_done(out, left, [right.depth, right.lanes], sum) {
        return;
    }
    assert_eq!(right.width, K::COLS, "panels of this kernel");
    let left = Panels::of_left(kernel, left);
    let row_tasks = left.len().div_ceil(K::PANELS);
    let col_tasks = (4 * rayon::current_num_threads())
        .div_ceil(row_tasks)
        .clamp(1, right.len());
    let panels_per_task = right.len().div_ceil(col_tasks);
    // Equal parts: a short last one would read and write all sums for little.
    let pairs = left.depth.div_ceil(2).next_multiple_of(SIDE);
    let step = pairs.div_ceil((2 * pairs).div_ceil(K::DEPTH));
    let step = step.next_multiple_of(SIDE);
    (0..row_tasks * col_tasks).into_par_iter().for_each(|task| {
        let (row_task, col_task) = (task / col_tasks, task % col_tasks);
        let row_panels = row_task * K::PANELS..((row_task + 1) * K::PANELS).min(left.len());
        let col_panels =
            col_task * panels_per_task..((col_task + 1) * panels_per_task).min(right.len());
        let thread = kernel.on_thread();
        for start in (0..pairs).step_by(step) {
            let depth = start..(start + step).min(pairs);
            let sum = if start > 0 { Sum::Add } else { sum };
            for col_panel in col_panels.clone() {
                let (cols, right) = (
                    right.lanes_of(col_panel),
                    right.pairs(col_panel, depth.clone()),
                );
                for row_panel in row_panels.clone() {
                    let rows = left.lanes_of(row_panel);
                    let left = left.pairs(row_panel, depth.clone());
                    let block = Block {
                        start: out.block(rows.start, cols.start, rows.len(), cols.len()),
                        stride: out.row_stride,
                        rows: rows.len(),
                        cols: cols.len(),
                    };
                    // SAFETY: a task owns its rows and columns, so that no other
                    // writes to this block; `is_done` has seen that what is added to
                    // has values, or an earlier depth has written it.
                    unsafe { kernel.multiply(&thread, left, right, block, sum) };
                }
            }
        }
    });
    left.recycle();
}

/// Memory of panels that are no longer needed. The system clears what it gives out anew,
/// which takes longer than packing.
mod spare {
    use std::sync::{Mutex, PoisonError};

    /// Most vectors that are kept.
    const MOST: usize = 4;

    /// Most elements of each, 16 MiB.
    const LARGEST: usize = 1 << 22;

    static SPARE: Mutex<Vec<Vec<u32>>> = Mutex::new(Vec::new());

    /// Returns the smallest vector with room for `len` elements; an empty one if there is
    /// none.
    pub fn take(len: usize) -> Vec<u32> {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = spare.iter().enumerate().filter(|it| it.1.capacity() >= len);
        let smallest = fitting.min_by_key(|it| it.1.capacity()).map(|it| it.0);
        smallest.map_or_else(Vec::new, |at| spare.swap_remove(at))
    }

    /// Keeps a vector, in the place of a smaller one if there are enough.
    pub fn put(data: Vec<u32>) {
        if data.capacity() > LARGEST {
            return;
        }
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST {
            spare.push(data);
        } else if let Some(smallest) = spare.iter_mut().min_by_key(|it| it.capacity())
            && smallest.capacity() < data.capacity()
        {
            *smallest = data;
        }
    }
}
