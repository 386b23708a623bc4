//! Keys and values of the tokens so far, as decoding reads them.

use crate::instruction_sets::for_each_instruction_set;
use crate::number::Number;
use crate::precision::Precision;
use crate::simd::{LANES, softmax};

/// Tokens whose keys lie side by side: their scores are computed together.
const BLOCK: usize = 16;

/// Elements of an output that are summed together.
const PART: usize = 32;

/// Keys and values of tokens that follow each other, in one layer. They are in f32, or in
/// bf16 where the operands of products are.
pub struct KeyValues(Numbers);

enum Numbers {
    F32(Tokens<f32>),
    Bf16(Tokens<u16>),
}

/// Keys and values in one type of number.
struct Tokens<T> {
    /// Number of tokens.
    len: usize,
    /// `kv_heads · head_dim`
    width: usize,
    /// `[blocks, kv_heads · head_dim, BLOCK]`; the last block is filled up.
    keys: Vec<T>,
    /// `[tokens, kv_heads · head_dim]`
    values: Vec<T>,
}

impl<T: Number> Tokens<T> {
    fn with_capacity(width: usize, tokens: usize) -> Self {
        Self {
            len: 0,
            width,
            keys: Vec::with_capacity(tokens.next_multiple_of(BLOCK) * width),
            values: Vec::with_capacity(tokens * width),
        }
    }

    fn push(&mut self, key: &[f32], value: &[f32]) {
        let lane = self.len % BLOCK;
        if lane == 0 {
            let len = self.keys.len() + self.width * BLOCK;
            self.keys.resize(len, T::default());
        }
        let block = self.keys.len() - self.width * BLOCK;
        let places = self.keys[block..].iter_mut().skip(lane).step_by(BLOCK);
        for (to, key) in places.zip(key) {
            *to = T::of(*key);
        }
        self.values.extend(value.iter().map(|it| T::of(*it)));
        self.len += 1;
    }
}

impl KeyValues {
    /// Makes room for `tokens` tokens with keys and values of `width` elements.
    pub fn with_capacity(width: usize, precision: Precision, tokens: usize) -> Self {
        Self(match precision {
            Precision::F32 => Numbers::F32(Tokens::with_capacity(width, tokens)),
            Precision::Bf16 => Numbers::Bf16(Tokens::with_capacity(width, tokens)),
        })
    }

    /// Adds a token.
    ///
    /// # Shapes
    ///
    /// - `key`, `value`: `[kv_heads · head_dim]`
    pub fn push(&mut self, key: &[f32], value: &[f32]) {
        match &mut self.0 {
            Numbers::F32(tokens) => tokens.push(key, value),
            Numbers::Bf16(tokens) => tokens.push(key, value),
        }
    }

    /// Returns the number of tokens.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Numbers::F32(tokens) => tokens.len,
            Numbers::Bf16(tokens) => tokens.len,
        }
    }

    /// Returns the bytes of an element.
    pub(crate) fn element_bytes(&self) -> usize {
        match &self.0 {
            Numbers::F32(_) => size_of::<f32>(),
            Numbers::Bf16(_) => size_of::<u16>(),
        }
    }
}

/// Writes the attention of a token's queries over two runs of keys and values. `scores` is
/// scratch space.
///
/// # Shapes
///
/// - `query`, `out`: `[heads · head_dim]`
///
/// # Panics
///
/// When the runs differ in precision.
pub(crate) fn attend(
    query: &[f32],
    head_dim: usize,
    runs: [&KeyValues; 2],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    match runs.map(|it| &it.0) {
        [Numbers::F32(a), Numbers::F32(b)] => attend_f32(query, head_dim, [a, b], scores, out),
        [Numbers::Bf16(a), Numbers::Bf16(b)] => attend_bf16(query, head_dim, [a, b], scores, out),
        _ => panic!("runs of one precision"),
    }
}

for_each_instruction_set! {
    /// [`attend`] in f32.
    fn attend_f32(
        query: &[f32],
        head_dim: usize,
        runs: [&Tokens<f32>; 2],
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        attend_in(query, head_dim, runs, scores, out);
    }

    /// [`attend`] with keys and values in bf16.
    fn attend_bf16(
        query: &[f32],
        head_dim: usize,
        runs: [&Tokens<u16>; 2],
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        attend_in(query, head_dim, runs, scores, out);
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn attend_in<T: Number>(
    query: &[f32],
    head_dim: usize,
    runs: [&Tokens<T>; 2],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let scale = 1.0 / (head_dim as f32).sqrt();
    let n = runs[0].len + runs[1].len;
    // Query heads that share keys and values.
    let group = query.len() / runs[0].width;
    scores.clear();
    scores.resize(group * n, 0.0);
    let heads = query.chunks_exact(group * head_dim);
    let heads = heads.zip(out.chunks_exact_mut(group * head_dim));
    for (kv_head, (query, out)) in heads.enumerate() {
        let column = kv_head * head_dim;
        let mut first = 0;
        for run in runs {
            let end = first + run.len;
            for block in run.keys.chunks_exact(run.width * BLOCK) {
                let keys = &block[column * BLOCK..(column + head_dim) * BLOCK];
                let after = end.min(first + BLOCK);
                for (head, query) in query.chunks_exact(head_dim).enumerate() {
                    let scores = scores[head * n + first..head * n + after].iter_mut();
                    for (score, product) in scores.zip(sums_of_products(query, keys)) {
                        *score = product * scale;
                    }
                }
                first = after;
            }
        }
        for scores in scores.chunks_exact_mut(n) {
            softmax(scores);
        }
        out.fill(0.0);
        let mut first = 0;
        for run in runs {
            // A block of values is read for one head after the other.
            for block in run.values.chunks(run.width * BLOCK) {
                let rows = block.len() / run.width;
                for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
                    let weights = &scores[head * n + first..][..rows];
                    add_weighted(out, weights, block, [run.width, column]);
                }
                first += rows;
            }
        }
    }
}

/// Returns `Σ query · key` for each key of a block. It is summed in the order of
/// [`dot`](crate::simd::dot).
///
/// # Shapes
///
/// - `query`: `[head_dim]`
/// - `keys`: `[head_dim, BLOCK]`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn sums_of_products<T: Number>(query: &[f32], keys: &[T]) -> [f32; BLOCK] {
    let whole = query.len() / LANES * LANES;
    let (keys, _) = keys.as_chunks::<BLOCK>();
    let mut sums = [0.0; BLOCK];
    for lane in 0..LANES.min(whole) {
        let mut products = [0.0_f32; BLOCK];
        for at in (lane..whole).step_by(LANES) {
            for i in 0..BLOCK {
                products[i] = query[at].mul_add(keys[at][i].value(), products[i]);
            }
        }
        for i in 0..BLOCK {
            sums[i] += products[i];
        }
    }
    for at in whole..query.len() {
        for i in 0..BLOCK {
            sums[i] += query[at] * keys[at][i].value();
        }
    }
    sums
}

