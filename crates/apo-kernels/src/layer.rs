//! A decoder layer, forward and backward, over the flat tokens of a batch of
//! prompt trees.

use std::ops::Range;

use rayon::prelude::*;

use crate::attention::{self, Heads};
use crate::bf16::Packed;
use crate::feed_forward::FeedForwardGradients;
use crate::instruction_sets::for_each_instruction_set;
use crate::layer_weights::LayerWeights;
use crate::layout::Layout;
use crate::matmul::{multiply, multiply_batch_invariant, multiply_packed};
use crate::matrix::{Matrix, MatrixMut, Sum, Threads};
use crate::norm::{rms_norm, rms_norm_backward};
use crate::{Buffer, Precision, ROWS_A_TASK};

/// Sizes and settings of a layer.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward network.
    pub intermediate: usize,
    /// Sizes of the attention.
    pub heads: Heads,
    /// Added to the mean square of a norm.
    pub rms_norm_eps: f32,
    /// The type of the matrix products' operands.
    pub precision: Precision,
    /// Whether a row's result is the same whatever other rows there are. Generation
    /// needs this, because its rows come and go. Projections by weights in f32 are then
    /// computed in f32; those by packed weights are always so.
    pub batch_invariant: bool,
}

/// A layer's weights as kernels read them.
pub type Weights<'a> = LayerWeights<&'a [f32]>;

/// A layer's weights as the forward pass reads them.
pub type ForwardWeights<'a> = LayerWeights<Weight<'a>, &'a [f32]>;

/// A projection's weight.
#[derive(Clone, Copy)]
pub enum Weight<'a> {
    /// `[n_out, n_in]`
    F32(&'a [f32]),
    /// Its transpose `[n_in, n_out]`, rounded to bf16 and packed.
    Packed(&'a Packed),
}

impl Weight<'_> {
    fn n_out(self, n_in: usize) -> usize {
        match self {
            Self::F32(weight) => weight.len() / n_in,
            Self::Packed(weight) => weight.cols(),
        }
    }
}

impl<'a> From<&Weights<'a>> for ForwardWeights<'a> {
    fn from(weights: &Weights<'a>) -> Self {
        weights.map_each(Weight::F32, |vector| vector)
    }
}

/// Activations of the forward pass that the backward pass needs besides the input.
pub struct Saved {
    /// `[tokens, (heads + 2 · kv_heads) · head_dim]`, rotated
    qkv: Vec<f32>,
    /// `[tokens, heads · head_dim]`, before the output projection
    attended: Vec<f32>,
    /// `[tokens, hidden]`, the residual between attention and feed-forward
    middle: Vec<f32>,
    /// `[tokens, 2 · intermediate]`, gate and up projections
    gate_up: Vec<f32>,
}

impl Saved {
    /// Returns the keys and values of some rows.
    ///
    /// # Shapes
    ///
    /// - keys, values: `[rows, kv_heads · head_dim]`
    pub fn keys_and_values(&self, heads: Heads, rows: Range<usize>) -> (Vec<f32>, Vec<f32>) {
        let key_width = heads.kv_heads * heads.head_dim;
        let mut keys = Vec::with_capacity(rows.len() * key_width);
        let mut values = Vec::with_capacity(rows.len() * key_width);
        let rows = rows.start * heads.width()..rows.end * heads.width();
        for row in self.qkv[rows].chunks_exact(heads.width()) {
            let (key, value) = row[heads.query_width()..].split_at(key_width);
            keys.extend_from_slice(key);
            values.extend_from_slice(value);
        }
        (keys, values)
    }
}

/// Gradients of a layer's input and weights.
pub struct Gradients {
    /// `[tokens, hidden]`
    pub input: Vec<f32>,
    /// The gradient of each weight, in its shape.
    pub weights: LayerWeights<Vec<f32>>,
}

