//! A decoder layer for one new token in each of many rows, with their caches.

use rayon::prelude::*;

use crate::instruction_sets::for_each_instruction_set;
use crate::matrix::{MatrixMut, Sum};
use crate::norm::rms_norm;
use crate::projections::{ForwardWeights, LayerConfig, project, project_qkv};
use crate::simd::{exp, maximum_of, sum_of, sum_of_products};
use crate::stats::{KernelKind, timed};
use crate::{feed_forward, layer};

/// Keys and values of a row in one layer: those of the prompt, which several rows share,
/// and its own, `[tokens, kv_heads · head_dim]` each.
pub struct RowCache<'a> {
    /// Keys of the prompt.
    pub prompt_keys: &'a [f32],
    /// Values of the prompt.
    pub prompt_values: &'a [f32],
    /// Keys of the tokens after the prompt.
    pub own_keys: &'a mut Vec<f32>,
    /// Values of the tokens after the prompt.
    pub own_values: &'a mut Vec<f32>,
}

impl RowCache<'_> {
    fn n_keys(&self, key_width: usize) -> usize {
        (self.prompt_keys.len() + self.own_keys.len()) / key_width
    }
}

/// Returns the layer's output, and adds the new token's key and value to each
/// row's cache.
///
/// # Shapes
///
/// - `x` and the result: `[rows, hidden]`
/// - `cos`, `sin`: `[rows, head_dim / 2]`
/// - `caches`: one per row
pub fn step(
    config: &LayerConfig,
    w: &ForwardWeights<'_>,
    x: &[f32],
    cos: &[f32],
    sin: &[f32],
    caches: &mut [RowCache<'_>],
) -> Vec<f32> {
    let (hidden, heads, n_rows) = (config.hidden, config.heads, caches.len());
    let (width, query_width) = (heads.width(), heads.query_width());
    let normed = rms_norm(x, w.input_norm, config.rms_norm_eps);
    let mut qkv = project_qkv(config, &normed, w);
    layer::rotate(cos, sin, heads, &mut qkv, 1.0);

    let mut attended = vec![0.0; n_rows * query_width];
    let key_width = heads.kv_heads * heads.head_dim;
    let n_keys = caches
        .iter()
        .map(|cache| cache.n_keys(key_width) + 1)
        .sum::<usize>();
    let (flop, bytes) = (4 * n_keys * query_width, 8 * n_keys * key_width);
    timed(KernelKind::Attention, flop, bytes, || {
        attended
            .par_chunks_mut(query_width)
            .zip(qkv.par_chunks(width))
            .zip(caches)
            .for_each(|((out, qkv), cache)| {
                let (query, key_value) = qkv.split_at(query_width);
                let (key, value) = key_value.split_at(key_width);
                cache.own_keys.extend_from_slice(key);
                cache.own_values.extend_from_slice(value);
                let mut scores = vec![0.0; cache.n_keys(key_width)];
                let group = heads.group();
                for (head, out) in out.chunks_exact_mut(heads.head_dim).enumerate() {
                    let column = head / group * heads.head_dim;
                    attend(
                        &query[head * heads.head_dim..][..heads.head_dim],
                        [cache.prompt_keys, cache.own_keys],
                        [cache.prompt_values, cache.own_values],
                        [key_width, column],
                        &mut scores,
                        out,
                    );
                }
            });
    });
    let mut middle = x.to_vec();
    let out = MatrixMut::new(&mut middle, n_rows, hidden);
    project(config, &attended, w.output, query_width, out, Sum::Add);
    let (out, _) = feed_forward::forward(config, middle.clone(), &middle, w);
    out
}

for_each_instruction_set! {
    /// Writes the attention of one query head over two runs of keys and values. `place`
    /// is `[stride, column]`: rows are `stride` elements apart, and the head begins at
    /// `column`. `scores` is scratch space.
    ///
    /// # Shapes
    ///
    /// - `query`, `out`: `[head_dim]`
    /// - `keys`, `values`: `[tokens, stride]` each
    /// - `scores`: at least the tokens of both runs
    fn attend(
        query: &[f32],
        keys: [&[f32]; 2],
        values: [&[f32]; 2],
        place: [usize; 2],
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let ([stride, column], head_dim) = (place, query.len());
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut n = 0;
        for part in keys {
            for key in part.chunks_exact(stride) {
                scores[n] = sum_of_products(query, &key[column..column + head_dim]) * scale;
                n += 1;
            }
        }
        let scores = &mut scores[..n];
        let maximum = maximum_of(scores);
        for score in scores.iter_mut() {
            *score = exp(*score - maximum);
        }
        let inverse = 1.0 / sum_of(scores);
        out.fill(0.0);
        let mut n = 0;
        for part in values {
            for value in part.chunks_exact(stride) {
                let weight = scores[n] * inverse;
                for (out, value) in out.iter_mut().zip(&value[column..column + head_dim]) {
                    *out = value.mul_add(weight, *out);
                }
                n += 1;
            }
        }
    }
}
