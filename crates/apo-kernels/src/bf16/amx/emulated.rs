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

// SAFETY: `pack` of the module `pack` writes the whole panel; `multiply` stores every sum.
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
        let numbers = |pairs: &[u32]| -> Vec<f64> {
            let halves = pairs
                .iter()
                .flat_map(|pair| [pair << 16, pair & 0xffff_0000]);
            halves.map(|it| f64::from(f32::from_bits(it))).collect()
        };
        let mut sums = [[0.0_f32; COLS]; ROWS];
        let rows = || (0..ROWS).map(|row| out.wrapping_add(row * stride));
        if sum == Sum::Add {
            for (to, from) in sums.iter_mut().zip(rows()) {
                // SAFETY: a row of the block, which is ours alone by contract, and has
                // values.
                to.copy_from_slice(unsafe { std::slice::from_raw_parts(from, COLS) });
            }
        }
        let tiles = left.chunks_exact(ROWS * PAIRS);
        for (left, right) in tiles.zip(right.chunks_exact(PAIRS * COLS)) {
            let (left, right) = (&*numbers(left), &*numbers(right));
            for (sums, left) in sums.iter_mut().zip(left.chunks_exact(2 * PAIRS)) {
                for (col, value) in sums.iter_mut().enumerate() {
                    // Rounded once a tile.
                    let mut exact = f64::from(*value);
                    for pair in 0..PAIRS {
                        let at = 2 * (pair * COLS + col);
                        exact += left[2 * pair] * right[at] + left[2 * pair + 1] * right[at + 1];
                    }
                    *value = exact as f32;
                }
            }
        }
        for (from, to) in sums.iter().zip(rows()) {
            // SAFETY: a row of the block, which is ours alone by contract.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, COLS) };
        }
    }
}
