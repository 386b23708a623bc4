//! Time, operations and bytes of the CPU's kernels, and the machine's peak rates.
//!
//! The counters belong to the whole process and are always on: a kernel of a
//! decoder layer takes milliseconds, reading the clock takes nanoseconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::Precision;
use crate::matrix::{Matrix, MatrixMut, Sum, Threads, multiply};

/// What one kind of kernel has taken since the program began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KindStats {
    /// Wall-clock time while all threads work.
    pub seconds: f64,
    /// Floating-point operations; a fused multiply-add counts as two.
    pub flop: f64,
    /// Bytes that must be read or written, each operand once.
    pub bytes: f64,
}

/// What the kernels have taken since the program began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KernelStats {
    /// Matrix products with weights, forward and backward.
    pub matmul: KindStats,
    /// Scores, softmax and sums of values, forward and backward.
    pub attention: KindStats,
    /// Norm, clipping, and AdamW.
    pub optimiser: KindStats,
}

/// A kind of kernel.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Matrix products with weights.
    Matmul,
    /// Attention.
    Attention,
    /// The optimiser.
    Optimiser,
}

struct Counters {
    nanoseconds: AtomicU64,
    flop: AtomicU64,
    bytes: AtomicU64,
}

static COUNTERS: [Counters; 3] = [const {
    Counters {
        nanoseconds: AtomicU64::new(0),
        flop: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    }
}; 3];

/// Returns what the kernels have taken since the program began.
pub fn stats() -> KernelStats {
    let [matmul, attention, optimiser] = COUNTERS.each_ref().map(|counters| KindStats {
        seconds: Duration::from_nanos(counters.nanoseconds.load(Ordering::Relaxed)).as_secs_f64(),
        flop: counters.flop.load(Ordering::Relaxed) as f64,
        bytes: counters.bytes.load(Ordering::Relaxed) as f64,
    });
    KernelStats {
        matmul,
        attention,
        optimiser,
    }
}

/// Does some work and adds its time, operations and bytes to the counters.
pub fn timed<T>(kind: Kind, flop: usize, bytes: usize, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let counters = &COUNTERS[kind as usize];
    let nanoseconds = start.elapsed().as_nanos() as u64;
    counters
        .nanoseconds
        .fetch_add(nanoseconds, Ordering::Relaxed);
    counters.flop.fetch_add(flop as u64, Ordering::Relaxed);
    counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    result
}

/// Measures how many floating-point operations a second our matrix product
/// reaches on this machine over all threads: the best of several runs.
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

/// Measures how many bytes a second all threads together read from memory: the
/// best of several runs.
pub fn peak_reading() -> f64 {
    let data = vec![1.0_f32; 1 << 26];
    best_of(|| {
        let sum: f32 = data
            .par_chunks(1 << 20)
            .map(|part| crate::simd::dot(part, part))
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