/// Rotates the queries and keys of each row by its position; with `direction` −1,
/// rotates them back.
///
/// # Shapes
///
/// - `cos`, `sin`: `[tokens, head_dim / 2]`
/// - `qkv`: `[tokens, (heads + 2 · kv_heads) · head_dim]`
pub(crate) fn rotate(cos: &[f32], sin: &[f32], heads: Heads, qkv: &mut [f32], direction: f32) {
    let (width, half) = (heads.width(), heads.head_dim / 2);
    let turned = (heads.heads + heads.kv_heads) * heads.head_dim;
    qkv.par_chunks_mut(width)
        .with_min_len(ROWS_A_TASK)
        .zip(cos.par_chunks(half))
        .zip(sin.par_chunks(half))
        .for_each(|((row, cos), sin)| rotate_row(&mut row[..turned], cos, sin, direction));
}

for_each_instruction_set! {
    /// Rotates each head of a row by its position; with `direction` −1, rotates it back.
    ///
    /// # Shapes
    ///
    /// - `row`: `[heads · head_dim]`
    /// - `cos`, `sin`: `[head_dim / 2]`
    fn rotate_row(row: &mut [f32], cos: &[f32], sin: &[f32], direction: f32) {
        let half = cos.len();
        for head in row.chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            for i in 0..half {
                let (a, b, s) = (first[i], second[i], direction * sin[i]);
                first[i] = a * cos[i] - b * s;
                second[i] = b * cos[i] + a * s;
            }
        }
    }
}

impl LayerConfig {
    /// `out (+)= x · weightᵀ` with `x` `[tokens, n_in]`, `weight` `[n_out, n_in]`.
    pub(crate) fn project(
        &self,
        x: &[f32],
        weight: Weight<'_>,
        n_in: usize,
        out: MatrixMut<'_>,
        sum: Sum,
    ) {
        let left = Matrix::new(x, x.len() / n_in, n_in);
        let weight = match weight {
            Weight::F32(it) => Matrix::new(it, weight.n_out(n_in), n_in).transposed(),
            Weight::Packed(it) => return multiply_packed(out, left, it, sum),
        };
        if self.batch_invariant {
            multiply_batch_invariant(out, left, weight, sum);
        } else {
            multiply(out, left, weight, sum, Threads::All, self.precision);
        }
    }

    /// `dx (+)= dout · weight` with `dout` `[tokens, n_out]`, `weight` `[n_out, n_in]`.
    pub(crate) fn project_back(
        &self,
        dout: Matrix<'_>,
        weight: &[f32],
        dx: MatrixMut<'_>,
        sum: Sum,
    ) {
        let n_in = weight.len() / dout.cols;
        multiply(
            dx,
            dout,
            Matrix::new(weight, dout.cols, n_in),
            sum,
            Threads::All,
            self.precision,
        );
    }

    /// Returns `dout · weight`, `[rows, n_in]`.
    pub(crate) fn replaced(&self, dout: Matrix<'_>, weight: &[f32], n_in: usize) -> Vec<f32> {
        let mut dx = Buffer::new(dout.rows * n_in);
        let to = MatrixMut::unwritten(dx.parts(), dout.rows, n_in);
        self.project_back(dout, weight, to, Sum::Replace);
        // SAFETY: a product writes the whole of what it replaces.
        unsafe { dx.written() }
    }

    /// `doutᵀ · x`: the gradient of a projection's weight, `[n_out, n_in]`.
    pub(crate) fn weight_gradient(&self, dout: Matrix<'_>, x: &[f32]) -> Vec<f32> {
        let n_in = x.len() / dout.rows;
        let mut dweight = Buffer::new(dout.cols * n_in);
        multiply(
            MatrixMut::unwritten(dweight.parts(), dout.cols, n_in),
            dout.transposed(),
            Matrix::new(x, dout.rows, n_in),
            Sum::Replace,
            Threads::All,
            self.precision,
        );
        // SAFETY: a product writes the whole of what it replaces.
        unsafe { dweight.written() }
    }

