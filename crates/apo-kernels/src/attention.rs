//! Causal attention over prompt trees, forward and backward.
//!
//! `qkv` is `[tokens, (heads + 2 · kv_heads) · head_dim]`: a row holds its
//! queries, keys and values, already rotated. The heads that share a key head
//! lie side by side, so that a block of queries is one matrix
//! `[block · group, head_dim]` against that head's keys.

mod backward;
mod block;
mod decoding;
mod forward;

pub use backward::backward;
pub use block::Heads;
pub(crate) use decoding::{HeadPart, NewToken, attend};
pub use forward::forward;
