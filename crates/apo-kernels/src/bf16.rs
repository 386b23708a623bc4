//! Matrix products of operands rounded to bf16, with sums in f32.
//!
//! `pack` rounds both operands and copies them into `panels`. `macro_kernel` cuts the
//! product into blocks that fit the caches and spreads them over the threads. A
//! micro-kernel computes the sums of one block; each instruction set has its own, `amx`
//! and `avx512`, and `portable` needs none, so that tests run on every machine. `kernel`
//! chooses among them.

#[cfg(any(target_arch = "x86_64", miri, test))]
mod amx;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx512;
mod kernel;
mod line;
mod macro_kernel;
mod micro_kernel;
mod pack;
mod panels;
#[cfg(any(miri, test))]
mod portable;
mod spare;
mod two_products;

use self::kernel::{Kernel, with_kernel};
pub use self::kernel::{instructions, is_faster, is_native};
pub(crate) use self::pack::round;
use self::panels::Panels;
pub(crate) use self::two_products::{Columns, TwoBlocks};
use crate::gemm_f32;
use crate::matrix::{Matrix, MatrixMut, Sum, Threads};

/// The right operand of products, rounded to bf16 and packed once for all of them.
#[derive(Clone)]
pub struct Packed {
    panels: Panels,
    kernel: Kernel,
}

impl Packed {
    /// Packs `right`. Returns `None` if this processor does not multiply bf16.
    ///
    /// # Shapes
    ///
    /// - `right`: `[depth, cols]`
    pub fn new(right: Matrix<'_>) -> Option<Self> {
        let kernel = Kernel::native()?;
        Some(Self::by(kernel, right, Threads::All))
    }

    /// Number of rows.
    pub(crate) fn depth(&self) -> usize {
        self.panels.depth
    }

    /// Returns all columns, if they are whole panels.
    pub(crate) fn columns(&self) -> Option<Columns<'_>> {
        let panels = &self.panels;
        let is_whole = panels.lanes.is_multiple_of(panels.width);
        is_whole.then(|| Columns {
            panels,
            first: 0,
            n: panels.len(),
        })
    }

    /// Returns both halves of the columns, if they are whole panels.
    pub(crate) fn halves(&self) -> Option<[Columns<'_>; 2]> {
        let panels = &self.panels;
        let is_whole = panels.lanes.is_multiple_of(2 * panels.width);
        let n = panels.len() / 2;
        is_whole.then(|| [0, n].map(|first| Columns { panels, first, n }))
    }

    fn by(kernel: Kernel, right: Matrix<'_>, threads: Threads) -> Self {
        let panels = with_kernel!(kernel, it => Panels::of_right(it, right, threads));
        Self { panels, kernel }
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.panels.lanes
    }

    /// Computes `out (+)= left · self`, with `left` rounded to bf16 and sums in f32. A
    /// row of the result is the same whatever other rows there are, and how many.
    ///
    /// # Shapes
    ///
    /// - `left`: `[rows, depth]`
    /// - `out`: `[rows, cols]`
    ///
    /// # Panics
    ///
    /// As [`multiply`].
    pub(crate) fn multiply(&self, out: MatrixMut<'_>, left: Matrix<'_>, sum: Sum) {
        let left = PackedLeft::by(self.kernel, left, Threads::All);
        left.multiply(out, self, sum, Threads::All);
    }
}

/// The left operand of products, rounded to bf16 and packed once for all of them.
pub(crate) struct PackedLeft {
    panels: Panels,
    kernel: Kernel,
}

impl PackedLeft {
    /// Packs `left`, `[rows, depth]`. Returns `None` if this processor does not multiply
    /// bf16.
    pub(crate) fn new(left: Matrix<'_>) -> Option<Self> {
        Some(Self::by(Kernel::native()?, left, Threads::All))
    }

    fn by(kernel: Kernel, left: Matrix<'_>, threads: Threads) -> Self {
        let panels = with_kernel!(kernel, it => Panels::of_left(it, left, threads));
        Self { panels, kernel }
    }

    /// Computes `out (+)= self · right`.
    ///
    /// # Shapes
    ///
    /// - `right`: `[depth, cols]`
    /// - `out`: `[rows, cols]`
    ///
    /// # Panics
    ///
    /// As [`multiply`].
    pub(crate) fn multiply(&self, out: MatrixMut<'_>, right: &Packed, sum: Sum, threads: Threads) {
        let (left, right) = (&self.panels, &right.panels);
        with_kernel!(self.kernel, it => {
            macro_kernel::multiply(it, &out, left, right, sum, threads);
        });
    }

    /// Computes `self · right` for two right operands, and returns what `combine` makes of
    /// both, block by block.
    ///
    /// # Shapes
    ///
    /// - `rights`: `[depth, cols]` each
    /// - result: `[rows, cols]`
    ///
    /// # Panics
    ///
    /// When the shapes differ.
    pub(crate) fn multiply_by_two(
        &self,
        rights: [Columns<'_>; 2],
        combine: impl Fn(TwoBlocks<'_>) + Sync,
    ) -> Self {
        let panels = with_kernel!(self.kernel, it => {
            two_products::multiply_by_two(it, &self.panels, rights, combine)
        });
        let kernel = self.kernel;
        Self { panels, kernel }
    }
}

/// Computes `out (+)= left · right`, with the operands rounded to bf16.
///
/// A processor without such products computes them in f32; stages check
/// [`crate::Precision`] against the device before any work.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
///
/// # Panics
///
/// When the shapes do not match, or the product is added to elements without a
/// value.
pub(crate) fn multiply(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    threads: Threads,
) {
    let Some(kernel) = Kernel::native() else {
        return gemm_f32::multiply(out, left, right, sum, threads);
    };
    let right = Packed::by(kernel, right, threads);
    let left = PackedLeft::by(kernel, left, threads);
    left.multiply(out, &right, sum, threads);
}

#[cfg(test)]
mod tests;
