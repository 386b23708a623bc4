//! What both passes share: the sizes of the heads, blocks of query rows, and the
//! probabilities of a block.

use std::ops::Range;

use crate::layout::{Layout, Segment};
use crate::matmul::multiply_on_this_thread;
use crate::matrix::{Matrix, MatrixMut, Sum};
use crate::precision::Precision;
use crate::simd;

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

    pub(super) fn group_width(self) -> usize {
        self.group() * self.head_dim
    }

    pub(super) fn key_column(self, kv_head: usize) -> usize {
        (self.heads + kv_head) * self.head_dim
    }

    pub(super) fn value_column(self, kv_head: usize) -> usize {
        (self.heads + self.kv_heads + kv_head) * self.head_dim
    }

    pub(super) fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// A block of query rows of one segment.
pub(super) struct Block<'a> {
    pub(super) segment: &'a Segment,
    pub(super) rows: Range<usize>,
}

impl Block<'_> {
    /// The row ranges of the keys that the block sees, the prompt's, then its own,
    /// each with the number of keys before it.
    pub(super) fn key_ranges(&self) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let own = (self.n_prompt(), self.segment.rows.start..self.rows.end);
        let prompt = self.segment.prompt.clone().map(|rows| (0, rows));
        prompt.into_iter().chain([own])
    }

    pub(super) fn n_keys(&self) -> usize {
        self.key_ranges().map(|(_, range)| range.len()).sum()
    }

    fn n_prompt(&self) -> usize {
        self.segment.prompt.as_ref().map_or(0, Range::len)
    }

    /// Queries of one key head.
    pub(super) fn n_queries(&self, heads: Heads) -> usize {
        self.rows.len() * heads.group()
    }

    /// Keys that row `i` of the block sees; the others lie in its future.
    fn visible(&self, i: usize) -> usize {
        self.n_prompt() + (self.rows.start + i - self.segment.rows.start) + 1
    }
}

pub(super) fn blocks(segments: &[Segment]) -> Vec<Block<'_>> {
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

/// Buffers that a thread reuses from block to block.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) query: Vec<f32>,
    pub(super) prob: Vec<f32>,
    pub(super) dprob: Vec<f32>,
    pub(super) out: Vec<f32>,
}

pub(super) fn resized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len, 0.0);
    &mut buffer[..len]
}

/// One key head, and the query heads that share it.
pub(super) struct KeyHead<'a> {
    pub(super) heads: Heads,
    pub(super) qkv: &'a [f32],
    pub(super) kv_head: usize,
    pub(super) precision: Precision,
}

impl<'a> KeyHead<'a> {
    /// The keys of these rows: `[range, head_dim]`.
    pub(super) fn keys(&self, range: &Range<usize>) -> Matrix<'a> {
        self.columns(range, self.heads.key_column(self.kv_head))
    }

    /// The values of these rows: `[range, head_dim]`.
    pub(super) fn values(&self, range: &Range<usize>) -> Matrix<'a> {
        self.columns(range, self.heads.value_column(self.kv_head))
    }

    fn columns(&self, range: &Range<usize>, column: usize) -> Matrix<'a> {
        let width = self.heads.width();
        Matrix::with_stride(
            &self.qkv[range.start * width + column..],
            range.len(),
            self.heads.head_dim,
            width,
        )
    }

    /// Writes the block's attention probabilities, `[rows · group, keys]`, and its
    /// scaled queries, `[rows · group, head_dim]`.
    pub(super) fn probabilities(&self, block: &Block<'_>, query: &mut [f32], prob: &mut [f32]) {
        let Self {
            heads,
            qkv,
            kv_head,
            precision,
        } = *self;
        let (width, group_width) = (heads.width(), heads.group_width());
        let (n_queries, n_keys) = (block.n_queries(heads), block.n_keys());
        for (i, query) in query.chunks_exact_mut(group_width).enumerate() {
            let at = (block.rows.start + i) * width + kv_head * group_width;
            simd::scale_into(query, &qkv[at..at + group_width], heads.scale());
        }
        for (offset, range) in block.key_ranges() {
            multiply_on_this_thread(
                MatrixMut::with_stride(&mut prob[offset..], n_queries, range.len(), n_keys),
                Matrix::new(query, n_queries, heads.head_dim),
                self.keys(&range).transposed(),
                Sum::Replace,
                precision,
            );
        }
        for (i, row) in prob.chunks_exact_mut(n_keys).enumerate() {
            let (seen, future) = row.split_at_mut(block.visible(i / heads.group()));
            simd::softmax(seen);
            future.fill(0.0);
        }
    }
}

/// Returns the number of multiplications in one product of a layer's attention, which
/// is the same for scores and for sums of values. Masked keys do not count.
pub(super) fn n_products(layout: &Layout, heads: Heads) -> usize {
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
pub(super) fn check_rows<'a>(ranges: impl Iterator<Item = &'a Range<usize>>, n: usize) {
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
