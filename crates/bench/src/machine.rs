//! What this machine can do at best, to compare the kernels with.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use rayon::prelude::*;

use apo_kernels::matmul::multiply;
use apo_kernels::matrix::{Matrix, MatrixMut, Sum};
use apo_kernels::{Precision, bf16, simd};

use crate::work::{Run, Share};

/// What this machine computes and reads at best.
#[derive(Clone, Copy, Debug)]
pub struct Peaks {
    /// Floating-point operations per second in products of f32.
    pub f32: f64,
    /// The same in products of bf16; those of f32 where the processor has none.
    pub bf16: f64,
    /// Bytes per second read from memory.
    pub reading: f64,
}

/// What limits some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Operations per second.
    Arithmetic,
    /// Bytes per second.
    Memory,
}

impl Bound {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arithmetic => "arithmetic",
            Self::Memory => "memory",
        }
    }
}

impl Peaks {
    /// Measures them on some threads, in about a second.
    ///
    /// # Errors
    ///
    /// When the threads cannot be started.
    pub fn on(threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Ok(pool.context("cannot start threads")?.install(Self::measure))
    }

    /// Measures them on all threads, in about a second.
    pub fn measure() -> Self {
        let f32 = peak_product(Precision::F32);
        let bf16 = if bf16::is_native() {
            peak_product(Precision::Bf16)
        } else {
            f32
        };
        Self {
            f32,
            bf16,
            reading: peak_reading(),
        }
    }

    /// Returns the higher of each of two measurements: other programs on the machine may
    /// have slowed one of them.
    #[must_use]
    pub fn or_higher(self, other: Self) -> Self {
        Self {
            f32: self.f32.max(other.f32),
            bf16: self.bf16.max(other.bf16),
            reading: self.reading.max(other.reading),
        }
    }

    /// Returns the peak of products with operands of this type.
    pub fn product(&self, precision: Precision) -> f64 {
        match precision {
            Precision::F32 => self.f32,
            Precision::Bf16 => self.bf16,
        }
    }

    /// Returns the least time that some work takes at `peak` operations per second,
    /// seconds, and what limits it.
    pub fn floor(&self, share: Share, peak: f64) -> (f64, Bound) {
        let (arithmetic, memory) = (share.flop / peak, share.bytes / self.reading);
        if arithmetic >= memory {
            (arithmetic, Bound::Arithmetic)
        } else {
            (memory, Bound::Memory)
        }
    }

    /// Returns the least time that a run's kernels take, seconds.
    pub fn floor_of(&self, run: &Run, precision: Precision) -> f64 {
        let kernels = [
            (run.matmul, self.product(precision)),
            (run.attention, self.product(precision)),
            (run.optimiser, self.f32),
        ];
        let floors = kernels.map(|(share, peak)| self.floor(share, peak).0);
        floors.iter().sum()
    }
}

/// Returns the floating-point operations per second of a large matrix product on all
/// threads, the best of several runs.
fn peak_product(precision: Precision) -> f64 {
    const SIDE: usize = 1536;
    let (left, right) = (vec![0.5_f32; SIDE * SIDE], vec![0.25_f32; SIDE * SIDE]);
    let mut out = vec![0.0_f32; SIDE * SIDE];
    best_of(|| {
        multiply(
            MatrixMut::new(&mut out, SIDE, SIDE),
            Matrix::new(&left, SIDE, SIDE),
            Matrix::new(&right, SIDE, SIDE),
            Sum::Replace,
            precision,
        );
        2 * SIDE * SIDE * SIDE
    })
}

/// Returns the bytes per second that all threads together read from memory, the best
/// of several runs.
fn peak_reading() -> f64 {
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

/// Returns the processor's name, generation and instructions.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.split(':').next().map(str::trim) == Some(name));
        line.and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
    };
    let has = |flag: &str| field("flags").split(' ').any(|it| it == flag);
    let vectors = match (has("avx512f"), has("avx2")) {
        (true, _) => "AVX-512",
        (_, true) => "AVX2",
        _ => "no AVX2",
    };
    let bf16 = bf16::instructions().unwrap_or("none");
    format!(
        "{}, family {} model {}, {vectors}, bf16 by {bf16}",
        field("model name"),
        field("cpu family"),
        field("model")
    )
}
