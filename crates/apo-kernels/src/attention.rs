//! Causal attention over prompt trees, forward and backward.
//!
//! `qkv` is `[tokens, (heads + 2 · kv_heads) · head_dim]`: a row holds its
//! queries, keys and values, already rotated. The heads that share a key head
//! lie side by side, so that a block of queries is one matrix
//! `[block · group, head_dim]` against that head's keys.

use std::ops::Range;

use rayon::prelude::*;

use super::gemm_f32;
use super::matrix::{Matrix, MatrixMut, Sum, Threads};
use super::shared::Disjoint;
use super::{Buffer, simd};
use crate::layout::{Layout, Segment};
use crate::stats::{KernelKind, timed};

/// Query rows of a block.
const BLOCK: usize = 64;

/// Sizes of the attention of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

impl Heads {
    /// Query heads that share one key head.
    pub fn group(self) -> usize {
        self.heads / self.kv_heads
    }

    /// Width of a row of `qkv`.
    pub fn width(self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Width of all queries of a row, and of the output.
    pub fn query_width(self) -> usize {
        self.heads * self.head_dim
    }

    fn group_width(self) -> usize {
        self.group() * self.head_dim
    }

    fn key_column(self, kv_head: usize) -> usize {
        (self.heads + kv_head) * self.head_dim
    }

    fn value_column(self, kv_head: usize) -> usize {
        (self.heads + self.kv_heads + kv_head) * self.head_dim
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// A block of query rows of one segment.
struct Block<'a> {
    segment: &'a Segment,
    rows: Range<usize>,
}

impl Block<'_> {
    /// The row ranges of the keys that the block sees: the prompt's, then its own.
    fn key_ranges(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let own = self.segment.rows.start..self.rows.end;
        self.segment.prompt.clone().into_iter().chain([own])
    }

    fn n_keys(&self) -> usize {
        self.key_ranges().map(|range| range.len()).sum()
    }

    /// Keys that row `i` of the block sees; the others lie in its future.
    fn visible(&self, i: usize) -> usize {
        let context = self.segment.prompt.as_ref().map_or(0, Range::len);
        context + (self.rows.start + i - self.segment.rows.start) + 1
    }
}

fn blocks(segments: &[Segment]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    for segment in segments {
        let mut start = segment.rows.start;
        while start < segment.rows.end {
            let end = (start + BLOCK).min(segment.rows.end);
            blocks.push(Block {
                segment,
                rows: start..end,
            });
            start = end;
        }
    }
    blocks
}

/// Keys or values of one key head: `[range, head_dim]`.
fn columns<'a>(qkv: &'a [f32], heads: Heads, range: &Range<usize>, column: usize) -> Matrix<'a> {
    let width = heads.width();
    Matrix::with_stride(
        &qkv[range.start * width + column..],
        range.len(),
        heads.head_dim,
        width,
    )
}

/// Buffers that a thread reuses from block to block.
#[derive(Default)]
struct Scratch {
    query: Vec<f32>,
    prob: Vec<f32>,
    dprob: Vec<f32>,
    out: Vec<f32>,
}

fn resized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len, 0.0);
    &mut buffer[..len]
}

/// Writes the block's attention probabilities, `[rows · group, keys]`, and its
/// scaled queries, `[rows · group, head_dim]`.
fn probabilities(
    qkv: &[f32],
    heads: Heads,
    block: &Block<'_>,
    kv_head: usize,
    query: &mut [f32],
    prob: &mut [f32],
) {
    let (width, group_width) = (heads.width(), heads.group_width());
    let n_keys = block.n_keys();
    for (i, query) in query.chunks_exact_mut(group_width).enumerate() {
        let at = (block.rows.start + i) * width + kv_head * group_width;
        simd::scale_into(query, &qkv[at..at + group_width], heads.scale());
    }
    let n_queries = block.rows.len() * heads.group();
    let mut offset = 0;
    for range in block.key_ranges() {
        gemm_f32::multiply(
            MatrixMut::with_stride(&mut prob[offset..], n_queries, range.len(), n_keys),
            Matrix::new(query, n_queries, heads.head_dim),
            columns(qkv, heads, &range, heads.key_column(kv_head)).transposed(),
            Sum::Replace,
            Threads::This,
        );
        offset += range.len();
    }
    for (i, row) in prob.chunks_exact_mut(n_keys).enumerate() {
        let (seen, future) = row.split_at_mut(block.visible(i / heads.group()));
        simd::softmax(seen);
        future.fill(0.0);
    }
}

/// Returns the number of multiplications in one product of a layer's attention, which
/// is the same for scores and for sums of values. Masked keys do not count.
fn n_products(layout: &Layout, heads: Heads) -> usize {
    let keys = layout.segments.iter().map(|segment| {
        let (own, prompt) = (
            segment.rows.len(),
            segment.prompt.as_ref().map_or(0, Range::len),
        );
        own * prompt + own * (own + 1) / 2
    });
    keys.sum::<usize>() * heads.query_width()
}

/// Checks that ranges follow each other from 0 to `n`, so that each row is in
/// exactly one of them.
fn check_rows<'a>(ranges: impl Iterator<Item = &'a Range<usize>>, n: usize) {
    let mut end = 0;
    for range in ranges {
        assert!(
            range.start == end && range.end >= end,
            "rows follow each other"
        );
        end = range.end;
    }
    assert_eq!(end, n, "each row is in one range");
}

