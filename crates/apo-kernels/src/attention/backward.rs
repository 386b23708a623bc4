//! The gradients of attention.

use rayon::prelude::*;

use super::block::{Block, Heads, KeyHead, Scratch, blocks, check_rows, n_products, resized};
use crate::buffer::Buffer;
use crate::disjoint::Disjoint;
use crate::layout::Layout;
use crate::matmul::multiply_on_this_thread;
use crate::matrix::{Matrix, MatrixMut, Sum};
use crate::precision::Precision;
use crate::simd;
use crate::stats::{KernelKind, timed};

/// Returns the gradient of `qkv` from the output and its gradient. It computes the
/// probabilities again instead of keeping them. Products round as in
/// [`forward`](fn@super::forward).
///
/// # Shapes
///
/// - `qkv` and the result: `[tokens, (heads + 2 · kv_heads) · head_dim]`
/// - the output and its gradient: `[tokens, heads · head_dim]`
pub fn backward(
    layout: &Layout,
    heads: Heads,
    qkv: &[f32],
    out: &[f32],
    dout: &[f32],
    precision: Precision,
) -> Vec<f32> {
    let flop = 10 * n_products(layout, heads);
    let bytes = 4 * (qkv.len() + out.len() + dout.len() + qkv.len());
    timed(KernelKind::Attention, flop, bytes, || {
        attend_backward(layout, heads, qkv, out, dout, precision)
    })
}

fn attend_backward(
    layout: &Layout,
    heads: Heads,
    qkv: &[f32],
    out: &[f32],
    dout: &[f32],
    precision: Precision,
) -> Vec<f32> {
    let tokens = qkv.len() / heads.width();
    check_rows(layout.segments.iter().map(|it| &it.rows), tokens);
    check_rows(layout.trees.iter(), tokens);
    assert_eq!(
        heads.heads,
        heads.group() * heads.kv_heads,
        "groups are whole"
    );
    let blocks = blocks(&layout.segments);
    let mut by_tree: Vec<Vec<&Block<'_>>> = layout.trees.iter().map(|_| Vec::new()).collect();
    for block in &blocks {
        by_tree[block.segment.tree].push(block);
    }
    let mut buffer = Buffer::new(tokens * heads.width());
    let dqkv = &Disjoint::new(buffer.parts());
    // A task is one key head of one tree, so no other task adds to the gradients of
    // these keys and values.
    (0..layout.trees.len() * heads.kv_heads)
        .into_par_iter()
        .for_each_init(Scratch::default, |scratch, task| {
            let (tree, kv_head) = (task / heads.kv_heads, task % heads.kv_heads);
            let rows = layout.trees[tree].clone();
            let mut dkey = vec![0.0; rows.len() * heads.head_dim];
            let mut dvalue = vec![0.0; rows.len() * heads.head_dim];
            let part = Part {
                key_head: KeyHead {
                    heads,
                    qkv,
                    kv_head,
                    precision,
                },
                out,
                dout,
                first_row: rows.start,
            };
            for block in &by_tree[tree] {
                part.backward(block, scratch, &mut dkey, &mut dvalue, dqkv);
            }
            let (width, head_dim) = (heads.width(), heads.head_dim);
            for (i, row) in rows.enumerate() {
                let from = i * head_dim..(i + 1) * head_dim;
                for (column, d) in [
                    (heads.key_column(kv_head), &dkey[from.clone()]),
                    (heads.value_column(kv_head), &dvalue[from]),
                ] {
                    let at = row * width + column;
                    // SAFETY: a task owns its key head's columns of its tree.
                    let part = unsafe { dqkv.part_mut(at, head_dim) };
                    part.write_copy_of_slice(d);
                }
            }
        });
    // SAFETY: each row is in one block, which writes its queries, and in one tree,
    // which writes its keys and values, for each key head.
    unsafe { buffer.assume_init() }
}

/// One key head of one tree in the backward pass.
struct Part<'a> {
    key_head: KeyHead<'a>,
    out: &'a [f32],
    dout: &'a [f32],
    first_row: usize,
}

