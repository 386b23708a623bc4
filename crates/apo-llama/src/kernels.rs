//! The CPU's own kernels: matrix products, tree attention, a decoder layer,
//! sliced log-probs, AdamW.
//!
//! They work on plain slices and know no tensor; `operators` makes Burn
//! operators of them. The plain composition in `plain` is the definition that
//! they are compared with, value by value and gradient by gradient.
//!
//! This is the one module of the workspace that may use `unsafe`, for three
//! things: calling the matrix product on strided views, letting threads write
//! disjoint parts of one buffer, and functions compiled for several
//! instruction sets. Each has a safe face.
#![expect(
    unsafe_code,
    reason = "strided products, disjoint writes, instruction sets; see above"
)]

pub(crate) mod adamw;
pub(crate) mod attention;
pub(crate) mod bf16;
pub(crate) mod decode;
pub(crate) mod few_rows;
pub(crate) mod layer;
pub(crate) mod log_prob;
pub(crate) mod matrix;
pub(crate) mod memory;
pub(crate) mod shared;
pub(crate) mod simd;

/// How many rows of a row-wise kernel one thread takes at a time.
const ROWS_A_TASK: usize = 64;

/// Returns a buffer of `len` floats of unspecified value, to be overwritten.
#[expect(
    clippy::uninit_vec,
    reason = "every element is written before it is read"
)]
pub(crate) fn buffer(len: usize) -> Vec<f32> {
    let mut data = Vec::with_capacity(len);
    // SAFETY: the capacity is `len`, any bit pattern is an f32, and fresh
    // pages from the allocator are initialised memory to the compiler's model
    // only once written: every caller writes each element before reading it.
    unsafe {
        data.set_len(len);
    }
    data
}
