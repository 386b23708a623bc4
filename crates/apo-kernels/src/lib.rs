//! Kernels of a decoder for the CPU: matrix products, tree attention, a decoder layer,
//! log-probs in slices, AdamW.
//!
//! They work on plain slices, not on tensors; `apo-decoder` wraps them as Burn operators.
//! Its composition of Burn's own operators defines what they compute, and tests compare
//! every value and gradient with it.
//!
//! This crate uses `unsafe` to multiply strided views, to let threads write disjoint
//! parts of one buffer, to leave buffers uninitialised until they are written, and to
//! compile functions for several instruction sets. Its public interface is safe.
#![expect(
    unsafe_code,
    reason = "strided products, disjoint writes, buffers, instruction sets; see above"
)]

mod activations;
pub mod adamw;
pub mod attention;
pub mod bf16;
mod buffer;
pub mod cache;
pub mod decode;
mod disjoint;
mod feed_forward;
mod few_rows;
mod gemm_f32;
mod instruction_sets;
pub mod layer;
mod layer_config;
mod layer_weights;
pub mod layout;
pub mod log_prob;
pub mod matmul;
pub mod matrix;
pub mod norm;
mod number;
mod precision;
mod projections;
mod qkv;
mod rope;
pub mod simd;
pub mod stats;
mod sublayer;
#[cfg(test)]
mod test_values;
pub mod weight_forms;

pub use layer_config::{LayerConfig, NormPlacement, Positions};
pub use layer_weights::{LayerWeights, N_WEIGHTS};
pub use precision::Precision;