impl Part<'_> {
    fn backward(
        &self,
        block: &Block<'_>,
        scratch: &mut Scratch,
        dkey: &mut [f32],
        dvalue: &mut [f32],
        dqkv: &Disjoint<'_>,
    ) {
        let KeyHead { heads, kv_head, .. } = self.key_head;
        let (head_dim, group_width) = (heads.head_dim, heads.group_width());
        let (n_queries, n_keys) = (block.n_queries(heads), block.n_keys());
        let query = resized(&mut scratch.query, n_queries * head_dim);
        let prob = resized(&mut scratch.prob, n_queries * n_keys);
        self.key_head.probabilities(block, query, prob);
        let dprob = resized(&mut scratch.dprob, n_queries * n_keys);
        let d = resized(&mut scratch.out, n_queries * head_dim);
        for (i, d) in d.chunks_exact_mut(group_width).enumerate() {
            d.copy_from_slice(self.output_part(self.dout, block.rows.start + i));
        }

        self.score_gradients(block, prob, d, dprob, dvalue);
        self.query_and_key_gradients(block, query, dprob, d, dkey);
        simd::scale(d, heads.scale());
        for (i, d) in d.chunks_exact(group_width).enumerate() {
            let at = (block.rows.start + i) * heads.width() + kv_head * group_width;
            // SAFETY: a task owns the columns of its key head's queries in its
            // blocks.
            let part = unsafe { dqkv.part_mut(at, group_width) };
            part.write_copy_of_slice(d);
        }
    }

    /// Turns `dprob` into the gradient of the scores, from the gradient `d` of the
    /// output, and adds to that of the values.
    ///
    /// # Shapes
    ///
    /// - `prob`, `dprob`: `[rows · group, keys]`
    /// - `d`: `[rows · group, head_dim]`
    /// - `dvalue`: `[tree's rows, head_dim]`
    fn score_gradients(
        &self,
        block: &Block<'_>,
        prob: &[f32],
        d: &[f32],
        dprob: &mut [f32],
        dvalue: &mut [f32],
    ) {
        let (heads, head_dim) = (self.key_head.heads, self.key_head.heads.head_dim);
        let (n_queries, n_keys) = (block.n_queries(heads), block.n_keys());
        for (offset, range) in block.key_ranges() {
            let at = (range.start - self.first_row) * head_dim;
            multiply_on_this_thread(
                MatrixMut::with_stride(&mut dprob[offset..], n_queries, range.len(), n_keys),
                Matrix::new(d, n_queries, head_dim),
                self.key_head.values(&range).transposed(),
                Sum::Replace,
                self.key_head.precision,
            );
            multiply_on_this_thread(
                MatrixMut::new(&mut dvalue[at..], range.len(), head_dim),
                Matrix::with_stride(&prob[offset..], n_queries, range.len(), n_keys).transposed(),
                Matrix::new(d, n_queries, head_dim),
                Sum::Add,
                self.key_head.precision,
            );
        }
        for i in 0..n_queries {
            // Σ prob · dprob of a row is its output times its gradient.
            let (row, head) = (block.rows.start + i / heads.group(), i % heads.group());
            let part = head * head_dim..(head + 1) * head_dim;
            let along = simd::dot(
                &self.output_part(self.out, row)[part.clone()],
                &self.output_part(self.dout, row)[part],
            );
            let keys = i * n_keys..(i + 1) * n_keys;
            simd::softmax_backward(&prob[keys.clone()], &mut dprob[keys], along);
        }
    }

    /// Writes the gradient of the scaled queries to `d`, and adds to that of the
    /// keys.
    ///
    /// # Shapes
    ///
    /// - `query`, `d`: `[rows · group, head_dim]`
    /// - `dscores`: `[rows · group, keys]`
    /// - `dkey`: `[tree's rows, head_dim]`
    fn query_and_key_gradients(
        &self,
        block: &Block<'_>,
        query: &[f32],
        dscores: &[f32],
        d: &mut [f32],
        dkey: &mut [f32],
    ) {
        let (heads, head_dim) = (self.key_head.heads, self.key_head.heads.head_dim);
        let (n_queries, n_keys) = (block.n_queries(heads), block.n_keys());
        let mut sum = Sum::Replace;
        for (offset, range) in block.key_ranges() {
            let at = (range.start - self.first_row) * head_dim;
            let dscore = Matrix::with_stride(&dscores[offset..], n_queries, range.len(), n_keys);
            multiply_on_this_thread(
                MatrixMut::new(d, n_queries, head_dim),
                dscore,
                self.key_head.keys(&range),
                sum,
                self.key_head.precision,
            );
            multiply_on_this_thread(
                MatrixMut::new(&mut dkey[at..], range.len(), head_dim),
                dscore.transposed(),
                Matrix::new(query, n_queries, head_dim), // scaled already
                Sum::Add,
                self.key_head.precision,
            );
            sum = Sum::Add;
        }
    }

    /// The row's part of this key head in `[tokens, heads · head_dim]`.
    fn output_part<'b>(&self, of: &'b [f32], row: usize) -> &'b [f32] {
        let KeyHead { heads, kv_head, .. } = self.key_head;
        let group_width = heads.group_width();
        let at = row * heads.query_width() + kv_head * group_width;
        &of[at..at + group_width]
    }
}
