//! Matrix products of operands rounded to bf16, with sums in f32.
//!
//! `pack` rounds both operands and copies them into panels. `macro_kernel` cuts the
//! product into blocks that fit the caches and spreads them over the threads. A
//! micro-kernel computes the sums of one block; each instruction set has its own, such
//! as `avx512`, and `portable` needs none, so that tests run on every machine.

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx512;
#[cfg(any(target_arch = "x86_64", miri, test))]
mod macro_kernel;
#[cfg(any(target_arch = "x86_64", miri, test))]
mod pack;
#[cfg(any(miri, test))]
mod portable;

#[cfg(all(target_arch = "x86_64", not(miri)))]
use self::avx512::Avx512 as Native;
// Miri has no such instruction. It runs the same packing and blocks.
#[cfg(miri)]
use self::portable::Portable as Native;
use crate::gemm_f32;
use crate::matrix::{Matrix, MatrixMut, Sum, Threads};

/// Tells whether this processor multiplies bf16 natively.
pub fn is_native() -> bool {
    #[cfg(any(target_arch = "x86_64", miri))]
    {
        Native::new().is_some()
    }
    #[cfg(not(any(target_arch = "x86_64", miri)))]
    {
        false
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
pub fn multiply(out: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, sum: Sum) {
    #[cfg(any(target_arch = "x86_64", miri))]
    if let Some(kernel) = Native::new() {
        return macro_kernel::multiply(kernel, &out, left, right, sum);
    }
    gemm_f32::multiply(out, left, right, sum, Threads::All);
}

#[cfg(test)]
mod tests {
    use super::portable::Portable;
    use super::*;
    use crate::samples::values;

    type Product = fn(MatrixMut<'_>, Matrix<'_>, Matrix<'_>, Sum);

    fn rounded(x: &[f32]) -> Vec<f32> {
        x.iter()
            .map(|&x| half::bf16::from_f32(x).to_f32())
            .collect()
    }

    /// Checks that a product equals the f32 product of operands rounded beforehand,
    /// up to the order of its sums, for all four layouts.
    fn check_product(multiply: Product, [m, n, k]: [usize; 3], tolerance: f32) {
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let (ra, rb) = (rounded(&a), rounded(&b));
        for turned in 0..4 {
            let view = |a, turn: bool, rows, cols| {
                if turn {
                    Matrix::new(a, cols, rows).transposed()
                } else {
                    Matrix::new(a, rows, cols)
                }
            };
            let (ta, tb) = (turned & 1 == 1, turned & 2 == 2);
            let mut got = values(m * n, 3);
            let mut expected = got.clone();
            let (out, exact) = (
                MatrixMut::new(&mut got, m, n),
                MatrixMut::new(&mut expected, m, n),
            );
            multiply(out, view(&a, ta, m, k), view(&b, tb, k, n), Sum::Add);
            let (left, right) = (view(&ra, ta, m, k), view(&rb, tb, k, n));
            gemm_f32::multiply(exact, left, right, Sum::Add, Threads::This);
            for (got, expected) in got.iter().zip(&expected) {
                assert!(
                    (got - expected).abs() < tolerance,
                    "[{m}, {k}] · [{k}, {n}], layout {turned}: {got}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn a_product_is_that_of_the_rounded_operands() {
        if !is_native() {
            eprintln!("skipped: no AVX512-BF16");
            return;
        }
        let small = [[13, 33, 9], [25, 3, 2]];
        let large = [[12, 32, 576], [13, 33, 577], [5, 100, 1200], [250, 31, 7]];
        let sizes = if cfg!(miri) { &small[..] } else { &large };
        for &size in [[1, 1, 1]].iter().chain(sizes) {
            check_product(multiply, size, 2e-4);
        }
    }

    /// Small panels: a few rows and columns already make several blocks, tasks and
    /// depths.
    #[test]
    fn the_portable_kernel_computes_it_on_every_machine() {
        let portable: Product = |out, left, right, sum| {
            macro_kernel::multiply(Portable, &out, left, right, sum);
        };
        for size in [[1, 1, 1], [12, 32, 8], [13, 33, 9], [50, 70, 17]] {
            check_product(portable, size, 2e-5);
        }
    }
}
