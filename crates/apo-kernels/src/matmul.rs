//! Matrix products: chooses how each one is computed.

use crate::bf16::{self, Packed, PackedLeft};
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
    counted([out.rows, out.cols, left.cols], || {
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
    packed: Option<PackedLeft>,
}

impl<'a> Left<'a> {
    /// Packs `matrix`, `[rows, depth]`, where products of this precision read it so.
    pub(crate) fn new(matrix: Matrix<'a>, precision: Precision) -> Self {
        let pays = precision == Precision::Bf16 && !few_rows::are_few(matrix.rows);
        let packed = pays.then(|| PackedLeft::new(matrix)).flatten();
        Self { matrix, packed }
    }

    /// Computes `out (+)= self · right`, as [`multiply`].
    ///
    /// # Shapes
    ///
    /// - `right`: `[depth, cols]`
    /// - `out`: `[rows, cols]`
    pub(crate) fn multiply(
        &self,
        out: MatrixMut<'_>,
        right: Matrix<'_>,
        sum: Sum,
        precision: Precision,
    ) {
        let Some(packed) = &self.packed else {
            return multiply(out, self.matrix, right, sum, precision);
        };
        counted([out.rows, out.cols, self.matrix.cols], || {
            let right = Packed::new(right).expect("this processor multiplies bf16");
            packed.multiply(out, &right, sum, Threads::All);
        });
    }

    /// Computes `out (+)= self · right`.
    ///
    /// # Shapes
    ///
    /// - `right`: `[depth, cols]`
    /// - `out`: `[rows, cols]`
    pub(crate) fn multiply_packed(&self, out: MatrixMut<'_>, right: &Packed, sum: Sum) {
        match &self.packed {
            None => multiply_packed(out, self.matrix, right, sum),
            Some(packed) => counted([out.rows, out.cols, self.matrix.cols], || {
                packed.multiply(out, right, sum, Threads::All);
            }),
        }
    }
}

/// The right operand of several products, which is rounded and packed at most once.
pub(crate) struct Right<'a> {
    matrix: Matrix<'a>,
    packed: Option<Packed>,
}

impl<'a> Right<'a> {
    /// Packs `matrix`, `[depth, cols]`, where products of this precision read it so.
    pub(crate) fn new(matrix: Matrix<'a>, precision: Precision) -> Self {
        let pays = precision == Precision::Bf16;
        let packed = pays.then(|| Packed::new(matrix)).flatten();
        Self { matrix, packed }
    }

    /// Computes `out (+)= left · self`, as [`multiply`].
    ///
    /// # Shapes
    ///
    /// - `left`: `[rows, depth]`
    /// - `out`: `[rows, cols]`
    pub(crate) fn multiply(
        &self,
        out: MatrixMut<'_>,
        left: Matrix<'_>,
        sum: Sum,
        precision: Precision,
    ) {
        match &self.packed {
            None => multiply(out, left, self.matrix, sum, precision),
            Some(packed) => multiply_packed(out, left, packed, sum),
        }
    }
}

/// Packs the right operand of products that have so many rows of the left one together
/// that this pays. Returns `None` where [`multiply`] is as fast without.
pub(crate) fn packed(right: Matrix<'_>, rows: usize, precision: Precision) -> Option<Packed> {
    let pays = precision == Precision::Bf16 && !few_rows::are_few(rows);
    pays.then(|| Packed::new(right)).flatten()
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
    counted([out.rows, out.cols, left.cols], || {
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
    counted([out.rows, out.cols, left.cols], || {
        right.multiply(out, left, sum);
    });
}

/// Computes `out += combine(left · first, left · second) · last`, where `first` and
/// `second` are the halves of the columns of `right`, with operands rounded to bf16 and
/// sums in f32. `combine` is called with blocks of both products, and leaves the result in
/// the first. Returns false, and does nothing, where the halves are not whole panels.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, 2 · inner]`
/// - `last`: `[inner, cols]`
/// - `out`: `[rows, cols]`
pub(crate) fn add_product_of_combined_halves(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: &Packed,
    combine: impl Fn(&mut [f32], &[f32]) + Sync,
    last: &Packed,
) -> bool {
    let combined = counted([left.rows, right.cols(), left.cols], || {
        PackedLeft::new(left)?.multiply_halves(right, combine)
    });
    let Some(combined) = combined else {
        return false;
    };
    counted([out.rows, out.cols, right.cols() / 2], || {
        combined.multiply(out, last, Sum::Add, Threads::All);
    });
    true
}

/// Counts and times the product of `[rows, depth]` and `[depth, cols]`.
fn counted<T>([rows, cols, depth]: [usize; 3], product: impl FnOnce() -> T) -> T {
    let elements = rows * depth + depth * cols + rows * cols;
    timed(
        KernelKind::Matmul,
        2 * rows * cols * depth,
        4 * elements,
        product,
    )
}
