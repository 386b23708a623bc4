//! Two products of the same left operand, of which only a combination is kept.

use std::ops::Range;

use super::macro_kernel::{depths, for_each, share, tasks};
use super::micro_kernel::{Block, MicroKernel, Operands};
use super::pack::SIDE;
use super::panels::{Panels, Parts};
use crate::matrix::{Matrix, Sum, Threads};

/// Columns of a right operand that are whole panels.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    pub panels: &'a Panels,
    /// The first panel.
    pub first: usize,
    /// Number of panels.
    pub n: usize,
}

impl Columns<'_> {
    /// Returns the number of columns.
    pub fn n_cols(&self) -> usize {
        self.n * self.panels.width
    }
}

/// The same block of two products.
pub struct TwoBlocks<'a> {
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    /// `[rows, cols]`
    pub first: &'a mut [f32],
    /// `[rows, cols]`
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
/// When the panels are another kernel's, the shapes differ, or the depth is 0.
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
    assert!(left.depth > 0, "a product has terms");
    let depths = depths::<K>(left.depth);
    let tasks = tasks([left.len(), n], K::PANELS, Threads::All);
    let write = |parts: &Parts<'_>| {
        for_each(Threads::All, tasks, |[row_panels, col_panels]| {
            let thread = kernel.on_thread();
            let mut blocks = [(); 2].map(|()| vec![0.0; K::ROWS * K::COLS]);
            for col_panel in col_panels.clone() {
                let next = (col_panel + 1 < col_panels.end).then_some(col_panel + 1);
                for (i, row_panel) in row_panels.clone().enumerate() {
                    let rows = left.lanes_of(row_panel);
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
                                rows: rows.len(),
                                cols: K::COLS,
                            };
                            // SAFETY: a block of our own, with values.
                            unsafe { kernel.multiply(&thread, operands, block, sum) };
                        }
                    }
                    let [first, second] = blocks
                        .each_mut()
                        .map(|block| &mut block[..rows.len() * K::COLS]);
                    let block = TwoBlocks {
                        rows: rows.clone(),
                        cols: col_panel * K::COLS..(col_panel + 1) * K::COLS,
                        first,
                        second,
                    };
                    combine(block);
                    let [first, _] = &blocks;
                    let block = Matrix::new(&first[..rows.len() * K::COLS], rows.len(), K::COLS);
                    // SAFETY: a task owns its rows and columns.
                    let part = unsafe { parts.part_mut(row_panel, col_panel) };
                    kernel.pack_left(block, 0..rows.len(), part);
                }
            }
        });
    };
    // SAFETY: tasks have all rows and columns together; `pack_left` writes the whole of
    // what it is given, by the trait's contract.
    unsafe { Panels::by_parts(K::ROWS, [left.lanes, n * K::COLS], write) }
}
