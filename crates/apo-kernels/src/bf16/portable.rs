//! A micro-kernel of plain loops, for Miri and for tests. It is slow, and shares everything
//! but the arithmetic of a block with the others.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::micro_kernel::{Block, MicroKernel, Operands};
use super::pack::{Order, pack_portably};
use crate::matrix::{Matrix, Sum};

/// See the module.
#[derive(Clone, Copy)]
pub struct Portable;

// SAFETY: `pack` of the module `pack` writes the whole panel; `multiply` stores every sum.
unsafe impl MicroKernel for Portable {
    const ROWS: usize = 12;
    const COLS: usize = 32;
    const DEPTH: usize = 32;
    const PANELS: usize = 2;

    type Thread = ();

    fn on_thread(self) {}

    fn pack_left(self, left: Matrix<'_>, rows: Range<usize>, to: &mut [MaybeUninit<u32>]) {
        pack_portably::<{ Self::ROWS }>(left, rows, Order::Lanes, to);
    }

    fn pack_right(
        self,
        right_transposed: Matrix<'_>,
        cols: Range<usize>,
        to: &mut [MaybeUninit<u32>],
    ) {
        pack_portably::<{ Self::COLS }>(right_transposed, cols, Order::Lanes, to);
    }

    unsafe fn multiply(self, (): &(), operands: Operands<'_>, out: Block, sum: Sum) {
        let Operands { left, right, .. } = operands;
        let halves = |pair: u32| [pair << 16, pair & 0xffff_0000].map(f32::from_bits);
        // Arrays and indices: Miri checks each access against every borrow that was made.
        let mut sums = [[0.0; Self::COLS]; Self::ROWS];
        let lefts = left.as_chunks::<{ Self::ROWS }>().0;
        let rights = right.as_chunks::<{ Self::COLS }>().0;
        for (&left, &right) in lefts.iter().zip(rights) {
            let (left, right) = (left.map(halves), right.map(halves));
            for row in 0..out.rows {
                for col in 0..out.cols {
                    let ([a, b], [c, d]) = (left[row], right[col]);
                    sums[row][col] += a * c + b * d;
                }
            }
        }
        for (row, sums) in sums.iter().enumerate().take(out.rows) {
            for (col, value) in sums.iter().enumerate().take(out.cols) {
                // SAFETY: an element of the block, which is ours alone, and has a
                // value if it is added to.
                unsafe {
                    let at = out.start.add(row * out.stride + col);
                    *at = if sum == Sum::Add { *at + value } else { *value };
                }
            }
        }
    }
}
