//! The micro-kernel for AMX: four tiles of 16 × 16 sums, two tiles of each operand.
//!
//! A tile holds 16 rows of 64 bytes. One of `left` has 16 rows of 16 pairs along the
//! depth; one of `right` has 16 pairs along the depth, each of 16 columns. `tdpbf16ps`
//! multiplies them. Packing, blocks and edges are the same with `emulated` tiles,
//! which every processor has.

#[cfg(any(miri, test))]
pub mod emulated;
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub mod native;

use std::mem::MaybeUninit;
use std::ops::Range;

use super::micro_kernel::{Block, MicroKernel, Operands};
use super::pack::{Order, SIDE};
use crate::matrix::{Matrix, Sum};

const ROWS: usize = 32;
const COLS: usize = 32;

/// Pairs along the depth in a tile.
const PAIRS: usize = SIDE;

/// What multiplies tiles. A value of the type proves that the processor has them.
///
/// # Safety
///
/// `pack` writes the whole panel. `multiply` writes the whole block, or adds to all of it.
pub unsafe trait Tiles: Copy + Sync {
    /// What a thread holds while it multiplies tiles.
    type Thread;

    /// Makes the tiles of this thread ready.
    fn on_thread(self) -> Self::Thread;

    /// Packs an operand, as [`super::pack::pack`].
    fn pack<const WIDTH: usize>(
        self,
        m: Matrix<'_>,
        rows: Range<usize>,
        order: Order,
        panel: &mut [MaybeUninit<u32>],
    );

    /// Adds or writes a block of 32 × 32 sums, whose rows are `stride` elements apart.
    ///
    /// # Shapes
    ///
    /// - left operand: `[steps, 32, 16]`, pairs
    /// - right operand: `[steps, 16, 32]`, pairs
    ///
    /// # Safety
    ///
    /// `out` is such a block that nobody else reads or writes meanwhile; elements that
    /// are added to have values.
    unsafe fn multiply(
        self,
        thread: &Self::Thread,
        operands: Operands<'_>,
        out: *mut f32,
        stride: usize,
        sum: Sum,
    );
}

/// The kernel over some tiles.
#[derive(Clone, Copy)]
pub struct Amx<T>(pub T);

// SAFETY: the tiles pack both operands and write whole panels; `multiply` stores or copies
// every sum.
unsafe impl<T: Tiles> MicroKernel for Amx<T> {
    const ROWS: usize = ROWS;
    const COLS: usize = COLS;
    /// A panel of `right` fills 36 KiB of first-level cache.
    const DEPTH: usize = 576;
    const PANELS: usize = 16;

    type Thread = T::Thread;

    fn on_thread(self) -> T::Thread {
        self.0.on_thread()
    }

    fn pack_left(self, left: Matrix<'_>, rows: Range<usize>, to: &mut [MaybeUninit<u32>]) {
        self.0.pack::<ROWS>(left, rows, Order::Pairs, to);
    }

    fn pack_right(
        self,
        right_transposed: Matrix<'_>,
        cols: Range<usize>,
        to: &mut [MaybeUninit<u32>],
    ) {
        self.0
            .pack::<COLS>(right_transposed, cols, Order::Lanes, to);
    }

    unsafe fn multiply(self, thread: &T::Thread, operands: Operands<'_>, out: Block, sum: Sum) {
        if (out.rows, out.cols) == (ROWS, COLS) {
            // SAFETY: the block is the caller's promise.
            unsafe {
                self.0
                    .multiply(thread, operands, out.start, out.stride, sum);
            }
            return;
        }
        // The same sums in the same order as in a whole block.
        let mut whole = [[0.0; COLS]; ROWS];
        let rows = || (0..out.rows).map(|row| out.start.wrapping_add(row * out.stride));
        if sum == Sum::Add {
            for (to, from) in whole.iter_mut().zip(rows()) {
                // SAFETY: a row of the block, which is ours alone and has values.
                let from = unsafe { std::slice::from_raw_parts(from, out.cols) };
                to[..out.cols].copy_from_slice(from);
            }
        }
        // SAFETY: a whole block of our own.
        unsafe {
            self.0
                .multiply(thread, operands, whole.as_mut_ptr().cast(), COLS, sum);
        }
        for (from, to) in whole.iter().zip(rows()) {
            // SAFETY: a row of the block, which is ours alone.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, out.cols) };
        }
    }
}