    /// Returns queries, keys and values side by side, `[tokens, width]`.
    pub(crate) fn project_qkv(&self, normed: &[f32], w: &ForwardWeights<'_>) -> Vec<f32> {
        let (hidden, width) = (self.hidden, self.heads.width());
        let tokens = normed.len() / hidden;
        let mut qkv = Buffer::new(tokens * width);
        let mut column = 0;
        for weight in [w.query, w.key, w.value] {
            let n_out = weight.n_out(hidden);
            let part = &mut qkv.parts()[column..];
            let out = MatrixMut::unwritten_with_stride(part, tokens, n_out, width);
            self.project(normed, weight, hidden, out, Sum::Replace);
            column += n_out;
        }
        assert_eq!(column, width, "projections fill a row");
        // SAFETY: each product writes all of its columns, and the three have all
        // columns.
        unsafe { qkv.written() }
    }

    /// Returns the layer's output, and the activations for the backward pass.
    ///
    /// # Shapes
    ///
    /// - `x` and the output: `[tokens, hidden]`
    pub fn forward(&self, layout: &Layout, x: &[f32], w: &ForwardWeights<'_>) -> (Vec<f32>, Saved) {
        let (hidden, heads) = (self.hidden, self.heads);
        let tokens = x.len() / hidden;

        let normed = rms_norm(x, w.input_norm, self.rms_norm_eps);
        let mut qkv = self.project_qkv(&normed, w);
        rotate(&layout.cos, &layout.sin, heads, &mut qkv, 1.0);
        let attended = attention::forward(layout, heads, &qkv);
        let mut middle = x.to_vec();
        let out = MatrixMut::new(&mut middle, tokens, hidden);
        self.project(&attended, w.output, heads.query_width(), out, Sum::Add);

        let (out, gate_up) = self.feed_forward(middle.clone(), &middle, w);
        let saved = Saved {
            qkv,
            attended,
            middle,
            gate_up,
        };
        (out, saved)
    }

    /// Returns the gradients of the layer's input and weights from the gradient of
    /// its output.
    ///
    /// # Shapes
    ///
    /// - `x`, `dout` and the input's gradient: `[tokens, hidden]`
    /// - gradients of weights: the shapes of the weights
    pub fn backward(
        &self,
        layout: &Layout,
        x: &[f32],
        w: &Weights<'_>,
        saved: &Saved,
        dout: &[f32],
    ) -> Gradients {
        let (hidden, heads) = (self.hidden, self.heads);
        let tokens = x.len() / hidden;
        let FeedForwardGradients {
            input: mut dx,
            post_norm,
            gate,
            up,
            down,
        } = self.feed_forward_backward(&saved.middle, &saved.gate_up, w, dout);
        let dmiddle = Matrix::new(&dx, tokens, hidden);
        let output = self.weight_gradient(dmiddle, &saved.attended);
        let dattended = self.replaced(dmiddle, w.output, heads.query_width());
        let mut dqkv = attention::backward(layout, heads, &saved.qkv, &saved.attended, &dattended);
        rotate(&layout.cos, &layout.sin, heads, &mut dqkv, -1.0);
        let eps = self.rms_norm_eps;
        let normed = rms_norm(x, w.input_norm, eps);
        let mut column = 0;
        let [dquery, dkey, dvalue] = [w.query, w.key, w.value].map(|weight| {
            let n_out = weight.len() / hidden;
            let d = Matrix::with_stride(&dqkv[column..], tokens, n_out, heads.width());
            column += n_out;
            d
        });
        let mut dnormed = self.replaced(dquery, w.query, hidden);
        for (d, weight) in [(dkey, w.key), (dvalue, w.value)] {
            let to = MatrixMut::new(&mut dnormed, tokens, hidden);
            self.project_back(d, weight, to, Sum::Add);
        }
        let [query, key, value] = [dquery, dkey, dvalue].map(|d| self.weight_gradient(d, &normed));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Segment;
    use crate::samples::values;

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
            let (out, saved) = config.forward(&layout, x, &(&w).into());
            let sum = out.iter().zip(&dout).map(|(a, b)| f64::from(a * b));
            let d = config.backward(&layout, x, &w, &saved, &dout);
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
        attention::forward(&layout, heads, &values(8 * heads.width(), 1));
    }
}
