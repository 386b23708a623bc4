//! Panels of operands that are rounded to bf16, two along the depth in a `u32`.

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub mod avx512;

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::matrix::Matrix;

/// Lanes and pairs of the squares that a panel is packed by.
pub const SIDE: usize = 16;

/// A part of an operand: pairs by lanes, or lanes by pairs.
pub type Square = [[u32; SIDE]; SIDE];

/// How a panel of `WIDTH` lanes orders its pairs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `[pairs, WIDTH]`: the lanes of a pair side by side.
    Lanes,
    /// `[pairs / 16, WIDTH, 16]`: sixteen pairs of a lane side by side.
    Pairs,
}

/// Rounds to the nearest bf16, ties to even; the bits in the lower half.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
pub(crate) fn round(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
}

/// What packing computes by the processor's instructions.
pub struct Steps<R, I, T> {
    /// Rounds numbers that follow each other along the depth to pairs.
    pub round: R,
    /// Rounds numbers of sixteen lanes, at one place of the depth and the next, to pairs.
    pub interleave: I,
    /// Swaps lanes and pairs.
    pub transpose: T,
}

/// Packs rows of `m` into pairs along its columns; each row is a lane of the panel. Lanes
/// and halves of pairs beyond the matrix are 0. The whole panel is written. Numbers below
/// 2⁻¹²⁶ may become 0, as they do in the products.
///
/// # Shapes
///
/// - `panel`: as `order` says, with at least as many pairs as rows have
///
/// # Panics
///
/// When the panel does not have the same pairs in each lane.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
pub fn pack<const WIDTH: usize>(
    m: Matrix<'_>,
    rows: Range<usize>,
    order: Order,
    steps: &Steps<
        impl Fn(&[f32; 2 * SIDE]) -> [u32; SIDE],
        impl Fn(&[f32; SIDE], &[f32; SIDE]) -> [u32; SIDE],
        impl Fn(&Square) -> Square,
    >,
    panel: &mut [MaybeUninit<u32>],
) {
    assert!(panel.len().is_multiple_of(WIDTH), "whole lanes");
    let by_lanes = m.col_stride != 1;
    let pairs = panel.len() / WIDTH;
    for lane in (0..WIDTH).step_by(SIDE) {
        let width = (WIDTH - lane).min(SIDE);
        let first = (rows.start + lane).min(rows.end);
        let rows = first..(first + width).min(rows.end);
        for pair in (0..pairs).step_by(SIDE) {
            let n = (pairs - pair).min(SIDE);
            let depth = (2 * pair).min(m.cols)..(2 * (pair + n)).min(m.cols);
            let mut square = if by_lanes {
                pairs_of_lanes(m, rows.clone(), depth, &steps.interleave)
            } else {
                lanes_of_pairs(m, rows.clone(), depth, &steps.round)
            };
            if by_lanes != (order == Order::Lanes) {
                square = (steps.transpose)(&square);
            }
            match order {
                Order::Lanes => {
                    let panel = &mut panel[pair * WIDTH..(pair + n) * WIDTH];
                    for (to, from) in panel.chunks_exact_mut(WIDTH).zip(&square) {
                        copy(from, &mut to[lane..lane + width]);
                    }
                }
                Order::Pairs => {
                    let panel = &mut panel[pair * WIDTH + lane * SIDE..][..width * SIDE];
                    for (to, from) in panel.chunks_exact_mut(SIDE).zip(&square) {
                        copy(from, to);
                    }
                }
            }
        }
    }
}

/// Copies the first pairs of `from`. All of them take one instruction instead of a call.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn copy(from: &[u32; SIDE], to: &mut [MaybeUninit<u32>]) {
    match to.as_mut_array::<SIDE>() {
        Some(to) => *to = from.map(MaybeUninit::new),
        None => {
            to.write_copy_of_slice(&from[..to.len()]);
        }
    }
}

/// Returns `[lanes, pairs]` of a matrix whose columns lie side by side.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn lanes_of_pairs(
    m: Matrix<'_>,
    rows: Range<usize>,
    depth: Range<usize>,
    round_all: impl Fn(&[f32; 2 * SIDE]) -> [u32; SIDE],
) -> Square {
    let row = |row: usize| &m.data[row * m.row_stride..][depth.clone()];
    let mut square = [[0; SIDE]; SIDE];
    for (to, row) in square.iter_mut().zip(rows.map(row)) {
        if let Some(row) = row.as_array() {
            *to = round_all(row);
        } else {
            for (to, pair) in to.iter_mut().zip(row.chunks(2)) {
                *to = round(pair[0]) | pair.get(1).map_or(0, |&high| round(high) << 16);
            }
        }
    }
    square
}

/// Returns `[pairs, lanes]` of a matrix whose rows lie side by side.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn pairs_of_lanes(
    m: Matrix<'_>,
    rows: Range<usize>,
    depth: Range<usize>,
    interleave: impl Fn(&[f32; SIDE], &[f32; SIDE]) -> [u32; SIDE],
) -> Square {
    assert_eq!(m.row_stride, 1, "a view has one stride of 1");
    let lanes = |k: usize| &m.data[k * m.col_stride..][rows.clone()];
    if rows.len() == SIDE && depth.len() == 2 * SIDE {
        return std::array::from_fn(|i| {
            let [low, high] = [0, 1].map(|half| {
                let lanes = lanes(depth.start + 2 * i + half).as_array();
                lanes.expect("the rows' numbers")
            });
            interleave(low, high)
        });
    }
    let mut square = [[0; SIDE]; SIDE];
    for (to, k) in square.iter_mut().zip(depth.clone().step_by(2)) {
        for (to, low) in to.iter_mut().zip(lanes(k)) {
            *to = round(*low);
        }
        if k + 1 < depth.end {
            for (to, high) in to.iter_mut().zip(lanes(k + 1)) {
                *to |= round(*high) << 16;
            }
        }
    }
    square
}

