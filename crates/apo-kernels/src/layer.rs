//! A decoder layer, forward and backward, over the flat tokens of a batch of
//! prompt trees.

use crate::activations::Activations;
use crate::attention;
use crate::cache::KeyValues;
use crate::feed_forward::{self, FeedForwardGradients};
use crate::layer_config::LayerConfig;
use crate::layer_weights::LayerWeights;
use crate::layout::Layout;
use crate::matrix::{Matrix, MatrixMut, Sum};
use crate::norm::{rms_norm, rms_norm_backward};
use crate::projections::{
    input_gradient, input_gradient_into, project, project_stacked, weight_gradients,
};
use crate::rope::{rotate, rotate_back};
use crate::weight_forms::{ForwardWeights, Weights};

/// Activations of the forward pass that the backward pass needs besides the input.
pub struct Saved {
    /// `[tokens, (heads + 2 · kv_heads) · head_dim]`, rotated
    qkv: Vec<f32>,
    /// `[tokens, heads · head_dim]`, before the output projection
    attended: Vec<f32>,
    /// `[tokens, hidden]`, the residual between attention and feed-forward
    middle: Vec<f32>,
    /// `[tokens, 2 · intermediate]`, gate and up projections
    gate_up: Activations,
}

impl Saved {
    /// Keeps the gate and up projections, more than half of the activations, in bf16: bf16
    /// products would round the results anyway.
    #[must_use]
    pub fn into_bf16(self) -> Self {
        let gate_up = self.gate_up.into_bf16();
        Self { gate_up, ..self }
    }
}

/// Queries, keys and values of all tokens,
/// `[tokens, (heads + 2 · kv_heads) · head_dim]`, rotated.
pub struct Projected(Vec<f32>);

impl Projected {
    /// Returns the keys and values, for decoding.
    pub fn keys_and_values(&self, config: &LayerConfig) -> KeyValues {
        let heads = config.heads;
        let key_width = heads.kv_heads * heads.head_dim;
        let rows = self.0.chunks_exact(heads.width());
        let mut found = KeyValues::with_capacity(key_width, config.precision, rows.len());
        for row in rows {
            let (key, value) = row[heads.query_width()..].split_at(key_width);
            found.push(key, value);
        }
        found
    }
}

/// Gradients of a layer's input and weights.
pub struct Gradients {
    /// `[tokens, hidden]`
    pub input: Vec<f32>,
    /// The gradient of each weight, in its shape.
    pub weights: LayerWeights<Vec<f32>>,
}

/// Returns the layer's output, and the activations for the backward pass.
///
/// # Shapes
///
/// - `x` and the output: `[tokens, hidden]`
pub fn forward(
    config: &LayerConfig,
    layout: &Layout,
    x: &[f32],
    w: &ForwardWeights<'_>,
) -> (Vec<f32>, Saved) {
    let mut middle = x.to_vec();
    let (qkv, attended) = attend(config, layout, &mut middle, w);
    let (out, gate_up) = feed_forward::forward(config, middle.clone(), &middle, w);
    let saved = Saved {
        qkv,
        attended,
        middle,
        gate_up,
    };
    (out, saved)
}

/// Replaces `x` by the layer's output, and returns the keys and values of all tokens.
/// Nothing is kept for a backward pass.
///
/// # Shapes
///
/// - `x`: `[tokens, hidden]`
pub fn infer(
    config: &LayerConfig,
    layout: &Layout,
    x: &mut [f32],
    w: &ForwardWeights<'_>,
) -> Projected {
    let (qkv, _) = attend(config, layout, x, w);
    feed_forward::infer(config, x, w);
    Projected(qkv)
}

/// Adds the attention's output for `x` to it. Returns the rotated projections,
/// `[tokens, (heads + 2 · kv_heads) · head_dim]`, and the attention's output before the
/// output projection, `[tokens, heads · head_dim]`.
///
/// # Shapes
///
/// - `x`: `[tokens, hidden]`
fn attend(
    config: &LayerConfig,
    layout: &Layout,
    x: &mut [f32],
    w: &ForwardWeights<'_>,
) -> (Vec<f32>, Vec<f32>) {
    let (hidden, heads) = (config.hidden, config.heads);
    let normed = rms_norm(x, w.input_norm, config.rms_norm_eps);
    let mut qkv = project_stacked(config, &normed, &w.qkv, hidden);
    drop(normed);
    rotate(&layout.cos, &layout.sin, heads, &mut qkv);
    let attended = attention::forward(layout, heads, &qkv, config.precision);
    let tokens = x.len() / hidden;
    let out = MatrixMut::new(x, tokens, hidden);
    project(
        config,
        &attended,
        w.output,
        heads.query_width(),
        out,
        Sum::Add,
    );
    (qkv, attended)
}

