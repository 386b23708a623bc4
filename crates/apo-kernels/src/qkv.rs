//! Queries, keys and values between their projections and attention: biases, norms, and
//! the rotation by position.

use rayon::prelude::*;

use crate::layer_config::{LayerConfig, Positions};
use crate::matrix::ROWS_PER_TASK;
use crate::norm::{rms_norm_backward_of_rows, rms_norm_in_place};
use crate::rope;
use crate::simd;
use crate::weight_forms::HeadWeights;

/// Whether the backward pass will need what the norms replace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Unnormed,
    Nothing,
}

/// Gradients of [`HeadWeights`], in the same order.
pub(crate) struct HeadGradients {
    pub(crate) biases: Option<[Vec<f32>; 3]>,
    pub(crate) norms: Option<[Vec<f32>; 2]>,
}

/// Turns projections into what attention takes: adds biases, applies norms, rotates.
/// Returns queries and keys before their norms, `[tokens, (heads + kv_heads) · head_dim]`,
/// if there are norms and they are to be kept.
///
/// # Shapes
///
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
/// - `qkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
pub(crate) fn prepare(
    config: &LayerConfig,
    cos: &[f32],
    sin: &[f32],
    w: &HeadWeights<'_>,
    qkv: &mut [f32],
    keep: Keep,
) -> Option<Vec<f32>> {
    let heads = config.heads;
    let (width, query_width) = (heads.width(), heads.query_width());
    let rotated = query_width + heads.kv_heads * heads.head_dim;
    if let Some(biases) = w.biases {
        let biases = biases.concat();
        let rows = qkv.par_chunks_mut(width).with_min_len(ROWS_PER_TASK);
        rows.for_each(|row| simd::add(row, &biases));
    }
    let mut unnormed = None;
    if let Some([query, key]) = w.norms {
        unnormed = (keep == Keep::Unnormed).then(|| {
            let rows = qkv.chunks_exact(width);
            rows.flat_map(|row| &row[..rotated]).copied().collect()
        });
        let rows = qkv.par_chunks_mut(width).with_min_len(ROWS_PER_TASK);
        rows.for_each(|row| {
            let (queries, rest) = row.split_at_mut(query_width);
            rms_norm_in_place(queries, query, config.rms_norm_eps);
            let keys = &mut rest[..rotated - query_width];
            rms_norm_in_place(keys, key, config.rms_norm_eps);
        });
    }
    if config.positions == Positions::Rotated {
        rope::rotate(cos, sin, heads, qkv);
    }
    unnormed
}

/// Turns the gradients of what [`prepare`] made into those of the projections, and returns
/// those of the vectors. `unnormed` is what it returned.
///
/// # Shapes
///
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
/// - `dqkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
pub(crate) fn backward(
    config: &LayerConfig,
    cos: &[f32],
    sin: &[f32],
    w: &HeadWeights<'_>,
    unnormed: Option<&[f32]>,
    dqkv: &mut [f32],
) -> HeadGradients {
    let heads = config.heads;
    let (width, query_width) = (heads.width(), heads.query_width());
    if config.positions == Positions::Rotated {
        rope::rotate_back(cos, sin, heads, dqkv);
    }
    let norms = w.norms.map(|norms| {
        let unnormed = unnormed.expect("the forward pass kept what its norms replaced");
        norms_backward(config, norms, unnormed, dqkv)
    });
    let biases = w.biases.map(|biases| {
        let sums = sums_of_columns(dqkv, width);
        let (queries, rest) = sums.split_at(query_width);
        let (keys, values) = rest.split_at(biases[1].len());
        [queries, keys, values].map(<[f32]>::to_vec)
    });
    HeadGradients { biases, norms }
}

/// Replaces gradients of normed queries and keys by those before the norms, and returns
/// those of the norms.
///
/// # Shapes
///
/// - `norms` and the results: `[head_dim]` each, or `[heads · head_dim]` and
///   `[kv_heads · head_dim]`
/// - `unnormed`: `[tokens, (heads + kv_heads) · head_dim]`
/// - `dqkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
fn norms_backward(
    config: &LayerConfig,
    norms: [&[f32]; 2],
    unnormed: &[f32],
    dqkv: &mut [f32],
) -> [Vec<f32>; 2] {
    let (heads, eps) = (config.heads, config.rms_norm_eps);
    let (width, query_width) = (heads.width(), heads.query_width());
    let key_width = heads.kv_heads * heads.head_dim;
    let rotated = query_width + key_width;
    let partial: Vec<[Vec<f32>; 2]> = dqkv
        .par_chunks_mut(width * ROWS_PER_TASK)
        .zip(unnormed.par_chunks(rotated * ROWS_PER_TASK))
        .map(|(dqkv, unnormed)| {
            let mut sums = norms.map(|norm| vec![0.0; norm.len()]);
            let mut dnormed = Vec::new();
            let rows = dqkv.chunks_exact_mut(width);
            for (drow, row) in rows.zip(unnormed.chunks_exact(rotated)) {
                let parts = [0..query_width, query_width..rotated];
                for ((part, norm), sum) in parts.into_iter().zip(norms).zip(&mut sums) {
                    let (d, x) = (&mut drow[part.clone()], &row[part]);
                    dnormed.clear();
                    dnormed.extend_from_slice(d);
                    d.fill(0.0);
                    rms_norm_backward_of_rows(x, norm, eps, &dnormed, d, sum);
                }
            }
            sums
        })
        .collect();
    let mut sums = norms.map(|norm| vec![0.0; norm.len()]);
    for part in &partial {
        for (sum, part) in sums.iter_mut().zip(part) {
            simd::add(sum, part);
        }
    }
    sums
}

/// Returns the sum of each column. The order of additions does not depend on the number of
/// threads.
///
/// # Shapes
///
/// - `x`: `[rows, width]`
/// - result: `[width]`
fn sums_of_columns(x: &[f32], width: usize) -> Vec<f32> {
    let partial: Vec<Vec<f32>> = x
        .par_chunks(width * ROWS_PER_TASK)
        .map(|rows| {
            let mut sum = vec![0.0; width];
            for row in rows.chunks_exact(width) {
                simd::add(&mut sum, row);
            }
            sum
        })
        .collect();
    let mut sum = vec![0.0; width];
    for part in &partial {
        simd::add(&mut sum, part);
    }
    sum
}
