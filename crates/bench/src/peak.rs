//! The machine's peak, to compare the kernels with.

use std::time::Instant;

use rayon::prelude::*;

use apo_kernels::matmul::multiply;
use apo_kernels::matrix::{Matrix, MatrixMut, Sum, Threads};
use apo_kernels::{Precision, simd};

/// Returns the floating-point operations per second of a large matrix product on all
/// threads, the best of several runs.
pub fn peak_product(precision: Precision) -> f64 {
    const SIDE: usize = 1536;
    let (left, right) = (vec![0.5_f32; SIDE * SIDE], vec![0.25_f32; SIDE * SIDE]);
    let mut out = vec![0.0_f32; SIDE * SIDE];
    best_of(|| {
        multiply(
            MatrixMut::new(&mut out, SIDE, SIDE),
            Matrix::new(&left, SIDE, SIDE),
            Matrix::new(&right, SIDE, SIDE),
            Sum::Replace,
            Threads::All,
            precision,
        );
        2 * SIDE * SIDE * SIDE
    })
}

/// Returns the bytes per second that all threads together read from memory, the best
/// of several runs.
pub fn peak_reading() -> f64 {
    let data = vec![1.0_f32; 1 << 26];
    best_of(|| {
        let sum: f32 = data
            .par_chunks(1 << 20)
            .map(|part| simd::dot(part, part))
            .sum();
        assert!(sum > 0.0, "a sum of squares of ones");
        size_of_val(data.as_slice())
    })
}

fn best_of(mut work: impl FnMut() -> usize) -> f64 {
    work(); // wakes threads and touches pages
    (0..8)
        .map(|_| {
            let start = Instant::now();
            work() as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}
