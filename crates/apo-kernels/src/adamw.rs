//! AdamW over one tensor's elements, in place, and the sums over gradients that it needs.

use rayon::prelude::*;

use crate::instruction_sets::for_each_instruction_set;
use crate::simd;

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
        .for_each(|(((p, g), m), v)| update_part(p, g, m, v, step));
}

for_each_instruction_set! {
    /// Takes one AdamW step of some parameters.
    ///
    /// # Shapes
    ///
    /// - all slices: `[elements]`
    fn update_part(
        parameter: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        step: &AdamWStep,
    ) {
        let n = parameter.len();
        let (gradient, first, second) = (&gradient[..n], &mut first[..n], &mut second[..n]);
        let decay = 1.0 - step.learning_rate * step.weight_decay;
        let rate = step.learning_rate / step.first_correction;
        for i in 0..n {
            let g = gradient[i] * step.gradient_scale;
            first[i] = step.beta_1 * first[i] + (1.0 - step.beta_1) * g;
            second[i] = step.beta_2 * second[i] + (1.0 - step.beta_2) * g * g;
            let root = (second[i] / step.second_correction).sqrt() + step.epsilon;
            parameter[i] = parameter[i] * decay - rate * first[i] / root;
        }
    }
}

/// Adds `from` to `to`, element by element, over the threads.
///
/// # Shapes
///
/// - `to`, `from`: `[elements]`
pub fn add_assign(to: &mut [f32], from: &[f32]) {
    assert_eq!(to.len(), from.len(), "both have the same length");
    to.par_chunks_mut(PART)
        .zip(from.par_chunks(PART))
        .for_each(|(to, from)| simd::add(to, from));
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
