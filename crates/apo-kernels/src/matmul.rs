//! Matrix products: chooses how each one is computed.

use crate::bf16::{self, Columns, Packed, PackedLeft, TwoBlocks};
use crate::matrix::{Matrix, MatrixMut, Sum, Threads};
use crate::precision::Precision;
use crate::stats::{KernelKind, timed};
use crate::{few_rows, gemm_f32};

/// Computes `out (+)= left · right`.
///
/// With [`Precision::Bf16`], a processor that has such products rounds the operands to
/// bf16 and keeps the sums in f32. Products of few rows stay in f32, because converting
/// the weight would cost more than it saves.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
pub fn multiply(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    precision: Precision,
) {
    counted([out.rows, out.cols, left.cols], [F32; 3], || {
        if few_rows::applies(left, right) {
            few_rows::multiply(out, left, right, sum);
        } else {
            multiply_on(Threads::All, out, left, right, sum, precision);
        }
    });
}

/// Computes `out (+)= left · right` on this thread, as a part of a kernel that is counted
/// as a whole.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
pub(crate) fn multiply_on_this_thread(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    precision: Precision,
) {
    multiply_on(Threads::This, out, left, right, sum, precision);
}

/// Computes `out (+)= left · right`, by whichever library has the precision.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
fn multiply_on(
    threads: Threads,
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    precision: Precision,
) {
    match precision {
        Precision::F32 => gemm_f32::multiply(out, left, right, sum, threads),
        Precision::Bf16 => bf16::multiply(out, left, right, sum, threads),
    }
}

/// The left operand of several products, which is rounded and packed at most once.
pub(crate) struct Left<'a> {
    pub(crate) matrix: Matrix<'a>,
    precision: Precision,
    packed: Option<PackedLeft>,
}

impl<'a> Left<'a> {
    /// Packs `matrix`, `[rows, depth]`, if products in this precision read it packed.
    pub(crate) fn new(matrix: Matrix<'a>, precision: Precision) -> Self {
        let pays = precision == Precision::Bf16 && !few_rows::are_few(matrix.rows);
        let packed = packing(|| pays.then(|| PackedLeft::new(matrix)).flatten());
        Self {
            matrix,
            precision,
            packed,
        }
    }

    /// Computes `out (+)= self · right`, as [`multiply`].
    ///
    /// # Shapes
    ///
    /// - `right`: `[depth, cols]`
    /// - `out`: `[rows, cols]`
    pub(crate) fn multiply(&self, out: MatrixMut<'_>, right: Matrix<'_>, sum: Sum) {
        let Some(packed) = &self.packed else {
            return multiply(out, self.matrix, right, sum, self.precision);
        };
        counted(
            [out.rows, out.cols, self.matrix.cols],
            [BF16, F32, F32],
            || {
                let right = Packed::new(right).expect("this processor multiplies bf16");
                packed.multiply(out, &right, sum, Threads::All);
            },
        );
    }

    /// Computes `out (+)= self · right`, as [`multiply_packed`].
    ///
    /// # Shapes
    ///
    /// - `right`: `[depth, cols]`
    /// - `out`: `[rows, cols]`
    pub(crate) fn multiply_packed(&self, out: MatrixMut<'_>, right: &Packed, sum: Sum) {
        let Some(packed) = &self.packed else {
            return multiply_packed(out, self.matrix, right, sum);
        };
        counted(
            [out.rows, out.cols, self.matrix.cols],
            [BF16, BF16, F32],
            || {
                packed.multiply(out, right, sum, Threads::All);
            },
        );
    }
}

/// The right operand of several products, which is rounded and packed at most once.
pub(crate) struct Right<'a> {
    matrix: Matrix<'a>,
    packed: Option<Packed>,
}

impl<'a> Right<'a> {
    /// Packs `matrix`, `[depth, cols]`, if products in this precision read it packed.
    pub(crate) fn new(matrix: Matrix<'a>, precision: Precision) -> Self {
        let pays = precision == Precision::Bf16;
        let packed = packing(|| pays.then(|| Packed::new(matrix)).flatten());
        Self { matrix, packed }
    }

