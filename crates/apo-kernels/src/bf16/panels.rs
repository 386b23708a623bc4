//! Operands, rounded to bf16 and cut into panels.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::line::Line;
use super::micro_kernel::MicroKernel;
use super::pack::SIDE;
use super::spare;
use crate::buffer::Buffer;
use crate::disjoint::Disjoint;
use crate::matrix::{Matrix, Threads};

/// An operand, rounded to bf16 and cut into panels of rows or columns over the whole
/// depth, as a kernel reads them.
#[derive(Clone)]
pub struct Panels {
    data: Vec<Line>,
    /// Rows of `left`, or columns of `right`.
    pub lanes: usize,
    pub depth: usize,
    /// Lanes of a panel.
    pub width: usize,
}

impl Panels {
    /// Packs `left`, `[lanes, depth]`.
    pub fn of_left<K: MicroKernel>(kernel: K, left: Matrix<'_>, threads: Threads) -> Self {
        Self::pack(left, K::ROWS, threads, |rows, panel| {
            kernel.pack_left(left, rows, panel);
        })
    }

    /// Packs `right`, `[depth, lanes]`.
    pub fn of_right<K: MicroKernel>(kernel: K, right: Matrix<'_>, threads: Threads) -> Self {
        let turned = right.transposed();
        Self::pack(turned, K::COLS, threads, |cols, panel| {
            kernel.pack_right(turned, cols, panel);
        })
    }

    fn pack(
        m: Matrix<'_>,
        width: usize,
        threads: Threads,
        pack: impl Fn(Range<usize>, &mut [MaybeUninit<u32>]) + Sync,
    ) -> Self {
        let (lanes, depth) = (m.rows, m.cols);
        let panel = lines_of_panel(depth, width);
        let pack = |i: usize, panel: &mut [_]| {
            let lanes = i * width..((i + 1) * width).min(lanes);
            pack(lanes, Line::unwritten_pairs(panel));
        };
        let write = |lines: &mut [MaybeUninit<Line>]| match threads {
            _ if panel == 0 => {}
            Threads::All => lines
                .par_chunks_mut(panel)
                .with_min_len((1_usize << 10).div_ceil(panel))
                .enumerate()
                .for_each(|(i, panel)| pack(i, panel)),
            Threads::This => (0..)
                .zip(lines.chunks_mut(panel))
                .for_each(|(i, panel)| pack(i, panel)),
        };
        // SAFETY: each panel is packed, which writes the whole of it by the trait's contract.
        unsafe { Self::written(width, [lanes, depth], write) }
    }

    /// Makes panels of `width` lanes for `[lanes, depth]`, whose parts `write` writes.
    ///
    /// # Safety
    ///
    /// `write` writes the whole of every part of every panel.
    pub unsafe fn by_parts(
        width: usize,
        [lanes, depth]: [usize; 2],
        write: impl FnOnce(&Parts<'_>),
    ) -> Self {
        let write = |lines: &mut [MaybeUninit<Line>]| {
            write(&Parts {
                pairs: Disjoint::new(Line::unwritten_pairs(lines)),
                panel: lines_of_panel(depth, width) * SIDE,
                part: width * SIDE,
            });
        };
        // SAFETY: the parts are all lines; by contract, each is written.
        unsafe { Self::written(width, [lanes, depth], write) }
    }

    /// Makes panels of `width` lanes for `[lanes, depth]`, whose lines `write` writes.
    ///
    /// # Safety
    ///
    /// `write` writes all lines.
    unsafe fn written(
        width: usize,
        [lanes, depth]: [usize; 2],
        write: impl FnOnce(&mut [MaybeUninit<Line>]),
    ) -> Self {
        let len = lanes.div_ceil(width) * lines_of_panel(depth, width);
        let mut data = Buffer::reusing(spare::take(len), len);
        write(data.parts());
        // SAFETY: by contract, all of it has been written.
        let data = unsafe { data.assume_init() };
        Self {
            data,
            lanes,
            depth,
            width,
        }
    }

    /// Returns the number of panels.
    pub fn len(&self) -> usize {
        self.lanes.div_ceil(self.width)
    }

    /// Returns the lanes of a panel.
    pub fn lanes_of(&self, panel: usize) -> Range<usize> {
        panel * self.width..((panel + 1) * self.width).min(self.lanes)
    }

    /// Returns some pairs of a panel.
    pub fn pairs(&self, panel: usize, pairs: &Range<usize>) -> &[u32] {
        let data = Line::pairs(&self.data);
        let start = panel * (data.len() / self.len());
        &data[start + pairs.start * self.width..start + pairs.end * self.width]
    }
}

/// Leaves the memory to the next panels.
impl Drop for Panels {
    fn drop(&mut self) {
        spare::put(std::mem::take(&mut self.data));
    }
}

/// Returns the lines of a panel, given its depth and lanes.
fn lines_of_panel(depth: usize, width: usize) -> usize {
    depth.div_ceil(2).div_ceil(SIDE) * width
}

/// Panels that are to be written in parts of sixteen pairs along the depth.
pub struct Parts<'a> {
    pairs: Disjoint<'a, u32>,
    /// Pairs of a panel, and of a part of it, of all lanes.
    panel: usize,
    part: usize,
}

impl Parts<'_> {
    /// Returns a part of a panel.
    ///
    /// # Safety
    ///
    /// The same part is not live already.
    #[expect(
        clippy::mut_from_ref,
        reason = "handing out disjoint parts is the point"
    )]
    pub unsafe fn part_mut(&self, panel: usize, part: usize) -> &mut [MaybeUninit<u32>] {
        let at = part * self.part;
        assert!(at < self.panel, "a part is in its panel");
        // SAFETY: parts lie side by side; by contract, this one is not live.
        unsafe { self.pairs.part_mut(panel * self.panel + at, self.part) }
    }
}
