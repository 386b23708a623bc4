//! Time, operations and bytes of the CPU's kernels.
//!
//! The counters are of the whole process and always on: a kernel takes milliseconds,
//! and reading the clock takes nanoseconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Totals of one kind of kernel since the program began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KindStats {
    /// Wall-clock time while all threads work.
    pub seconds: f64,
    /// Floating-point operations; a fused multiply-add counts as two.
    pub flop: f64,
    /// Bytes that must be read or written, each operand once.
    pub bytes: f64,
}

/// Totals of all kernels since the program began.
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
pub enum KernelKind {
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

/// Returns the totals of all kernels since the program began.
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

/// Runs `work` and adds its time, operations and bytes to the counters.
pub fn timed<T>(kind: KernelKind, flop: usize, bytes: usize, work: impl FnOnce() -> T) -> T {
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
