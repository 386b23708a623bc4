//! Rotary position embedding: the angles of positions, their cosines and sines, and the
//! rotation of queries and keys in Burn's own operators.
//!
//! The frequencies follow from the config's [`Rope`](crate::config::Rope). The CPU's
//! kernels rotate by the same cosines and sines.

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::ModelConfig;

/// Returns the cosines and the sines of the angles of positions.
///
/// # Shapes
///
/// - results: `[positions, head_dim / 2]` each
pub(crate) fn rotations(
    config: &ModelConfig,
    positions: impl Iterator<Item = usize>,
) -> (Vec<f32>, Vec<f32>) {
    let frequencies = config.rope.inverse_frequencies(config.head_dim);
    let scale = config.rope.attention_factor() as f32;
    let (mut cos, mut sin) = (Vec::new(), Vec::new());
    for position in positions {
        for &frequency in &frequencies {
            // In f32 like PyTorch: at position 4000 the results differ by more
            // than rounding.
            let angle = f64::from(position as f32 * frequency as f32);
            cos.push(angle.cos() as f32 * scale);
            sin.push(angle.sin() as f32 * scale);
        }
    }
    (cos, sin)
}

/// Repeats cosines or sines for both halves of a head.
///
/// # Shapes
///
/// - `of`: `[positions, head_dim / 2]`
/// - result: `[positions, 1, head_dim]`
pub(crate) fn both_halves(of: &[f32], config: &ModelConfig, device: &Device) -> Tensor<3> {
    let half = config.head_dim / 2;
    let rows = of.chunks_exact(half);
    let shape = [rows.len(), 1, config.head_dim];
    let data: Vec<f32> = rows
        .flat_map(|row| row.iter().chain(row).copied())
        .collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// Rotates each row by its position.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, heads, head_dim]`
/// - `cos`, `sin`: `[tokens, 1, head_dim]`
pub(crate) fn rotate(x: Tensor<3>, cos: &Tensor<3>, sin: &Tensor<3>) -> Tensor<3> {
    let [_, _, head_dim] = x.dims();
    let first = x.clone().narrow(2, 0, head_dim / 2);
    let second = x.clone().narrow(2, head_dim / 2, head_dim / 2);
    x * cos.clone() + Tensor::cat(vec![second.neg(), first], 2) * sin.clone()
}
