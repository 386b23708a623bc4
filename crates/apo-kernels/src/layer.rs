//! A decoder layer, forward and backward, over the flat tokens of a batch of
//! prompt trees.

use std::borrow::Cow;

use crate::activations::Activations;
use crate::attention;
use crate::cache::KeyValues;
use crate::feed_forward::{self, FeedForwardGradients};
use crate::layer_config::LayerConfig;
use crate::layer_weights::LayerWeights;
use crate::layout::Layout;
use crate::matrix::{Matrix, MatrixMut, Sum};
use crate::projections::{
    input_gradient, input_gradient_into, project, project_stacked, weight_gradients,
};
use crate::qkv::{self, HeadGradients, Keep};
use crate::sublayer::{self, Input};
use crate::weight_forms::{ForwardWeights, Weights};

/// Activations of the forward pass that the backward pass needs besides the input.
pub struct Saved {
    /// `[tokens, (heads + 2 · kv_heads) · head_dim]`, as attention takes them
    qkv: Vec<f32>,
    /// Queries and keys before their norms if they have norms,
    /// `[tokens, (heads + kv_heads) · head_dim]`
    unnormed: Option<Vec<f32>>,
    /// `[tokens, heads · head_dim]`, before the output projection
    attended: Vec<f32>,
    /// `[tokens, hidden]`, the residual between attention and feed-forward
    middle: Vec<f32>,
    /// The attention's output before its norm if it has one, `[tokens, hidden]`
    attention_output: Option<Vec<f32>>,
    /// `[tokens, 2 · intermediate]`, gate and up projections
    gate_up: Activations,
    /// The feed-forward network's output before its norm if it has one, `[tokens, hidden]`
    feed_forward_output: Option<Vec<f32>>,
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

/// Queries, keys and values of all tokens as attention takes them,
/// `[tokens, (heads + 2 · kv_heads) · head_dim]`.
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
    let (attention, attention_output) = attend(config, layout, &mut middle, w, Keep::Unnormed);
    let mut out = middle.clone();
    let (gate_up, feed_forward_output) =
        sublayer::add(config, w.feed_forward_norm, &mut out, |input, sum| {
            feed_forward::forward(config, &input, sum, w)
        });
    let saved = Saved {
        qkv: attention.qkv,
        unnormed: attention.unnormed,
        attended: attention.attended,
        middle,
        attention_output,
        gate_up,
        feed_forward_output,
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
    let (Attention { qkv, .. }, _) = attend(config, layout, x, w, Keep::Nothing);
    sublayer::add(config, w.feed_forward_norm, x, |input, sum| {
        feed_forward::infer(config, &input, sum, w);
    });
    Projected(qkv)
}

/// What attention computed on its way.
struct Attention {
    /// As in [`Saved`]
    qkv: Vec<f32>,
    /// As in [`Saved`]
    unnormed: Option<Vec<f32>>,
    /// As in [`Saved`]
    attended: Vec<f32>,
}

/// Adds the attention's output for `x` to it. Returns what it computed on its way, and the
/// output before its norm if it has one.
///
/// # Shapes
///
/// - `x`: `[tokens, hidden]`
fn attend(
    config: &LayerConfig,
    layout: &Layout,
    x: &mut [f32],
    w: &ForwardWeights<'_>,
    keep: Keep,
) -> (Attention, Option<Vec<f32>>) {
    let (hidden, heads) = (config.hidden, config.heads);
    let tokens = x.len() / hidden;
    let (cos, sin) = (&layout.cos, &layout.sin);
    sublayer::add(config, w.attention_norm, x, |input, sum| {
        let mut qkv = project_stacked(config, &input, &w.qkv, hidden);
        drop(input);
        let unnormed = qkv::prepare(config, cos, sin, &w.heads, &mut qkv, keep);
        let attended = attention::forward(layout, heads, &qkv, config.precision);
        let out = MatrixMut::new(sum, tokens, hidden);
        let width = heads.query_width();
        project(config, &attended, w.output, width, out, Sum::Add);
        Attention {
            qkv,
            unnormed,
            attended,
        }
    })
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
    let output = saved.feed_forward_output.as_deref();
    let (dmiddle, feed_forward_norm, feed_forward) = sublayer::backward(
        config,
        w.feed_forward_norm,
        &saved.middle,
        output,
        Cow::Borrowed(dout),
        |input, dout| feed_forward::backward(config, input, &saved.gate_up, w, dout),
    );
    let FeedForwardGradients { gate, up, down } = feed_forward;
    let output = saved.attention_output.as_deref();
    let (input, attention_norm, attention) = sublayer::backward(
        config,
        w.attention_norm,
        x,
        output,
        Cow::Owned(dmiddle),
        |input, dout| attend_backward(config, layout, input, w, saved, dout),
    );
    let AttentionGradients {
        projections: [query, key, value],
        heads: HeadGradients { biases, norms },
        output,
    } = attention;
    let [query_bias, key_bias, value_bias] = apart(biases);
    let [query_norm, key_norm] = apart(norms);
    Gradients {
        input,
        weights: LayerWeights {
            attention_norm,
            query,
            key,
            value,
            query_bias,
            key_bias,
            value_bias,
            query_norm,
            key_norm,
            output,
            feed_forward_norm,
            gate,
            up,
            down,
        },
    }
}

/// Makes several optional values of several values that are there together or not at all.
fn apart<T, const N: usize>(together: Option<[T; N]>) -> [Option<T>; N] {
    match together {
        Some(all) => all.map(Some),
        None => std::array::from_fn(|_| None),
    }
}

/// Gradients of the attention's weights.
struct AttentionGradients {
    /// Queries, keys and values.
    projections: [Vec<f32>; 3],
    heads: HeadGradients,
    output: Vec<f32>,
}

/// Returns the gradients of the attention's input and weights from that of its output.
///
/// # Shapes
///
/// - `dout` and the input's gradient: `[tokens, hidden]`
fn attend_backward(
    config: &LayerConfig,
    layout: &Layout,
    input: Input<'_>,
    w: &Weights<'_>,
    saved: &Saved,
    dout: &[f32],
) -> (Vec<f32>, AttentionGradients) {
    let (hidden, heads) = (config.hidden, config.heads);
    let tokens = dout.len() / hidden;
    let dout = Matrix::new(dout, tokens, hidden);
    let [output] = weight_gradients(config, [dout], &saved.attended);
    let dattended = input_gradient(config, dout, w.output, heads.query_width());
    let mut dqkv = attention::backward(
        layout,
        heads,
        &saved.qkv,
        &saved.attended,
        &dattended,
        config.precision,
    );
    let of_heads = qkv::backward(
        config,
        &layout.cos,
        &layout.sin,
        &w.into(),
        saved.unnormed.as_deref(),
        &mut dqkv,
    );
    let mut column = 0;
    let [dquery, dkey, dvalue] = [w.query, w.key, w.value].map(|weight| {
        let n_out = weight.len() / hidden;
        let d = Matrix::with_stride(&dqkv[column..], tokens, n_out, heads.width());
        column += n_out;
        d
    });
    let input = input();
    let mut dinput = input_gradient(config, dquery, w.query, hidden);
    for (d, weight) in [(dkey, w.key), (dvalue, w.value)] {
        let to = MatrixMut::new(&mut dinput, tokens, hidden);
        input_gradient_into(config, d, weight, to, Sum::Add);
    }
    let gradients = AttentionGradients {
        projections: weight_gradients(config, [dquery, dkey, dvalue], &input),
        heads: of_heads,
        output,
    };
    (dinput, gradients)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::attention::Heads;
    use crate::layer_config::{NormPlacement, Positions};
    use crate::layer_weights::N_WEIGHTS;
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

    const HEADS: Heads = Heads {
        heads: 4,
        kv_heads: 2,
        head_dim: 4,
    };
    const HIDDEN: usize = 6;
    const INTERMEDIATE: usize = 10;

    /// What architectures differ in.
    struct Form {
        norms: NormPlacement,
        positions: Positions,
        has_biases: bool,
        /// The widths of the norms of queries and keys.
        head_norms: Option<[usize; 2]>,
    }

    const PLAIN: Form = Form {
        norms: NormPlacement::Input,
        positions: Positions::Rotated,
        has_biases: false,
        head_norms: None,
    };

    /// The forms of LLaMA, Qwen2, Qwen3, SmolLM3's layers without rotation, and OLMo 2.
    const FORMS: [Form; 5] = [
        PLAIN,
        Form {
            has_biases: true,
            ..PLAIN
        },
        Form {
            head_norms: Some([4, 4]),
            ..PLAIN
        },
        Form {
            positions: Positions::Unknown,
            ..PLAIN
        },
        Form {
            norms: NormPlacement::Output,
            head_norms: Some([16, 8]),
            ..PLAIN
        },
    ];

    impl Form {
        fn config(&self, precision: Precision) -> LayerConfig {
            LayerConfig {
                hidden: HIDDEN,
                intermediate: INTERMEDIATE,
                heads: HEADS,
                norms: self.norms,
                positions: self.positions,
                rms_norm_eps: 1e-6,
                precision,
                batch_invariant: false,
            }
        }

        fn weights(&self) -> [Option<Vec<f32>>; N_WEIGHTS] {
            let bias = |n| self.has_biases.then_some(n);
            let sizes = LayerWeights {
                attention_norm: HIDDEN,
                query: 16 * HIDDEN,
                key: 8 * HIDDEN,
                value: 8 * HIDDEN,
                query_bias: bias(16),
                key_bias: bias(8),
                value_bias: bias(8),
                query_norm: self.head_norms.map(|it| it[0]),
                key_norm: self.head_norms.map(|it| it[1]),
                output: 16 * HIDDEN,
                feed_forward_norm: HIDDEN,
                gate: INTERMEDIATE * HIDDEN,
                up: INTERMEDIATE * HIDDEN,
                down: INTERMEDIATE * HIDDEN,
            };
            let mut number = 0;
            sizes.into_array().map(|size| {
                number += 1;
                size.map(|n| values(n, number))
            })
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_layer() {
        // Under Miri one form and one pass are enough; all would take hours.
        let forms = if cfg!(miri) { 1 } else { FORMS.len() };
        for (number, form) in FORMS.iter().enumerate().take(forms) {
            slopes(number, form);
        }
    }

    fn slopes(number: usize, form: &Form) {
        let tokens = 8;
        let weights = form.weights();
        let x = values(tokens * HIDDEN, 42);
        let dout = values(tokens * HIDDEN, 99);
        let layout = layout(2);
        // `Σ dout · out`, and its gradients: of each weight, and of the input.
        let computed = |weights: &[Option<Vec<f32>>; N_WEIGHTS], x: &[f32], precision| {
            let w = Weights::from_array(std::array::from_fn(|i| weights[i].as_deref()));
            let config = form.config(precision);
            let (out, saved) = forward(&config, &layout, x, &(&w).into());
            let sum = out.iter().zip(&dout).map(|(a, b)| f64::from(a * b));
            let d = backward(&config, &layout, x, &w, &saved, &dout);
            let mut gradients = Vec::from(d.weights.into_array());
            gradients.push(Some(d.input));
            let mut inferred = x.to_vec();
            infer(&config, &layout, &mut inferred, &(&w).into());
            assert_eq!(
                inferred, out,
                "form {number}: inference is the forward pass"
            );
            (sum.sum::<f64>(), gradients)
        };
        let (_, gradients) = computed(&weights, &x, Precision::F32);
        for (found, weight) in gradients.iter().zip(&weights) {
            let lengths = [found, weight].map(|it| it.as_ref().map(Vec::len));
            assert_eq!(
                lengths[0], lengths[1],
                "form {number}: a gradient per weight"
            );
        }
        let step = 1e-2_f32;
        let slopes = if cfg!(miri) { 0 } else { gradients.len() };
        for (i, found) in gradients.iter().enumerate().take(slopes) {
            let found = found.as_deref().unwrap_or_default();
            for at in (0..found.len()).step_by(7) {
                let moved = |step: f32| {
                    let (mut weights, mut x) = (weights.clone(), x.clone());
                    let moved = weights.get_mut(i).and_then(Option::as_mut);
                    moved.unwrap_or(&mut x)[at] += step;
                    computed(&weights, &x, Precision::F32).0
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                let off = (slope - f64::from(found[at])).abs();
                assert!(
                    off < 2e-2 * slope.abs().max(1.0),
                    "form {number}, parameter {i} at {at}: {}, not {slope}",
                    found[at]
                );
            }
        }
        let (_, rounded) = computed(&weights, &x, Precision::Bf16);
        for (i, (rounded, exact)) in rounded.iter().zip(&gradients).enumerate() {
            let numbers = [rounded, exact].map(|it| it.as_deref().unwrap_or_default());
            for (rounded, exact) in numbers[0].iter().zip(numbers[1]) {
                let off = (rounded - exact).abs();
                assert!(
                    off < 0.1 * exact.abs().max(1.0),
                    "form {number}, parameter {i}: {rounded}, not {exact}"
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
