//! A decoder layer for one new token in each of many rows, with their caches.

use rayon::prelude::*;

use crate::cache::{self, KeyValues};
use crate::feed_forward;
use crate::layer_config::LayerConfig;
use crate::matrix::{MatrixMut, Sum};
use crate::norm::rms_norm;
use crate::projections::{project, project_stacked};
use crate::rope::rotate;
use crate::stats::{KernelKind, timed};
use crate::weight_forms::ForwardWeights;

/// Keys and values of a row in one layer: those of the prompt, which several rows share,
/// and its own.
pub struct RowCache<'a> {
    /// Those of the prompt.
    pub prompt: &'a KeyValues,
    /// Those of the tokens after the prompt.
    pub own: &'a mut KeyValues,
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
    let mut qkv = project_stacked(config, &normed, &w.qkv, hidden);
    rotate(cos, sin, heads, &mut qkv);

    let mut attended = vec![0.0; n_rows * query_width];
    let key_width = heads.kv_heads * heads.head_dim;
    let lengths = caches.iter().map(|it| it.prompt.len() + it.own.len() + 1);
    let n_keys: usize = lengths.sum();
    let element_bytes = caches.first().map_or(0, |it| it.prompt.element_bytes());
    let flop = 4 * n_keys * query_width;
    let bytes = 2 * element_bytes * n_keys * key_width;
    timed(KernelKind::Attention, flop, bytes, || {
        attended
            .par_chunks_mut(query_width)
            .zip(qkv.par_chunks(width))
            .zip(caches)
            .for_each_init(Vec::new, |scores, ((out, qkv), cache)| {
                let (query, key_value) = qkv.split_at(query_width);
                let (key, value) = key_value.split_at(key_width);
                cache.own.push(key, value);
                cache::attend(
                    query,
                    heads.head_dim,
                    [cache.prompt, cache.own],
                    scores,
                    out,
                );
            });
    });
    let mut middle = x.to_vec();
    let out = MatrixMut::new(&mut middle, n_rows, hidden);
    project(config, &attended, w.output, query_width, out, Sum::Add);
    feed_forward::infer(config, &mut middle, w);
    middle
}
