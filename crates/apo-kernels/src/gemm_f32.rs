//! Matrix products in f32, by the library `gemm`.

use crate::matrix::{Matrix, MatrixMut, Sum, Threads, is_done};

/// Computes `out (+)= left · right` in f32.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
///
/// # Panics
///
/// As [`is_done`].
pub(crate) fn multiply(
    out: MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    sum: Sum,
    threads: Threads,
) {
    if is_done(&out, [left.rows, left.cols], [right.rows, right.cols], sum) {
        return;
    }
    #[cfg(miri)]
    return plain(&out, left, right, sum);
    #[cfg(not(miri))]
    gemm_f32(&out, left, right, sum, threads);
}

/// The same by plain loops, for Miri, which checks our views here; the library's own buffers
/// would take it hours.
#[cfg(miri)]
fn plain(out: &MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    let at = |m: Matrix<'_>, row, col| m.data[row * m.row_stride + col * m.col_stride];
    for row in 0..out.rows {
        // SAFETY: only one part is live at a time.
        let part = unsafe { out.part_mut(row, 0, out.cols) };
        for (col, to) in part.iter_mut().enumerate() {
            let products = (0..left.cols).map(|k| at(left, row, k) * at(right, k, col));
            let value: f32 = products.sum();
            match sum {
                Sum::Replace => to.write(value),
                // SAFETY: `is_done` has seen that it has a value.
                Sum::Add => to.write(unsafe { to.assume_init() } + value),
            };
        }
    }
}

#[cfg(not(miri))]
fn gemm_f32(out: &MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum, threads: Threads) {
    let parallelism = match threads {
        Threads::All if rayon::current_num_threads() > 1 => gemm::Parallelism::Rayon(0),
        _ => gemm::Parallelism::None,
    };
    // SAFETY: the constructors have checked that the strides stay within the
    // slices, and `is_done` that the sizes agree and that elements are initialised
    // if the product is added to them; `out` is borrowed exclusively.
    unsafe {
        gemm::gemm(
            out.rows,
            out.cols,
            left.cols,
            out.block(0, 0, out.rows, out.cols),
            1,
            out.row_stride as isize,
            sum == Sum::Add,
            left.data.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}
