//! AdamW over one tensor's elements, in place.

use rayon::prelude::*;

use super::simd;

/// Elements that one thread takes at a time, whatever the number of threads, so that
/// sums do not depend on it.
const PART: usize = 1 << 15;

/// The numbers of one AdamW step (Loshchilov and Hutter 2019, algorithm 2).
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay of the mean of gradients.
    pub beta_1: f32,
    /// Decay of the mean of their squares.
    pub beta_2: f32,
    /// Added to the root of that mean.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// `1 − β₁ᵗ`
    pub first_correction: f32,
    /// `1 − β₂ᵗ`
    pub second_correction: f32,
    /// Factor of every gradient, for clipping.
    pub gradient_scale: f32,
}

/// Takes one step in place.
///
/// # Shapes
///
/// - all slices: `[elements]`
pub fn update(
    parameter: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    step: &AdamWStep,
) {
    parameter
        .par_chunks_mut(PART)
        .zip(gradient.par_chunks(PART))
        .zip(first.par_chunks_mut(PART))
        .zip(second.par_chunks_mut(PART))
        .for_each(|(((p, g), m), v)| simd::adamw(p, g, m, v, step));
}

/// Returns `Σ x²`, summed in an order that does not depend on the number of threads.
///
/// # Shapes
///
/// - `x`: `[elements]`
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let parts: Vec<f64> = x
        .par_chunks(PART)
        .map(|part| f64::from(simd::dot(part, part)))
        .collect();
    parts.iter().sum()
}
