//! A sublayer of a decoder layer, attention or the feed-forward network, between its norm
//! and the residual stream.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::layer_config::{LayerConfig, NormPlacement};
use crate::matrix::ROWS_PER_TASK;
use crate::norm::{rms_norm, rms_norm_backward};
use crate::simd;

/// Computes a sublayer's input, `[tokens, hidden]`. The backward pass calls it where it needs
/// the input, so that it is not in memory before.
pub(crate) type Input<'a> = &'a dyn Fn() -> Cow<'a, [f32]>;

/// Adds a sublayer's output for `x` to it. `add_to` gets the sublayer's input and adds its
/// output to what it also gets. Returns what `add_to` does; and the output before its norm
/// if it has one, which the backward pass needs.
///
/// # Shapes
///
/// - `x`, inputs and outputs: `[tokens, hidden]`
/// - `norm`: `[hidden]`
pub(crate) fn add<T>(
    config: &LayerConfig,
    norm: &[f32],
    x: &mut [f32],
    add_to: impl FnOnce(Cow<'_, [f32]>, &mut [f32]) -> T,
) -> (T, Option<Vec<f32>>) {
    let eps = config.rms_norm_eps;
    match config.norms {
        NormPlacement::Input => {
            let normed = rms_norm(x, norm, eps);
            (add_to(normed.into(), x), None)
        }
        NormPlacement::Output => {
            let mut output = vec![0.0; x.len()];
            let result = add_to((&*x).into(), &mut output);
            add_rows(x, &rms_norm(&output, norm, eps));
            (result, Some(output))
        }
    }
}

/// Returns the gradients of [`add`]'s `x` and norm from that of the sum, and what `back`
/// returns beside. `back` gets a function that computes the sublayer's input, and the
/// gradient of its output; it returns the gradient of the input first. `output` is what
/// [`add`] returned.
///
/// # Shapes
///
/// - `x`, `output`, `dout`, gradients of `x`, inputs and outputs: `[tokens, hidden]`
/// - `norm` and its gradient: `[hidden]`
pub(crate) fn backward<T>(
    config: &LayerConfig,
    norm: &[f32],
    x: &[f32],
    output: Option<&[f32]>,
    dout: Cow<'_, [f32]>,
    back: impl FnOnce(Input<'_>, &[f32]) -> (Vec<f32>, T),
) -> (Vec<f32>, Vec<f32>, T) {
    let eps = config.rms_norm_eps;
    let Some(output) = output else {
        let (dnormed, result) = back(&|| rms_norm(x, norm, eps).into(), &dout);
        let mut dx = dout.into_owned();
        let dnorm = rms_norm_backward(x, norm, eps, &dnormed, &mut dx);
        return (dx, dnorm, result);
    };
    let mut doutput = vec![0.0; x.len()];
    let dnorm = rms_norm_backward(output, norm, eps, &dout, &mut doutput);
    let (dinput, result) = back(&|| x.into(), &doutput);
    let mut dx = dout.into_owned();
    add_rows(&mut dx, &dinput);
    (dx, dnorm, result)
}

/// Adds numbers to others, on all threads.
///
/// # Shapes
///
/// - `to`, `rows`: `[elements]`
fn add_rows(to: &mut [f32], rows: &[f32]) {
    const PART: usize = 1024 * ROWS_PER_TASK;
    to.par_chunks_mut(PART)
        .zip(rows.par_chunks(PART))
        .for_each(|(to, rows)| simd::add(to, rows));
}