/// Adds rows of a block of values, each times its weight, to `out`. `place` is
/// `[width, column]`: a row has `width` elements, and the head begins at `column`.
///
/// # Shapes
///
/// - `out`: `[head_dim]`
/// - `weights`: `[rows]`
/// - `values`: `[rows, width]`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn add_weighted<T: Number>(out: &mut [f32], weights: &[f32], values: &[T], place: [usize; 2]) {
    let [width, column] = place;
    let rows = || weights.iter().zip(values.chunks_exact(width));
    let (parts, rest) = out.as_chunks_mut::<PART>();
    let mut at = column;
    for part in parts {
        let mut sums = *part;
        for (weight, row) in rows() {
            let row = &row[at..at + PART];
            for i in 0..PART {
                sums[i] = row[i].value().mul_add(*weight, sums[i]);
            }
        }
        *part = sums;
        at += PART;
    }
    for (weight, row) in rows() {
        for (to, value) in rest.iter_mut().zip(&row[at..]) {
            *to = value.value().mul_add(*weight, *to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dot;
    use crate::test_values::values;

    /// Attention of one head after the other, token by token.
    fn expected(
        query: &[f32],
        head_dim: usize,
        keys: &[f32],
        values: &[f32],
        width: usize,
    ) -> Vec<f32> {
        let group = query.len() / width;
        let heads = query.chunks_exact(head_dim).enumerate();
        heads
            .flat_map(|(head, query)| {
                let columns = head / group * head_dim..(head / group + 1) * head_dim;
                let scale = 1.0 / (head_dim as f32).sqrt();
                let scores = keys.chunks_exact(width);
                let mut scores: Vec<f32> = scores
                    .map(|key| dot(query, &key[columns.clone()]) * scale)
                    .collect();
                softmax(&mut scores);
                let mut out = vec![0.0_f32; head_dim];
                for (weight, value) in scores.iter().zip(values.chunks_exact(width)) {
                    for (out, value) in out.iter_mut().zip(&value[columns.clone()]) {
                        *out = value.mul_add(*weight, *out);
                    }
                }
                out
            })
            .collect()
    }

    #[test]
    fn attention_over_blocks_is_that_over_tokens() {
        let sizes = [
            // Query heads, heads of keys, head_dim, tokens of both runs.
            ([3, 1, 64], [7, 30]),
            ([4, 2, 32], [16, 1]),
            ([2, 2, 40], [33, 16]),
            ([6, 2, 8], [0, 3]),
        ];
        for ([heads, kv_heads, head_dim], lengths) in sizes {
            let width = kv_heads * head_dim;
            let n: usize = lengths.iter().sum();
            let query = values(heads * head_dim, 1);
            let (keys, held) = (values(n * width, 2), values(n * width, 3));
            for precision in [Precision::F32, Precision::Bf16] {
                let as_held = |x: &Vec<f32>| match precision {
                    Precision::F32 => x.clone(),
                    Precision::Bf16 => {
                        let rounded = x.iter().map(|&x| half::bf16::from_f32(x).to_f32());
                        rounded.collect()
                    }
                };
                let mut tokens = keys.chunks_exact(width).zip(held.chunks_exact(width));
                let runs = lengths.map(|length| {
                    let mut run = KeyValues::with_capacity(width, precision, 4);
                    for (key, value) in tokens.by_ref().take(length) {
                        run.push(key, value);
                    }
                    assert_eq!(run.len(), length);
                    run
                });
                let mut out = vec![7.0; query.len()];
                let mut scores = vec![7.0; 3];
                attend(
                    &query,
                    head_dim,
                    [&runs[0], &runs[1]],
                    &mut scores,
                    &mut out,
                );
                let expected = expected(&query, head_dim, &as_held(&keys), &as_held(&held), width);
                assert_eq!(out, expected, "{heads} heads of {head_dim}, {precision:?}");
            }
        }
    }
}
