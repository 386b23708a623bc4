//! A decoder layer, forward and backward, over the flat tokens of a batch of
//! prompt trees.

use std::ops::Range;

use rayon::prelude::*;

use super::attention::{self, Heads};
use super::matrix::{Matrix, MatrixMut, Sum, Threads, multiply};
use super::{ROWS_A_TASK, buffer, simd};
use crate::Precision;
use crate::tree::Layout;

/// What a layer's arithmetic needs to know beside weights and tokens.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) intermediate: usize,
    pub(crate) heads: Heads,
    pub(crate) rms_norm_eps: f32,
    pub(crate) precision: Precision,
}

/// A layer's weights as its file holds them: projections `[out, in]`.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub(crate) input_norm: &'a [f32],
    pub(crate) query: &'a [f32],
    pub(crate) key: &'a [f32],
    pub(crate) value: &'a [f32],
    pub(crate) output: &'a [f32],
    pub(crate) post_norm: &'a [f32],
    pub(crate) gate: &'a [f32],
    pub(crate) up: &'a [f32],
    pub(crate) down: &'a [f32],
}

/// What the backward pass needs of the forward pass, beside the input.
pub(crate) struct Saved {
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
    /// Returns the keys and values of some rows, `[rows, kv_heads · head_dim]` each.
    pub(crate) fn keys_and_values(&self, heads: Heads, rows: Range<usize>) -> (Vec<f32>, Vec<f32>) {
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
pub(crate) struct Gradients {
    pub(crate) input: Vec<f32>,
    pub(crate) input_norm: Vec<f32>,
    pub(crate) query: Vec<f32>,
    pub(crate) key: Vec<f32>,
    pub(crate) value: Vec<f32>,
    pub(crate) output: Vec<f32>,
    pub(crate) post_norm: Vec<f32>,
    pub(crate) gate: Vec<f32>,
    pub(crate) up: Vec<f32>,
    pub(crate) down: Vec<f32>,
}

/// RMS norm of each row, over the threads.
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let part = weight.len() * ROWS_A_TASK;
    let mut out = buffer(x.len());
    out.par_chunks_mut(part)
        .zip(x.par_chunks(part))
        .for_each(|(out, x)| simd::rms_norm(x, weight, eps, out));
    out
}

/// Adds the norm's gradient to `dx` and returns that of its weight.
fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dout: &[f32],
    dx: &mut [f32],
) -> Vec<f32> {
    let part = weight.len() * ROWS_A_TASK;
    let partial: Vec<Vec<f32>> = dx
        .par_chunks_mut(part)
        .zip(x.par_chunks(part))
        .zip(dout.par_chunks(part))
        .map(|((dx, x), dout)| {
            let mut dweight = vec![0.0; weight.len()];
            simd::rms_norm_backward(x, weight, eps, dout, dx, &mut dweight);
            dweight
        })
        .collect();
    let mut dweight = vec![0.0; weight.len()];
    for part in &partial {
        simd::add(&mut dweight, part);
    }
    dweight
}

fn swiglu(gate_up: &[f32], intermediate: usize) -> Vec<f32> {
    let mut out = buffer(gate_up.len() / 2);
    out.par_chunks_mut(intermediate * ROWS_A_TASK)
        .zip(gate_up.par_chunks(2 * intermediate * ROWS_A_TASK))
        .for_each(|(out, gate_up)| simd::swiglu(gate_up, intermediate, out));
    out
}

/// Turns the queries and keys of each row by its position.
pub(super) fn rotate(cos: &[f32], sin: &[f32], heads: Heads, qkv: &mut [f32], direction: f32) {
    let (width, half) = (heads.width(), heads.head_dim / 2);
    let turned = (heads.heads + heads.kv_heads) * heads.head_dim;
    qkv.par_chunks_mut(width)
        .with_min_len(ROWS_A_TASK)
        .zip(cos.par_chunks(half))
        .zip(sin.par_chunks(half))
        .for_each(|((row, cos), sin)| simd::rotate(&mut row[..turned], cos, sin, direction));
}

impl Shape {
    /// `out (+)= x · weightᵀ` with `x` `[tokens, n_in]`, `weight` `[n_out, n_in]`.
    pub(super) fn project(
        &self,
        x: &[f32],
        weight: &[f32],
        n_in: usize,
        out: MatrixMut<'_>,
        sum: Sum,
    ) {
        let (n_rows, n_out) = (x.len() / n_in, weight.len() / n_in);
        multiply(
            out,
            Matrix::new(x, n_rows, n_in),
            Matrix::new(weight, n_out, n_in).transposed(),
            sum,
            Threads::All,
            self.precision,
        );
    }

    /// `dx (+)= dout · weight`
    fn project_back(&self, dout: Matrix<'_>, weight: &[f32], dx: &mut [f32], sum: Sum) {
        let n_in = weight.len() / dout.cols;
        multiply(
            MatrixMut::new(dx, dout.rows, n_in),
            dout,
            Matrix::new(weight, dout.cols, n_in),
            sum,
            Threads::All,
            self.precision,
        );
    }

    /// `doutᵀ · x`: the gradient of a projection's weight, `[n_out, n_in]`.
    fn weight_gradient(&self, dout: Matrix<'_>, x: &[f32]) -> Vec<f32> {
        let n_in = x.len() / dout.rows;
        let mut dweight = buffer(dout.cols * n_in);
        multiply(
            MatrixMut::new(&mut dweight, dout.cols, n_in),
            dout.transposed(),
            Matrix::new(x, dout.rows, n_in),
            Sum::Replace,
            Threads::All,
            self.precision,
        );
        dweight
    }