    /// Computes `out (+)= left · self`: with operands rounded to bf16 for any number of
    /// rows, or in f32.
    ///
    /// # Shapes
    ///
    /// - `left`: `[rows, depth]`
    /// - `out`: `[rows, cols]`
    pub(crate) fn multiply(&self, out: MatrixMut<'_>, left: Matrix<'_>, sum: Sum) {
        match &self.packed {
            None => multiply(out, left, self.matrix, sum, Precision::F32),
            Some(packed) => multiply_packed(out, left, packed, sum),
        }
    }
}

/// Packs the right operand of products that have so many rows of the left one together
/// that this pays. Returns `None` where [`multiply`] is as fast without.
///
/// # Shapes
///
/// - `right`: `[depth, cols]`
pub(crate) fn packed(right: Matrix<'_>, rows: usize, precision: Precision) -> Option<Packed> {
    let pays = precision == Precision::Bf16 && !few_rows::are_few(rows);
    packing(|| pays.then(|| Packed::new(right)).flatten())
}

/// Computes `out (+)= left · right` in f32 over the threads. A row of the result is the
/// same whatever other rows there are, and how many.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`, its columns side by side
/// - `right`: `[depth, cols]`, its rows side by side
/// - `out`: `[rows, cols]`
pub fn multiply_batch_invariant(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    counted([out.rows, out.cols, left.cols], [F32; 3], || {
        few_rows::multiply(out, left, right, sum);
    });
}

/// Computes `out (+)= left · right`, with the left operand rounded to bf16 and sums in
/// f32. A row of the result is the same whatever other rows there are, and how many.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
pub fn multiply_packed(out: MatrixMut<'_>, left: Matrix<'_>, right: &Packed, sum: Sum) {
    counted([out.rows, out.cols, left.cols], [F32, BF16, F32], || {
        right.multiply(out, left, sum);
    });
}

/// Computes `out += combine(left · first, left · second) · last`, with operands rounded to
/// bf16 and sums in f32. `combine` is called with blocks of both products, and leaves the
/// result in the first.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `pair`: `[depth, inner]` each
/// - `last`: `[inner, cols]`
/// - `out`: `[rows, cols]`
///
/// # Panics
///
/// When the shapes do not match, before `combine` is called.
pub(crate) fn add_product_of_two(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    pair: [Columns<'_>; 2],
    combine: impl Fn(TwoBlocks<'_>) + Sync,
    last: &Packed,
) {
    let inner = last.depth();
    for right in pair {
        assert_eq!(right.n_cols(), inner, "the last product's depth");
    }
    // Half of the columns remain, in bf16.
    let bytes = [F32, BF16, BF16 / 2];
    let combined = counted([left.rows, 2 * inner, left.cols], bytes, || {
        let left = PackedLeft::new(left).expect("this processor multiplies bf16");
        left.multiply_by_two(pair, combine)
    });
    counted([out.rows, out.cols, inner], [BF16, BF16, F32], || {
        combined.multiply(out, last, Sum::Add, Threads::All);
    });
}

/// Times the packing of an operand as a part of its products.
fn packing<T>(pack: impl FnOnce() -> T) -> T {
    timed(KernelKind::Matmul, 0, 0, pack)
}

/// Bytes of an element.
const F32: usize = 4;
const BF16: usize = 2;

/// Counts and times the product of `[rows, depth]` and `[depth, cols]`, given the bytes of
/// an element of the left operand, the right one and the result in memory.
fn counted<T>(
    [rows, cols, depth]: [usize; 3],
    [left, right, out]: [usize; 3],
    product: impl FnOnce() -> T,
) -> T {
    let bytes = left * rows * depth + right * depth * cols + out * rows * cols;
    let flop = 2 * rows * cols * depth;
    timed(KernelKind::Matmul, flop, bytes, product)
}
