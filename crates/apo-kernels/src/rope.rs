//! The rotation of queries and keys by their positions.

use rayon::prelude::*;

use crate::attention::Heads;
use crate::instruction_sets::for_each_instruction_set;
use crate::matrix::ROWS_PER_TASK;

/// Rotates the queries and keys of each row by its position.
///
/// # Shapes
///
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
/// - `qkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
pub(crate) fn rotate(cos: &[f32], sin: &[f32], heads: Heads, qkv: &mut [f32]) {
    each_row(cos, sin, heads, qkv, rotate_row);
}

/// Rotates the queries and keys of each row back by its position, as their gradients are.
///
/// # Shapes
///
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
/// - `qkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
pub(crate) fn rotate_back(cos: &[f32], sin: &[f32], heads: Heads, qkv: &mut [f32]) {
    each_row(cos, sin, heads, qkv, rotate_row_back);
}

/// Rotates the heads of a row, `[heads · head_dim]`, by the cosines and sines of its position,
/// `[head_dim / 2]` each.
type RotateRow = fn(&mut [f32], &[f32], &[f32]);

/// Rotates the queries and keys of each row, on all threads.
///
/// # Shapes
///
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
/// - `qkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
fn each_row(cos: &[f32], sin: &[f32], heads: Heads, qkv: &mut [f32], rotate_heads: RotateRow) {
    let (width, half) = (heads.width(), heads.head_dim / 2);
    let rotated = (heads.heads + heads.kv_heads) * heads.head_dim;
    assert_eq!(
        qkv.len() * half,
        cos.len() * width,
        "projections fill each token's row"
    );
    qkv.par_chunks_mut(width)
        .with_min_len(ROWS_PER_TASK)
        .zip(cos.par_chunks(half))
        .zip(sin.par_chunks(half))
        .for_each(|((row, cos), sin)| rotate_heads(&mut row[..rotated], cos, sin));
}

for_each_instruction_set! {
    /// Rotates each head of a row by its position.
    ///
    /// # Shapes
    ///
    /// - `row`: `[heads · head_dim]`
    /// - `cos`, `sin`: `[head_dim / 2]`
    fn rotate_row(row: &mut [f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        for head in row.chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (first[i], second[i]);
                first[i] = a * cos[i] - b * sin[i];
                second[i] = b * cos[i] + a * sin[i];
            }
        }
    }

    /// Rotates each head of a row back by its position.
    ///
    /// # Shapes
    ///
    /// - `row`: `[heads · head_dim]`
    /// - `cos`, `sin`: `[head_dim / 2]`
    fn rotate_row_back(row: &mut [f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        for head in row.chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (first[i], second[i]);
                first[i] = a * cos[i] + b * sin[i];
                second[i] = b * cos[i] - a * sin[i];
            }
        }
    }
}
