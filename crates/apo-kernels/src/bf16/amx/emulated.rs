//! Tiles of plain loops, for tests on every processor and for Miri.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::super::micro_kernel::Operands;
use super::super::pack::{Order, pack_portably};
use super::{COLS, PAIRS, ROWS, Tiles};
use crate::matrix::{Matrix, Sum};

/// See the module.
#[derive(Clone, Copy)]
pub struct Emulated;

// SAFETY: `pack` of the module `pack` writes the whole panel.
unsafe impl Tiles for Emulated {
    type Thread = ();

    fn on_thread(self) {}

    fn pack<const WIDTH: usize>(
        self,
        m: Matrix<'_>,
        rows: Range<usize>,
        order: Order,
        panel: &mut [MaybeUninit<u32>],
    ) {
        pack_portably::<WIDTH>(m, rows, order, panel);
    }

    unsafe fn multiply(
        self,
        (): &(),
        operands: Operands<'_>,
        out: *mut f32,
        stride: usize,
        sum: Sum,
    ) {
        let Operands { left, right, .. } = operands;
        let halves =
            |pair: u32| [pair << 16, pair & 0xffff_0000].map(|it| f64::from(f32::from_bits(it)));
        for row in 0..ROWS {
            for col in 0..COLS {
                let left = left.chunks_exact(ROWS * PAIRS);
                let right = right.chunks_exact(PAIRS * COLS);
                // SAFETY: an element of the block, which is ours alone by contract, and has
                // a value if it is added to.
                let at = unsafe { out.add(row * stride + col) };
                let mut value = match sum {
                    Sum::Replace => 0.0,
                    // SAFETY: as above.
                    Sum::Add => unsafe { *at },
                };
                for (left, right) in left.zip(right) {
                    // Rounded once a tile.
                    let mut exact = f64::from(value);
                    for pair in 0..PAIRS {
                        let [a, b] = halves(left[row * PAIRS + pair]);
                        let [c, d] = halves(right[pair * COLS + col]);
                        exact += a * c + b * d;
                    }
                    value = exact as f32;
                }
                // SAFETY: as above.
                unsafe { *at = value };
            }
        }
    }
}
