//! Panels of operands that are rounded to bf16, two along the depth in a `u32`.

use std::ops::Range;

use crate::matrix::Matrix;

/// Rounds to the nearest bf16, ties to even; the bits in the lower half.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn round(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
}

/// Packs rows of `m` over the columns `depth` into pairs; each row is a lane of the
/// panel. Lanes and halves of pairs beyond the matrix are 0.
///
/// # Shapes
///
/// - `panel`: `[depth.len() / 2, WIDTH]`, rounded up
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
pub fn pack<const WIDTH: usize>(
    m: Matrix<'_>,
    rows: Range<usize>,
    depth: Range<usize>,
    panel: &mut [u32],
) {
    let lanes = rows.len();
    let Range { start: first, .. } = rows;
    let Range { start, end } = depth;
    let pairs = (end - start).div_ceil(2);
    let at = |lane: usize, k: usize| (first + lane) * m.row_stride + k * m.col_stride;
    if m.col_stride == 1 {
        // Reads along the rows, sixteen pairs at a time, and transposes them
        // in the first-level cache.
        let mut block = [[0_u32; 16]; WIDTH];
        for p0 in (0..pairs).step_by(16) {
            let n = (pairs - p0).min(16);
            for (lane, block) in block.iter_mut().enumerate().take(lanes) {
                let k = start + 2 * p0;
                let row = &m.data[at(lane, k)..=at(lane, end - 1)];
                let (whole, rest) = row[..row.len().min(2 * n)].as_chunks::<2>();
                for (to, [low, high]) in block.iter_mut().zip(whole) {
                    *to = round(*low) | (round(*high) << 16);
                }
                if let [last] = rest {
                    block[n - 1] = round(*last);
                }
            }
            for (i, panel) in panel[p0 * WIDTH..(p0 + n) * WIDTH]
                .chunks_exact_mut(WIDTH)
                .enumerate()
            {
                for (to, block) in panel.iter_mut().zip(&block) {
                    *to = block[i];
                }
            }
        }
    } else {
        // The lanes lie side by side.
        assert_eq!(m.row_stride, 1, "a view has one stride of 1");
        for (p, panel) in panel.chunks_exact_mut(WIDTH).enumerate().take(pairs) {
            let k = start + 2 * p;
            let low = &m.data[at(0, k)..][..lanes];
            if k + 1 < end {
                let high = &m.data[at(0, k + 1)..][..lanes];
                for ((to, low), high) in panel.iter_mut().zip(low).zip(high) {
                    *to = round(*low) | (round(*high) << 16);
                }
            } else {
                for (to, low) in panel.iter_mut().zip(low) {
                    *to = round(*low);
                }
            }
            panel[lanes..].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_holds_pairs_by_lanes_and_zeros_beyond_the_matrix() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let bits = |x: f32| u32::from(half::bf16::from_f32(x).to_bits());
        let pair = |low, high| bits(low) | (bits(high) << 16);
        let m = Matrix::new(&data, 2, 3);
        let expected = [pair(1.0, 2.0), pair(4.0, 5.0), 0, bits(3.0), bits(6.0), 0];
        let mut panel = [0; 6];
        pack::<3>(m, 0..2, 0..3, &mut panel);
        assert_eq!(panel, expected);
        let columns = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        let mut panel = [9; 6];
        pack::<3>(
            Matrix::new(&columns, 3, 2).transposed(),
            0..2,
            0..3,
            &mut panel,
        );
        assert_eq!(panel, expected);
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
