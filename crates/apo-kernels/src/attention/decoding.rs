//! Attention of new tokens over the keys and values of the tokens so far.

use crate::cache::{BLOCK, KeyValues, Numbers, Tokens};
use crate::instruction_sets::for_each_instruction_set;
use crate::number::Number;
use crate::simd::{LANES, softmax};

/// Elements of an output that are summed together.
const PART: usize = 32;

/// A new token: its query heads that share one key head, and what they attend to besides
/// the prompt.
pub(crate) struct NewToken<'a> {
    /// `[group · head_dim]`
    pub(crate) query: &'a [f32],
    /// The tokens after the prompt, the new one among them.
    pub(crate) own: &'a KeyValues,
    /// Where the output goes, `[group · head_dim]`.
    pub(crate) out: &'a mut [f32],
}

/// The part of keys and values that is one head's.
#[derive(Clone, Copy)]
pub(crate) struct HeadPart {
    /// Where it begins in a token's row.
    pub(crate) column: usize,
    pub(crate) head_dim: usize,
}

/// Writes the attention of new tokens over a prompt that they share, whose keys and values
/// are read once for all of them, and over what each has of its own. `scores` is scratch
/// space. An output does not depend on the other tokens.
///
/// # Panics
///
/// When the keys and values differ in precision.
pub(crate) fn attend(
    prompt: &KeyValues,
    head: HeadPart,
    tokens: &mut [NewToken<'_>],
    scores: &mut Vec<f32>,
) {
    const ONE_PRECISION: &str = "keys and values of one precision";
    match &prompt.0 {
        Numbers::F32(prompt) => {
            let own = tokens.iter().map(|token| match &token.own.0 {
                Numbers::F32(own) => own,
                Numbers::Bf16(_) => panic!("{ONE_PRECISION}"),
            });
            let own: Vec<_> = own.collect();
            attend_f32(prompt, &own, head, tokens, scores);
        }
        Numbers::Bf16(prompt) => {
            let own = tokens.iter().map(|token| match &token.own.0 {
                Numbers::Bf16(own) => own,
                Numbers::F32(_) => panic!("{ONE_PRECISION}"),
            });
            let own: Vec<_> = own.collect();
            attend_bf16(prompt, &own, head, tokens, scores);
        }
    }
}

for_each_instruction_set! {
    /// [`attend`] in f32.
    fn attend_f32(
        prompt: &Tokens<f32>,
        own: &[&Tokens<f32>],
        head: HeadPart,
        tokens: &mut [NewToken<'_>],
        scores: &mut Vec<f32>,
    ) {
        attend_in(prompt, own, head, tokens, scores);
    }

    /// [`attend`] with keys and values in bf16.
    fn attend_bf16(
        prompt: &Tokens<u16>,
        own: &[&Tokens<u16>],
        head: HeadPart,
        tokens: &mut [NewToken<'_>],
        scores: &mut Vec<f32>,
    ) {
        attend_in(prompt, own, head, tokens, scores);
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn attend_in<T: Number>(
    prompt: &Tokens<T>,
    own: &[&Tokens<T>],
    head: HeadPart,
    tokens: &mut [NewToken<'_>],
    scores: &mut Vec<f32>,
) {
    let longest = own.iter().map(|it| it.len).max().unwrap_or(0);
    let stride = prompt.len + longest;
    let mut queries = Vec::new();
    let mut outs = Vec::new();
    for token in tokens {
        queries.extend(token.query.chunks_exact(head.head_dim));
        token.out.fill(0.0);
        outs.extend(token.out.chunks_exact_mut(head.head_dim));
    }
    let group = queries.len() / own.len().max(1);
    scores.clear();
    scores.resize(queries.len() * stride, 0.0);
    write_scores(prompt, head, &queries, scores, stride);
    for (i, own) in own.iter().enumerate() {
        let heads = i * group..(i + 1) * group;
        let scores = &mut scores[heads.start * stride..heads.end * stride];
        write_scores(
            own,
            head,
            &queries[heads],
            &mut scores[prompt.len..],
            stride,
        );
        for scores in scores.chunks_exact_mut(stride) {
            softmax(&mut scores[..prompt.len + own.len]);
        }
    }
    add_values(prompt, head, &mut outs, scores, stride);
    for (i, own) in own.iter().enumerate() {
        let heads = i * group..(i + 1) * group;
        let scores = &scores[heads.start * stride + prompt.len..];
        add_values(own, head, &mut outs[heads], scores, stride);
    }
}

/// Calls `$function` with the number of `$items`, at most [`QUERIES`], as a constant, so
/// that its loops unroll.
macro_rules! in_fours {
    ($items:expr, $function:ident($($arg:expr),*)) => {
        match $items.len() {
            1 => $function::<T, 1>($($arg),*),
            2 => $function::<T, 2>($($arg),*),
            3 => $function::<T, 3>($($arg),*),
            _ => $function::<T, QUERIES>($($arg),*),
        }
    };
}

/// Most queries that read a block of keys or values together.
const QUERIES: usize = 4;

/// Writes the scores of queries for some tokens' keys.
///
/// # Shapes
///
/// - `queries`: `[head_dim]` each
/// - `scores`: `[queries, stride]`, the first elements of each row
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn write_scores<T: Number>(
    tokens: &Tokens<T>,
    head: HeadPart,
    queries: &[&[f32]],
    scores: &mut [f32],
    stride: usize,
) {
    let scale = 1.0 / (head.head_dim as f32).sqrt();
    let blocks = tokens.keys.chunks_exact(tokens.width * BLOCK);
    for (i, block) in blocks.enumerate() {
        let keys = &block[head.column * BLOCK..(head.column + head.head_dim) * BLOCK];
        let first = i * BLOCK;
        let n = BLOCK.min(tokens.len - first);
        for (part, queries) in queries.chunks(QUERIES).enumerate() {
            let at = part * QUERIES * stride + first;
            in_fours!(
                queries,
                write_block(queries, keys, scale, &mut scores[at..], [stride, n])
            );
        }
    }
}

/// Writes the scores of `Q` queries for `n` keys of a block.
///
/// # Shapes
///
/// - `queries`: `[head_dim]` each
/// - `keys`: `[head_dim, BLOCK]`
/// - `scores`: `[Q, stride]`, the first elements of each row
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn write_block<T: Number, const Q: usize>(
    queries: &[&[f32]],
    keys: &[T],
    scale: f32,
    scores: &mut [f32],
    [stride, n]: [usize; 2],
) {
    let queries = std::array::from_fn(|i| queries[i]);
    for (i, sums) in sums_of_products::<T, Q>(queries, keys).iter().enumerate() {
        for (score, sum) in scores[i * stride..][..n].iter_mut().zip(sums) {
            *score = sum * scale;
        }
    }
}

/// Returns `Σ query · key` for each query and each key of a block. It is summed in the
/// order of [`dot`](crate::simd::dot).
///
/// # Shapes
///
/// - `queries`: `[head_dim]` each
/// - `keys`: `[head_dim, BLOCK]`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn sums_of_products<T: Number, const Q: usize>(
    queries: [&[f32]; Q],
    keys: &[T],
) -> [[f32; BLOCK]; Q] {
    let (keys, _) = keys.as_chunks::<BLOCK>();
    let queries = queries.map(|query| &query[..keys.len()]);
    let whole = keys.len() / LANES * LANES;
    let mut sums = [[0.0; BLOCK]; Q];
    for lane in 0..LANES.min(whole) {
        let mut products = [[0.0_f32; BLOCK]; Q];
        for at in (lane..whole).step_by(LANES) {
            let key = keys[at].map(Number::value);
            for (products, query) in products.iter_mut().zip(&queries) {
                for i in 0..BLOCK {
                    products[i] = query[at].mul_add(key[i], products[i]);
                }
            }
        }
        for (sums, products) in sums.iter_mut().zip(&products) {
            for i in 0..BLOCK {
                sums[i] += products[i];
            }
        }
    }
    for at in whole..keys.len() {
        let key = keys[at].map(Number::value);
        for (sums, query) in sums.iter_mut().zip(&queries) {
            for i in 0..BLOCK {
                sums[i] += query[at] * key[i];
            }
        }
    }
    sums
}

/// Adds some tokens' values, each times its weight, to the output of each query.
///
/// # Shapes
///
/// - `outs`: `[head_dim]` each
/// - `weights`: `[queries, stride]`, the first elements of each row
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn add_values<T: Number>(
    tokens: &Tokens<T>,
    head: HeadPart,
    outs: &mut [&mut [f32]],
    weights: &[f32],
    stride: usize,
) {
    // A block of values is read for a few queries at a time, while it is in the caches.
    for (i, block) in tokens.values.chunks(tokens.width * BLOCK).enumerate() {
        for (part, outs) in outs.chunks_mut(QUERIES).enumerate() {
            let at = part * QUERIES * stride + i * BLOCK;
            in_fours!(
                outs,
                add_weighted(
                    outs,
                    &weights[at..],
                    stride,
                    block,
                    [tokens.width, head.column]
                )
            );
        }
    }
}

/// Adds rows of a block of values, each times its weight, to `Q` outputs. `place` is
/// `[width, column]`: a row has `width` elements, and the head begins at `column`.
///
/// # Shapes
///
/// - `outs`: `[head_dim]` each
/// - `weights`: `[Q, stride]`, the first elements of each row
/// - `values`: `[rows, width]`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn add_weighted<T: Number, const Q: usize>(
    outs: &mut [&mut [f32]],
    weights: &[f32],
    stride: usize,
    values: &[T],
    place: [usize; 2],
) {
    let [width, column] = place;
    let n = values.len() / width;
    let weights: [&[f32]; Q] = std::array::from_fn(|i| &weights[i * stride..][..n]);
    let head_dim = outs[0].len();
    let whole = head_dim / PART * PART;
    for first in (0..whole).step_by(PART) {
        let mut sums = [[0.0; PART]; Q];
        for (sums, out) in sums.iter_mut().zip(outs.iter()) {
            sums.copy_from_slice(&out[first..first + PART]);
        }
        for (token, row) in values.chunks_exact(width).enumerate() {
            let mut value = [0.0; PART];
            for (to, from) in value.iter_mut().zip(&row[column + first..][..PART]) {
                *to = from.value();
            }
            for (sums, weights) in sums.iter_mut().zip(&weights) {
                for i in 0..PART {
                    sums[i] = value[i].mul_add(weights[token], sums[i]);
                }
            }
        }
        for (sums, out) in sums.iter().zip(outs.iter_mut()) {
            out[first..first + PART].copy_from_slice(sums);
        }
    }
    for (token, row) in values.chunks_exact(width).enumerate() {
        let rest = &row[column + whole..column + head_dim];
        for (out, weights) in outs.iter_mut().zip(&weights) {
            for (to, value) in out[whole..].iter_mut().zip(rest) {
                *to = value.value().mul_add(weights[token], *to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::precision::Precision;
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
                let as_held = |x: &[f32]| match precision {
                    Precision::F32 => x.to_vec(),
                    Precision::Bf16 => {
                        let rounded = x.iter().map(|&x| half::bf16::from_f32(x).to_f32());
                        rounded.collect::<Vec<f32>>()
                    }
                };
                let run = |at: Range<usize>| {
                    let mut run = KeyValues::with_capacity(width, precision, 4);
                    for token in at {
                        let part = token * width..(token + 1) * width;
                        run.push(&keys[part.clone()], &held[part]);
                    }
                    run
                };
                // Tokens that share the prompt, and have 0, 1, ... tokens less.
                let [n_prompt, n_own] = lengths;
                let prompt = run(0..n_prompt);
                let own: Vec<KeyValues> = (0..n_own.min(3))
                    .map(|less| run(n_prompt..n - less))
                    .collect();
                let mut outs = vec![vec![7.0; query.len()]; own.len()];
                let mut scores = vec![7.0; 3];
                let group_width = heads / kv_heads * head_dim;
                for kv_head in 0..kv_heads {
                    let part = kv_head * group_width..(kv_head + 1) * group_width;
                    let tokens = own.iter().zip(&mut outs).map(|(own, out)| NewToken {
                        query: &query[part.clone()],
                        own,
                        out: &mut out[part.clone()],
                    });
                    let mut tokens: Vec<_> = tokens.collect();
                    let column = kv_head * head_dim;
                    attend(
                        &prompt,
                        HeadPart { column, head_dim },
                        &mut tokens,
                        &mut scores,
                    );
                }
                for (less, out) in outs.iter().enumerate() {
                    let upto = (n - less) * width;
                    let (keys, held) = (as_held(&keys[..upto]), as_held(&held[..upto]));
                    let expected = expected(&query, head_dim, &keys, &held, width);
                    assert_eq!(*out, expected, "{heads} heads of {head_dim}, {precision:?}");
                }
            }
        }
    }
}
