//! Kernels of a decoder for the CPU: matrix products, tree attention, a decoder layer,
//! log-probs in slices, AdamW.
//!
//! They work on plain slices, not on tensors; `apo-llama` wraps them as Burn operators.
//! Its plain composition of Burn's own operators defines what they compute, and tests
//! compare every value and gradient with it.
//!
//! This crate uses `unsafe` to multiply strided views, to let threads write disjoint
//! parts of one buffer, to leave buffers uninitialised until they are written, and to
//! compile functions for several instruction sets. Its public interface is safe.
#![expect(
    unsafe_code,
    reason = "strided products, disjoint writes, buffers, instruction sets; see above"
)]

use std::mem::MaybeUninit;

mod activations;
pub mod adamw;
pub mod attention;
pub mod bf16;
pub mod cache;
pub mod decode;
mod feed_forward;
mod few_rows;
mod gemm_f32;
mod instruction_sets;
pub mod layer;
pub mod layer_weights;
pub mod layout;
pub mod log_prob;
pub mod matmul;
pub mod matrix;
pub mod norm;
mod precision;
mod projections;
#[cfg(test)]
mod samples;
mod shared;
pub mod simd;
pub mod stats;

pub use layer_weights::{LayerWeights, N_WEIGHTS};
pub use precision::Precision;

/// Rows that one thread takes at a time in a row-wise kernel.
const ROWS_A_TASK: usize = 64;

/// A buffer that becomes a vector once it is written. A step allocates so many large
/// buffers that filling them with zeros first would cost time.
struct Buffer<T = f32> {
    data: Vec<T>,
    len: usize,
}

impl<T> Buffer<T> {
    /// Allocates memory for `len` elements.
    fn new(len: usize) -> Self {
        Self::reusing(Vec::new(), len)
    }

    /// Takes over the memory of a vector, and allocates what it lacks.
    fn reusing(mut data: Vec<T>, len: usize) -> Self {
        data.clear();
        data.reserve(len);
        Self { data, len }
    }

    /// Returns the elements to write.
    fn parts(&mut self) -> &mut [MaybeUninit<T>] {
        &mut self.data.spare_capacity_mut()[..self.len]
    }

    /// Returns the vector.
    ///
    /// # Safety
    ///
    /// Every element has been written.
    unsafe fn assume_init(mut self) -> Vec<T> {
        // SAFETY: `new` allocated `len` elements; by contract they are written.
        unsafe {
            self.data.set_len(self.len);
        }
        self.data
    }
}
