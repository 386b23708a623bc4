//! A decoder layer for one new token in each of many rows, with their caches.

use rayon::prelude::*;

use crate::attention::Heads;
use crate::attention::{self, HeadPart, NewToken};
use crate::cache::KeyValues;
use crate::feed_forward;
use crate::layer_config::LayerConfig;
use crate::matrix::{MatrixMut, Sum};
use crate::projections::{project, project_stacked};
use crate::qkv::{self, Keep};
use crate::stats::{KernelKind, timed};
use crate::sublayer;
use crate::weight_forms::ForwardWeights;

/// Keys and values of a row in one layer: those of the prompt, which several rows share,
/// and its own.
pub struct RowCache<'a> {
    /// Those of the prompt.
    pub prompt: &'a KeyValues,
    /// Those of the tokens after the prompt.
    pub own: &'a mut KeyValues,
}

/// Most rows of one prompt that one thread takes at a time.
const MOST_TOGETHER: usize = 8;

/// Returns the layer's output, and adds the new token's key and value to each
/// row's cache. Rows of one prompt that follow each other read its cache together.
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
    let mut out = x.to_vec();
    sublayer::add(config, w.attention_norm, &mut out, |input, sum| {
        let mut qkv = project_stacked(config, &input, &w.qkv, config.hidden);
        qkv::prepare(config, cos, sin, &w.heads, &mut qkv, Keep::Nothing);
        let attended = attend_all(config.heads, &qkv, caches);
        let sum = MatrixMut::new(sum, caches.len(), config.hidden);
        let width = config.heads.query_width();
        project(config, &attended, w.output, width, sum, Sum::Add);
    });
    sublayer::add(config, w.feed_forward_norm, &mut out, |input, sum| {
        feed_forward::infer(config, &input, sum, w);
    });
    out
}

/// Adds each row's key and value to its cache, and returns the attention's output.
///
/// # Shapes
///
/// - `qkv`: `[rows, (heads + 2 · kv_heads) · head_dim]`
/// - `caches`: one per row
/// - result: `[rows, heads · head_dim]`
fn attend_all(heads: Heads, qkv: &[f32], caches: &mut [RowCache<'_>]) -> Vec<f32> {
    let (width, query_width) = (heads.width(), heads.query_width());
    let mut attended = vec![0.0; caches.len() * query_width];
    let key_width = heads.kv_heads * heads.head_dim;
    timed(KernelKind::Attention, 0, 0, || {
        let rows = caches.par_iter_mut().zip(qkv.par_chunks(width));
        rows.for_each(|(cache, qkv)| {
            let (key, value) = qkv[query_width..].split_at(key_width);
            cache.own.push(key, value);
        });
    });
    let groups: Vec<&[RowCache<'_>]> = caches
        .chunk_by(|a, b| std::ptr::eq(a.prompt, b.prompt))
        .flat_map(|rows| rows.chunks(MOST_TOGETHER))
        .collect();
    let n_own: usize = caches.iter().map(|it| it.own.len()).sum();
    let n_keys: usize = n_own + caches.iter().map(|it| it.prompt.len()).sum::<usize>();
    let n_read: usize = n_own + groups.iter().map(|it| it[0].prompt.len()).sum::<usize>();
    let element_bytes = caches.first().map_or(0, |it| it.prompt.element_bytes());
    let flop = 4 * n_keys * query_width;
    let bytes = 2 * element_bytes * n_read * key_width;
    timed(KernelKind::Attention, flop, bytes, || {
        attend(heads, &groups, qkv, &mut attended);
    });
    attended
}

/// Writes the attention output of groups of rows; a group shares its prompt.
///
/// # Shapes
///
/// - `qkv`: `[rows, (heads + 2 · kv_heads) · head_dim]`
/// - `attended`: `[rows, heads · head_dim]`
fn attend(heads: Heads, groups: &[&[RowCache<'_>]], qkv: &[f32], attended: &mut [f32]) {
    let (width, query_width, head_dim) = (heads.width(), heads.query_width(), heads.head_dim);
    let group_width = query_width / heads.kv_heads;
    let mut rest = attended;
    let mut first = 0;
    let mut tasks = Vec::new();
    for &rows in groups {
        let mut by_head: Vec<Vec<NewToken<'_>>> = Vec::new();
        by_head.resize_with(heads.kv_heads, Vec::new);
        for (row, cache) in (first..).zip(rows) {
            let out;
            (out, rest) = std::mem::take(&mut rest).split_at_mut(query_width);
            let query = qkv[row * width..][..query_width].chunks_exact(group_width);
            let parts = query.zip(out.chunks_exact_mut(group_width));
            for (tokens, (query, out)) in by_head.iter_mut().zip(parts) {
                let own = &*cache.own;
                tokens.push(NewToken { query, own, out });
            }
        }
        first += rows.len();
        let columns = (0..).step_by(head_dim);
        tasks.extend(columns.zip(by_head).map(|(column, tokens)| {
            let head = HeadPart { column, head_dim };
            (rows[0].prompt, head, tokens)
        }));
    }
    tasks
        .into_par_iter()
        .for_each_init(Vec::new, |scores, (prompt, head, mut tokens)| {
            attention::attend(prompt, head, &mut tokens, scores);
        });
}