/// Returns the attention output.
///
/// # Shapes
///
/// - `qkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
/// - result: `[tokens, heads · head_dim]`
pub fn forward(layout: &Layout, heads: Heads, qkv: &[f32]) -> Vec<f32> {
    let tokens = qkv.len() / heads.width();
    let (flop, bytes) = (
        4 * n_products(layout, heads),
        4 * (qkv.len() + tokens * heads.query_width()),
    );
    timed(KernelKind::Attention, flop, bytes, || {
        attend(layout, heads, qkv)
    })
}

fn attend(layout: &Layout, heads: Heads, qkv: &[f32]) -> Vec<f32> {
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
            let n_queries = block.rows.len() * heads.group();
            let n_keys = block.n_keys();
            let query = resized(&mut scratch.query, n_queries * heads.head_dim);
            let prob = resized(&mut scratch.prob, n_queries * n_keys);
            probabilities(qkv, heads, block, kv_head, query, prob);
            let result = resized(&mut scratch.out, n_queries * heads.head_dim);
            let (mut offset, mut sum) = (0, Sum::Replace);
            for range in block.key_ranges() {
                gemm_f32::multiply(
                    MatrixMut::new(result, n_queries, heads.head_dim),
                    Matrix::with_stride(&prob[offset..], n_queries, range.len(), n_keys),
                    columns(qkv, heads, &range, heads.value_column(kv_head)),
                    sum,
                    Threads::This,
                );
                offset += range.len();
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

/// Returns the gradient of `qkv` from the output and its gradient. It computes the
/// probabilities again instead of keeping them.
///
/// # Shapes
///
/// - `qkv` and the result: `[tokens, (heads + 2 · kv_heads) · head_dim]`
/// - the output and its gradient: `[tokens, heads · head_dim]`
pub fn backward(layout: &Layout, heads: Heads, qkv: &[f32], out: &[f32], dout: &[f32]) -> Vec<f32> {
    let flop = 10 * n_products(layout, heads);
    let bytes = 4 * (qkv.len() + out.len() + dout.len() + qkv.len());
    timed(KernelKind::Attention, flop, bytes, || {
        attend_backward(layout, heads, qkv, out, dout)
    })
}

fn attend_backward(
    layout: &Layout,
    heads: Heads,
    qkv: &[f32],
    out: &[f32],
    dout: &[f32],
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
            for block in &by_tree[tree] {
                let part = Part {
                    heads,
                    qkv,
                    out,
                    dout,
                    kv_head,
                    first_row: rows.start,
                };
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
    heads: Heads,
    qkv: &'a [f32],
    out: &'a [f32],
    dout: &'a [f32],
    kv_head: usize,
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
        let Self {
            heads,
            qkv,
            kv_head,
            ..
        } = *self;
        let (head_dim, group_width) = (heads.head_dim, heads.group_width());
        let n_queries = block.rows.len() * heads.group();
        let n_keys = block.n_keys();
        let query = resized(&mut scratch.query, n_queries * head_dim);
        let prob = resized(&mut scratch.prob, n_queries * n_keys);
        probabilities(qkv, heads, block, kv_head, query, prob);
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
        let Self {
            heads,
            qkv,
            kv_head,
            ..
        } = *self;
        let (head_dim, n_keys) = (heads.head_dim, block.n_keys());
        let n_queries = block.rows.len() * heads.group();
        let mut offset = 0;
        for range in block.key_ranges() {
            let at = (range.start - self.first_row) * head_dim;
            gemm_f32::multiply(
                MatrixMut::with_stride(&mut dprob[offset..], n_queries, range.len(), n_keys),
                Matrix::new(d, n_queries, head_dim),
                columns(qkv, heads, &range, heads.value_column(kv_head)).transposed(),
                Sum::Replace,
                Threads::This,
            );
            gemm_f32::multiply(
                MatrixMut::new(&mut dvalue[at..], range.len(), head_dim),
                Matrix::with_stride(&prob[offset..], n_queries, range.len(), n_keys).transposed(),
                Matrix::new(d, n_queries, head_dim),
                Sum::Add,
                Threads::This,
            );
            offset += range.len();
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
        let Self {
            heads,
            qkv,
            kv_head,
            ..
        } = *self;
        let (head_dim, n_keys) = (heads.head_dim, block.n_keys());
        let n_queries = block.rows.len() * heads.group();
        let (mut offset, mut sum) = (0, Sum::Replace);
        for range in block.key_ranges() {
            let at = (range.start - self.first_row) * head_dim;
            let dscore = Matrix::with_stride(&dscores[offset..], n_queries, range.len(), n_keys);
            gemm_f32::multiply(
                MatrixMut::new(d, n_queries, head_dim),
                dscore,
                columns(qkv, heads, &range, heads.key_column(kv_head)),
                sum,
                Threads::This,
            );
            gemm_f32::multiply(
                MatrixMut::new(&mut dkey[at..], range.len(), head_dim),
                dscore.transposed(),
                Matrix::new(query, n_queries, head_dim), // scaled already
                Sum::Add,
                Threads::This,
            );
            offset += range.len();
            sum = Sum::Add;
        }
    }

    /// The row's part of this key head in `[tokens, heads · head_dim]`.
    fn output_part<'b>(&self, of: &'b [f32], row: usize) -> &'b [f32] {
        let at = row * self.heads.query_width() + self.kv_head * self.heads.group_width();
        &of[at..at + self.heads.group_width()]
    }
}
