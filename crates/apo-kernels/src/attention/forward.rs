//! The output of attention.

use rayon::prelude::*;

use super::block::{Heads, KeyHead, Scratch, blocks, check_rows, n_products, resized};
use crate::buffer::Buffer;
use crate::disjoint::Disjoint;
use crate::layout::Layout;
use crate::matmul::multiply_on_this_thread;
use crate::matrix::{Matrix, MatrixMut, Sum};
use crate::precision::Precision;
use crate::stats::{KernelKind, timed};

/// Returns the attention output. In [`Precision::Bf16`], queries, keys, values and
/// probabilities are rounded for their products.
///
/// # Shapes
///
/// - `qkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
/// - result: `[tokens, heads · head_dim]`
pub fn forward(layout: &Layout, heads: Heads, qkv: &[f32], precision: Precision) -> Vec<f32> {
    let tokens = qkv.len() / heads.width();
    let (flop, bytes) = (
        4 * n_products(layout, heads),
        4 * (qkv.len() + tokens * heads.query_width()),
    );
    timed(KernelKind::Attention, flop, bytes, || {
        attend(layout, heads, qkv, precision)
    })
}

fn attend(layout: &Layout, heads: Heads, qkv: &[f32], precision: Precision) -> Vec<f32> {
    let (group_width, query_width) = (heads.group_width(), heads.query_width());
    let tokens = qkv.len() / heads.width();
    check_rows(layout.segments.iter().map(|it| &it.rows), tokens);
    assert_eq!(
        heads.heads,
        heads.group() * heads.kv_heads,
        "groups are whole"
    );
    let blocks = blocks(&layout.segments);
    let mut buffer = Buffer::new(tokens * query_width);
    let out = Disjoint::new(buffer.parts());
    (0..blocks.len() * heads.kv_heads)
        .into_par_iter()
        .for_each_init(Scratch::default, |scratch, task| {
            let (block, kv_head) = (&blocks[task / heads.kv_heads], task % heads.kv_heads);
            let key_head = KeyHead {
                heads,
                qkv,
                kv_head,
                precision,
            };
            let (n_queries, n_keys) = (block.n_queries(heads), block.n_keys());
            let query = resized(&mut scratch.query, n_queries * heads.head_dim);
            let prob = resized(&mut scratch.prob, n_queries * n_keys);
            key_head.probabilities(block, query, prob);
            let result = resized(&mut scratch.out, n_queries * heads.head_dim);
            let mut sum = Sum::Replace;
            for (offset, range) in block.key_ranges() {
                multiply_on_this_thread(
                    MatrixMut::new(result, n_queries, heads.head_dim),
                    Matrix::with_stride(&prob[offset..], n_queries, range.len(), n_keys),
                    key_head.values(&range),
                    sum,
                    precision,
                );
                sum = Sum::Add;
            }
            for (i, result) in result.chunks_exact(group_width).enumerate() {
                let at = (block.rows.start + i) * query_width + kv_head * group_width;
                // SAFETY: a task owns its rows' columns of its key head.
                let part = unsafe { out.part_mut(at, group_width) };
                part.write_copy_of_slice(result);
            }
        });
    // SAFETY: each row is in one block, which writes the columns of every key
    // head.
    unsafe { buffer.assume_init() }
}