    /// Writes queries, keys and values side by side, `[tokens, width]`.
    pub(super) fn project_qkv(&self, normed: &[f32], w: &Weights<'_>, qkv: &mut [f32]) {
        let (hidden, width) = (self.hidden, self.heads.width());
        let tokens = normed.len() / hidden;
        let mut column = 0;
        for weight in [w.query, w.key, w.value] {
            let n_out = weight.len() / hidden;
            let out = MatrixMut::with_stride(&mut qkv[column..], tokens, n_out, width);
            self.project(normed, weight, hidden, out, Sum::Replace);
            column += n_out;
        }
    }

    /// Adds the feed-forward network's output for `middle` to `out`; returns
    /// that, and the gate and up projections `[tokens, 2 · intermediate]`.
    pub(super) fn feed_forward(
        &self,
        mut out: Vec<f32>,
        middle: &[f32],
        w: &Weights<'_>,
    ) -> (Vec<f32>, Vec<f32>) {
        let (hidden, intermediate) = (self.hidden, self.intermediate);
        let tokens = middle.len() / hidden;
        let normed = rms_norm(middle, w.post_norm, self.rms_norm_eps);
        let mut gate_up = buffer(tokens * 2 * intermediate);
        for (column, weight) in [(0, w.gate), (intermediate, w.up)] {
            let part = &mut gate_up[column..];
            let to = MatrixMut::with_stride(part, tokens, intermediate, 2 * intermediate);
            self.project(&normed, weight, hidden, to, Sum::Replace);
        }
        let activated = swiglu(&gate_up, intermediate);
        let sum = MatrixMut::new(&mut out, tokens, hidden);
        self.project(&activated, w.down, intermediate, sum, Sum::Add);
        (out, gate_up)
    }

    /// Returns the layer's output `[tokens, hidden]` and what the backward
    /// pass needs.
    pub(crate) fn forward(&self, layout: &Layout, x: &[f32], w: &Weights<'_>) -> (Vec<f32>, Saved) {
        let (hidden, heads) = (self.hidden, self.heads);
        let tokens = x.len() / hidden;
        let width = heads.width();

        let normed = rms_norm(x, w.input_norm, self.rms_norm_eps);
        let mut qkv = buffer(tokens * width);
        self.project_qkv(&normed, w, &mut qkv);
        rotate(&layout.cos, &layout.sin, heads, &mut qkv, 1.0);
        let mut attended = buffer(tokens * heads.query_width());
        attention::forward(layout, heads, &qkv, &mut attended);
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

    /// Returns the gradients of the layer's input and weights from that of its
    /// output.
    pub(crate) fn backward(
        &self,
        layout: &Layout,
        x: &[f32],
        w: &Weights<'_>,
        saved: &Saved,
        dout: &[f32],
    ) -> Gradients {
        let (hidden, intermediate, heads) = (self.hidden, self.intermediate, self.heads);
        let tokens = x.len() / hidden;
        let matrix = |data| Matrix::new(data, tokens, hidden);

        // Feed-forward.
        let mut activated = swiglu(&saved.gate_up, intermediate);
        let down = self.weight_gradient(matrix(dout), &activated);
        let dactivated = &mut activated;
        self.project_back(matrix(dout), w.down, dactivated, Sum::Replace);
        let mut dgate_up = buffer(tokens * 2 * intermediate);
        let part = intermediate * ROWS_A_TASK;
        dgate_up
            .par_chunks_mut(2 * part)
            .zip(saved.gate_up.par_chunks(2 * part))
            .zip(dactivated.par_chunks(part))
            .for_each(|((d, gate_up), dactivated)| {
                simd::swiglu_backward(gate_up, intermediate, dactivated, d);
            });
        drop(activated);
        let normed = rms_norm(&saved.middle, w.post_norm, self.rms_norm_eps);
        let half = |column: usize| {
            Matrix::with_stride(&dgate_up[column..], tokens, intermediate, 2 * intermediate)
        };
        let gate = self.weight_gradient(half(0), &normed);
        let up = self.weight_gradient(half(intermediate), &normed);
        let mut dnormed = buffer(tokens * hidden);
        self.project_back(half(0), w.gate, &mut dnormed, Sum::Replace);
        self.project_back(half(intermediate), w.up, &mut dnormed, Sum::Add);
        let mut dx = dout.to_vec();
        let eps = self.rms_norm_eps;
        let post_norm = rms_norm_backward(&saved.middle, w.post_norm, eps, &dnormed, &mut dx);
        drop(dgate_up);

        // Attention.
        let output = self.weight_gradient(matrix(&dx), &saved.attended);
        let mut dattended = buffer(tokens * heads.query_width());
        self.project_back(matrix(&dx), w.output, &mut dattended, Sum::Replace);
        let mut dqkv = buffer(tokens * heads.width());
        attention::backward(
            layout,
            heads,
            &saved.qkv,
            &saved.attended,
            &dattended,
            &mut dqkv,
        );
        rotate(&layout.cos, &layout.sin, heads, &mut dqkv, -1.0);
        let normed = rms_norm(x, w.input_norm, eps);
        let (mut column, mut sum) = (0, Sum::Replace);
        let mut projections = [w.query, w.key, w.value].map(|weight| {
            let n_out = weight.len() / hidden;
            let d = Matrix::with_stride(&dqkv[column..], tokens, n_out, heads.width());
            self.project_back(d, weight, &mut dnormed, sum);
            column += n_out;
            sum = Sum::Add;
            self.weight_gradient(d, &normed)
        });
        let input_norm = rms_norm_backward(x, w.input_norm, eps, &dnormed, &mut dx);
        let [query, key, value] = projections.each_mut().map(std::mem::take);
        Gradients {
            input: dx,
            input_norm,
            query,
            key,
            value,
            output,
            post_norm,
            gate,
            up,
            down,
        }
    }
}