/// Returns the gradients of the layer's input and weights from the gradient of
/// its output.
///
/// # Shapes
///
/// - `x`, `dout` and the input's gradient: `[tokens, hidden]`
/// - gradients of weights: the shapes of the weights
pub fn backward(
    config: &LayerConfig,
    layout: &Layout,
    x: &[f32],
    w: &Weights<'_>,
    saved: &Saved,
    dout: &[f32],
) -> Gradients {
    let (hidden, heads) = (config.hidden, config.heads);
    let tokens = x.len() / hidden;
    let FeedForwardGradients {
        input: mut dx,
        post_norm,
        gate,
        up,
        down,
    } = feed_forward::backward(config, &saved.middle, &saved.gate_up, w, dout);
    let dmiddle = Matrix::new(&dx, tokens, hidden);
    let [output] = weight_gradients(config, [dmiddle], &saved.attended);
    let dattended = input_gradient(config, dmiddle, w.output, heads.query_width());
    let mut dqkv = attention::backward(
        layout,
        heads,
        &saved.qkv,
        &saved.attended,
        &dattended,
        config.precision,
    );
    rotate_back(&layout.cos, &layout.sin, heads, &mut dqkv);
    let eps = config.rms_norm_eps;
    let normed = rms_norm(x, w.input_norm, eps);
    let mut column = 0;
    let [dquery, dkey, dvalue] = [w.query, w.key, w.value].map(|weight| {
        let n_out = weight.len() / hidden;
        let d = Matrix::with_stride(&dqkv[column..], tokens, n_out, heads.width());
        column += n_out;
        d
    });
    let mut dnormed = input_gradient(config, dquery, w.query, hidden);
    for (d, weight) in [(dkey, w.key), (dvalue, w.value)] {
        let to = MatrixMut::new(&mut dnormed, tokens, hidden);
        input_gradient_into(config, d, weight, to, Sum::Add);
    }
    let [query, key, value] = weight_gradients(config, [dquery, dkey, dvalue], &normed);
    let input_norm = rms_norm_backward(x, w.input_norm, eps, &dnormed, &mut dx);
    Gradients {
        input: dx,
        weights: LayerWeights {
            input_norm,
            query,
            key,
            value,
            output,
            post_norm,
            gate,
            up,
            down,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::attention::Heads;
    use crate::layout::Segment;
    use crate::precision::Precision;
    use crate::test_values::values;

    /// Two trees: a prompt with two responses, and one with none.
    fn layout(half: usize) -> Layout {
        let segment = |rows: Range<usize>, prompt, position, tree| Segment {
            rows,
            prompt,
            position,
            tree,
        };
        let segments = vec![
            segment(0..3, None, 0, 0),
            segment(3..5, Some(0..3), 3, 0),
            segment(5..6, Some(0..3), 3, 0),
            segment(6..8, None, 0, 1),
        ];
        let positions = [0, 1, 2, 3, 4, 3, 0, 1];
        let angles = positions
            .iter()
            .flat_map(|&at| (0..half).map(move |i| at as f32 / (i + 1) as f32));
        let (sin, cos) = angles.map(f32::sin_cos).unzip();
        Layout {
            segments,
            trees: vec![0..6, 6..8],
            cos,
            sin,
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_layer() {
        let heads = Heads {
            heads: 4,
            kv_heads: 2,
            head_dim: 4,
        };
        let (hidden, intermediate, tokens) = (6, 10, 8);
        let sizes = [
            hidden,
            16 * hidden,
            8 * hidden,
            8 * hidden,
            16 * hidden,
            hidden,
            intermediate * hidden,
            intermediate * hidden,
            intermediate * hidden,
        ];
        let weights: Vec<Vec<f32>> = (1..).zip(sizes).map(|(i, n)| values(n, i)).collect();
        let x = values(tokens * hidden, 42);
        let dout = values(tokens * hidden, 99);
        let layout = layout(2);
        // `Σ dout · out`, and its gradients: of each weight, and of the input.
        let computed = |weights: &[Vec<f32>], x: &[f32], precision| {
            let w = Weights::from_array(std::array::from_fn(|i| weights[i].as_slice()));
            let config = LayerConfig {
                hidden,
                intermediate,
                heads,
                rms_norm_eps: 1e-6,
                precision,
                batch_invariant: false,
            };
            let (out, saved) = forward(&config, &layout, x, &(&w).into());
            let sum = out.iter().zip(&dout).map(|(a, b)| f64::from(a * b));
            let d = backward(&config, &layout, x, &w, &saved, &dout);
            let mut gradients = Vec::from(d.weights.into_array());
            gradients.push(d.input);
            (sum.sum::<f64>(), gradients)
        };
        let (_, gradients) = computed(&weights, &x, Precision::F32);
        let step = 1e-2_f32;
        // Under Miri one pass below is enough; a hundred would take hours.
        let slopes = if cfg!(miri) { 0 } else { gradients.len() };
        for (i, found) in gradients.iter().enumerate().take(slopes) {
            for at in (0..found.len()).step_by(7) {
                let moved = |step: f32| {
                    let (mut weights, mut x) = (weights.clone(), x.clone());
                    weights.get_mut(i).unwrap_or(&mut x)[at] += step;
                    computed(&weights, &x, Precision::F32).0
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                let off = (slope - f64::from(found[at])).abs();
                assert!(
                    off < 2e-2 * slope.abs().max(1.0),
                    "parameter {i} at {at}: {}, not {slope}",
                    found[at]
                );
            }
        }
        let (_, rounded) = computed(&weights, &x, Precision::Bf16);
        for (i, (rounded, exact)) in rounded.iter().zip(&gradients).enumerate() {
            for (rounded, exact) in rounded.iter().zip(exact) {
                let off = (rounded - exact).abs();
                assert!(
                    off < 0.1 * exact.abs().max(1.0),
                    "parameter {i}: {rounded}, not {exact}"
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "rows follow each other")]
    fn rows_of_two_segments_are_refused() {
        let heads = Heads {
            heads: 1,
            kv_heads: 1,
            head_dim: 4,
        };
        let mut layout = layout(2);
        layout.segments[2].rows = 4..6;
        attention::forward(
            &layout,
            heads,
            &values(8 * heads.width(), 1),
            Precision::F32,
        );
    }
}
