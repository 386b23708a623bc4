//! What an instruction set does for products of bf16: it packs operands and multiplies
//! blocks.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::matrix::{Matrix, Sum};

/// What multiplies one block, and how it wants its operands packed. A value of the
/// type proves that the processor has the instructions.
///
/// Packed elements are pairs along the depth, two bf16 in a `u32`; the depth is filled
/// up to a multiple of 16 pairs. Sixteen pairs of a panel lie together, so that a part of
/// its depth is a part of the panel.
///
/// # Safety
///
/// `pack_left` and `pack_right` write the whole panel. `multiply` writes the whole block, or
/// adds to all of it.
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