/// Packs by plain loops, on every processor.
#[cfg(any(miri, test))]
pub fn pack_portably<const WIDTH: usize>(
    m: Matrix<'_>,
    rows: Range<usize>,
    order: Order,
    panel: &mut [MaybeUninit<u32>],
) {
    let steps = Steps {
        round: |x: &[f32; 2 * SIDE]| {
            std::array::from_fn(|i| round(x[2 * i]) | (round(x[2 * i + 1]) << 16))
        },
        interleave: |low: &[f32; SIDE], high: &[f32; SIDE]| {
            std::array::from_fn(|i| round(low[i]) | (round(high[i]) << 16))
        },
        transpose: |square: &Square| std::array::from_fn(|i| std::array::from_fn(|j| square[j][i])),
    };
    pack::<WIDTH>(m, rows, order, &steps, panel);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffer;

    type Pack = unsafe fn(Matrix<'_>, Range<usize>, Order, &mut [MaybeUninit<u32>]);

    /// The ways of packing that this processor has; the others are named.
    fn ways<const WIDTH: usize>() -> Vec<Pack> {
        let mut ways: Vec<Pack> = vec![pack_portably::<WIDTH>];
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if avx512::is_native() {
            ways.push(avx512::pack::<WIDTH>);
        } else {
            eprintln!("skipped: no AVX-512 with bf16");
        }
        ways
    }

    fn packed(pack: Pack, m: Matrix<'_>, rows: Range<usize>, order: Order, len: usize) -> Vec<u32> {
        let mut panel = Buffer::new(len);
        panel.parts().fill(MaybeUninit::new(9));
        // SAFETY: the processor has the instructions.
        unsafe { pack(m, rows, order, panel.parts()) };
        // SAFETY: all of it has been written, if only by `fill`.
        unsafe { panel.assume_init() }
    }

    #[test]
    fn a_panel_holds_pairs_by_lanes_and_zeros_beyond_the_matrix() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let bits = |x: f32| u32::from(half::bf16::from_f32(x).to_bits());
        let pair = |low, high| bits(low) | (bits(high) << 16);
        let m = Matrix::new(&data, 2, 3);
        let columns = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        let turned = Matrix::new(&columns, 3, 2).transposed();
        for (m, pack) in [m, turned]
            .into_iter()
            .flat_map(|m| ways::<3>().into_iter().map(move |it| (m, it)))
        {
            let panel = packed(pack, m, 0..2, Order::Lanes, 6);
            let expected = [pair(1.0, 2.0), pair(4.0, 5.0), 0, bits(3.0), bits(6.0), 0];
            assert_eq!(panel, expected);
            let panel = packed(pack, m, 0..2, Order::Pairs, 48);
            let mut expected = [0; 48];
            expected[..2].copy_from_slice(&[pair(1.0, 2.0), bits(3.0)]);
            expected[16..18].copy_from_slice(&[pair(4.0, 5.0), bits(6.0)]);
            assert_eq!(panel, expected);
        }
    }

    /// Every place of larger panels, from both layouts, in both orders.
    #[test]
    fn every_pair_is_at_its_place() {
        const WIDTH: usize = 20;
        const DEPTH: usize = 59;
        let (rows, pairs) = (2..19, 32);
        let data = crate::test_values::values(21 * DEPTH, 1);
        let turned = (0..21 * DEPTH).map(|i| data[i % 21 * DEPTH + i / 21]);
        let turned: Vec<f32> = turned.collect();
        let at = |lane: usize, k: usize| {
            let is_inside = rows.start + lane < rows.end && k < DEPTH;
            is_inside.then(|| round(data[(rows.start + lane) * DEPTH + k]))
        };
        for m in [
            Matrix::new(&data, 21, DEPTH),
            Matrix::new(&turned, DEPTH, 21).transposed(),
        ] {
            for (order, pack) in [Order::Lanes, Order::Pairs]
                .into_iter()
                .flat_map(|order| ways::<WIDTH>().into_iter().map(move |it| (order, it)))
            {
                let panel = packed(pack, m, rows.clone(), order, WIDTH * pairs);
                for (lane, pair) in (0..WIDTH).flat_map(|i| (0..pairs).map(move |j| (i, j))) {
                    let place = match order {
                        Order::Lanes => pair * WIDTH + lane,
                        Order::Pairs => pair / 16 * WIDTH * 16 + lane * 16 + pair % 16,
                    };
                    let [low, high] = [0, 1].map(|half| at(lane, 2 * pair + half).unwrap_or(0));
                    assert_eq!(panel[place], low | (high << 16), "lane {lane}, pair {pair}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_ties_to_even() {
        for bits in [
            0x3f80_0000_u32,
            0x3f80_7fff,
            0x3f80_8000,
            0x3f81_8000,
            0x3f80_8001,
        ] {
            let x = f32::from_bits(bits);
            let expected = u32::from(half::bf16::from_f32(x).to_bits());
            assert_eq!(round(x), expected, "{bits:x}");
        }
    }
}
