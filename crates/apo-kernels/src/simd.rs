//! Row-wise arithmetic, compiled for several instruction sets.
//!
//! The programs are built for plain x86-64, where loops get four lanes and a fused
//! multiply-add is a library call. So each function below is compiled three times, and
//! one of them is chosen at run time.

use std::mem::MaybeUninit;

/// Compiles each function for AVX-512, for AVX2 with FMA, and for the plain target. The
/// processor decides at run time which one runs.
macro_rules! for_each_instruction_set {
    ($(
        $(#[$meta:meta])*
        pub fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    )*) => { $(
        $(#[$meta])*
        pub fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn generic($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
                fn v4($($arg: $type),*) $(-> $result)? {
                    generic($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn v3($($arg: $type),*) $(-> $result)? {
                    generic($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the processor has the instructions.
                    return unsafe { v4($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has the instructions.
                    return unsafe { v3($($arg),*) };
                }
            }
            generic($($arg),*)
        }
    )* };
}

/// Lanes of the sums below: two AVX-512 registers, so that additions overlap.
const LANES: usize = 32;

/// Returns `e^x` with a relative error below 3e-7. It is a polynomial, so loops over it
/// vectorise. Arguments are clamped to those whose result f32 can hold.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn exp(x: f32) -> f32 {
    // e^x = 2^n · e^r with n = round(x / ln 2). ln 2 is subtracted in two parts, so
    // that r keeps its digits. The polynomial is that of Cephes' expf.
    let x = x.clamp(-87.3, 88.3);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4_f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let y = (p * r).mul_add(r, r) + 1.0;
    f32::from_bits(((n as i32 + 127) << 23) as u32) * y
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn sum_of_products(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_parts.remainder(), b_parts.remainder());
    for (x, y) in a_parts.zip(b_parts) {
        for i in 0..LANES {
            lanes[i] = x[i].mul_add(y[i], lanes[i]);
        }
    }
    let mut sum: f32 = lanes.iter().sum();
    for (x, y) in a_rest.iter().zip(b_rest) {
        sum += x * y;
    }
    sum
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn sum_of(a: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let parts = a.chunks_exact(LANES);
    let mut sum: f32 = parts.remainder().iter().sum();
    for part in parts {
        for i in 0..LANES {
            lanes[i] += part[i];
        }
    }
    sum += lanes.iter().sum::<f32>();
    sum
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn maximum_of(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let parts = a.chunks_exact(LANES);
    let mut maximum = parts
        .remainder()
        .iter()
        .fold(f32::NEG_INFINITY, |m, &x| m.max(x));
    for part in parts {
        for i in 0..LANES {
            lanes[i] = if part[i] > lanes[i] {
                part[i]
            } else {
                lanes[i]
            };
        }
    }
    for lane in lanes {
        maximum = maximum.max(lane);
    }
    maximum
}

/// `1 / sqrt(mean(x²) + eps)`
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
fn inverse_root_mean_square(x: &[f32], eps: f32) -> f32 {
    1.0 / (sum_of_products(x, x) / x.len() as f32 + eps).sqrt()
}

for_each_instruction_set! {
    /// Adds `from` to `to`.
    ///
    /// # Shapes
    ///
    /// - `to`, `from`: `[elements]`
    pub fn add(to: &mut [f32], from: &[f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to += from;
        }
    }

    /// Returns `Σ aᵢ bᵢ`.
    ///
    /// # Shapes
    ///
    /// - `a`, `b`: `[elements]`
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        sum_of_products(a, b)
    }

    /// Writes `scale · from` to `to`.
    ///
    /// # Shapes
    ///
    /// - `to`, `from`: `[elements]`
    pub fn scale_into(to: &mut [f32], from: &[f32], scale: f32) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from * scale;
        }
    }

    /// Multiplies a row by `scale`.
    ///
    /// # Shapes
    ///
    /// - `row`: `[elements]`
    pub fn scale(row: &mut [f32], scale: f32) {
        for x in row {
            *x *= scale;
        }
    }

    /// Writes the RMS norm of each row, `x / rms(x) · weight`. Writes all of `out` if
    /// `x` and `out` have the same number of whole rows.
    ///
    /// # Shapes
    ///
    /// - `x`, `out`: `[rows, hidden]`
    /// - `weight`: `[hidden]`
    pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [MaybeUninit<f32>]) {
        let hidden = weight.len();
        for (out, x) in out.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)) {
            let scale = inverse_root_mean_square(x, eps);
            for i in 0..hidden {
                out[i].write(x[i] * scale * weight[i]);
            }
        }
    }

    /// Adds the gradients of [`rms_norm`] to `dx` and `dweight`.
    ///
    /// # Shapes
    ///
    /// - `x`, `dout`, `dx`: `[rows, hidden]`
    /// - `weight`, `dweight`: `[hidden]`
    pub fn rms_norm_backward(
        x: &[f32],
        weight: &[f32],
        eps: f32,
        dout: &[f32],
        dx: &mut [f32],
        dweight: &mut [f32],
    ) {
        let hidden = weight.len();
        let mut weighted = vec![0.0_f32; hidden];
        let rows = dx.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)).zip(dout.chunks_exact(hidden));
        for ((dx, x), dout) in rows {
            let scale = inverse_root_mean_square(x, eps);
            for i in 0..hidden {
                weighted[i] = dout[i] * weight[i];
                dweight[i] += dout[i] * x[i] * scale;
            }
            let along_x = sum_of_products(&weighted, x) * scale * scale * scale / hidden as f32;
            for i in 0..hidden {
                dx[i] += weighted[i] * scale - x[i] * along_x;
            }
        }
    }

    /// Rotates each head of a row by its position; with `direction` −1, rotates it back.
    ///
    /// # Shapes
    ///
    /// - `row`: `[heads · head_dim]`
    /// - `cos`, `sin`: `[head_dim / 2]`
    pub fn rotate(row: &mut [f32], cos: &[f32], sin: &[f32], direction: f32) {
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

    /// Replaces a row by its softmax.
    ///
    /// # Shapes
    ///
    /// - `row`: `[scores]`
    pub fn softmax(row: &mut [f32]) {
        let maximum = maximum_of(row);
        for x in row.iter_mut() {
            *x = exp(*x - maximum);
        }
        let inverse = 1.0 / sum_of(row);
        for x in row.iter_mut() {
            *x *= inverse;
        }
    }

    /// Replaces the gradient of probabilities by that of their scores, `prob · (dprob −
    /// along)`, where `along` is `Σ prob · dprob`.
    ///
    /// # Shapes
    ///
    /// - `prob`, `dprob`: `[scores]`
    pub fn softmax_backward(prob: &[f32], dprob: &mut [f32], along: f32) {
        for (d, p) in dprob.iter_mut().zip(prob) {
            *d = p * (*d - along);
        }
    }

    /// Writes `silu(gate) · up` of rows that hold the gate, then the up projection.
    /// Writes all of `out` if both have the same number of whole rows.
    ///
    /// # Shapes
    ///
    /// - `gate_up`: `[rows, 2 · intermediate]`
    /// - `out`: `[rows, intermediate]`
    pub fn swiglu(gate_up: &[f32], intermediate: usize, out: &mut [MaybeUninit<f32>]) {
        for (out, row) in out.chunks_exact_mut(intermediate).zip(gate_up.chunks_exact(2 * intermediate)) {
            let (gate, up) = row.split_at(intermediate);
            for i in 0..intermediate {
                out[i].write(gate[i] / (1.0 + exp(-gate[i])) * up[i]);
            }
        }
    }

    /// Writes the gradient of `gate_up` in [`swiglu`]. Writes all of `dgate_up` if all
    /// three have the same number of whole rows.
    ///
    /// # Shapes
    ///
    /// - `gate_up`, `dgate_up`: `[rows, 2 · intermediate]`
    /// - `dout`: `[rows, intermediate]`
    pub fn swiglu_backward(
        gate_up: &[f32],
        intermediate: usize,
        dout: &[f32],
        dgate_up: &mut [MaybeUninit<f32>],
    ) {
        let rows = dgate_up
            .chunks_exact_mut(2 * intermediate)
            .zip(gate_up.chunks_exact(2 * intermediate))
            .zip(dout.chunks_exact(intermediate));
        for ((dgate_up, row), dout) in rows {
            let (gate, up) = row.split_at(intermediate);
            let (dgate, dup) = dgate_up.split_at_mut(intermediate);
            for i in 0..intermediate {
                let sigmoid = 1.0 / (1.0 + exp(-gate[i]));
                let silu = gate[i] * sigmoid;
                dup[i].write(dout[i] * silu);
                dgate[i].write(dout[i] * up[i] * (sigmoid + silu * (1.0 - sigmoid)));
            }
        }
    }

    /// Returns `ln Σ exp(x)` of a row of logits.
    ///
    /// It adds short f32 sums in f64, because a plain f32 sum over a vocabulary of 50,000
    /// tokens loses the small terms.
    ///
    /// # Shapes
    ///
    /// - `row`: `[vocabulary]`
    pub fn log_sum_exp(row: &[f32]) -> f32 {
        let maximum = maximum_of(row);
        let mut sum = 0.0_f64;
        for part in row.chunks(1024) {
            let mut lanes = [0.0_f32; LANES];
            let blocks = part.chunks_exact(LANES);
            for &x in blocks.remainder() {
                sum += f64::from(exp(x - maximum));
            }
            for block in blocks {
                for i in 0..LANES {
                    lanes[i] += exp(block[i] - maximum);
                }
            }
            sum += f64::from(lanes.iter().sum::<f32>());
        }
        maximum + sum.ln() as f32
    }

    /// Turns logits into `−scale · softmax`, given their log-sum-exp.
    ///
    /// # Shapes
    ///
    /// - `row`: `[vocabulary]`
    pub fn negative_softmax(row: &mut [f32], log_sum_exp: f32, scale: f32) {
        for x in row.iter_mut() {
            *x = -scale * exp(*x - log_sum_exp);
        }
    }

    /// Replaces each logit by `exp((x − maximum) · scale)` and returns their sum.
    ///
    /// # Shapes
    ///
    /// - `row`: `[vocabulary]`
    pub fn exponentials(row: &mut [f32], scale: f32) -> f64 {
        let maximum = maximum_of(row);
        for x in row.iter_mut() {
            *x = exp((*x - maximum) * scale);
        }
        row.chunks(1024).map(|part| f64::from(sum_of(part))).sum()
    }

    /// Returns the largest value of a row.
    ///
    /// # Shapes
    ///
    /// - `row`: `[elements]`
    pub fn maximum(row: &[f32]) -> f32 {
        maximum_of(row)
    }

    /// Returns the indices of the values that are at least `least`, in order.
    ///
    /// # Shapes
    ///
    /// - `row`: `[elements]`
    /// - result: `[found]`
    pub fn at_least(row: &[f32], least: f32) -> Vec<usize> {
        let mut found = Vec::new();
        for (i, part) in row.chunks(4 * LANES).enumerate() {
            if maximum_of(part) >= least {
                let first = i * 4 * LANES;
                let within = part.iter().enumerate().filter(|(_, x)| **x >= least);
                found.extend(within.map(|(j, _)| first + j));
            }
        }
        found
    }

    /// Writes the attention of one query head over two runs of keys and values. `place`
    /// is `[stride, column]`: rows are `stride` elements apart, and the head begins at
    /// `column`. `scores` is scratch space.
    ///
    /// # Shapes
    ///
    /// - `query`, `out`: `[head_dim]`
    /// - `keys`, `values`: `[tokens, stride]` each
    /// - `scores`: at least the tokens of both runs
    pub fn attend(
        query: &[f32],
        keys: [&[f32]; 2],
        values: [&[f32]; 2],
        place: [usize; 2],
        scores: &mut [f32],
        out: &mut [f32],
    ) {
        let ([stride, column], head_dim) = (place, query.len());
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut n = 0;
        for part in keys {
            for key in part.chunks_exact(stride) {
                scores[n] = sum_of_products(query, &key[column..column + head_dim]) * scale;
                n += 1;
            }
        }
        let scores = &mut scores[..n];
        let maximum = maximum_of(scores);
        for score in scores.iter_mut() {
            *score = exp(*score - maximum);
        }
        let inverse = 1.0 / sum_of(scores);
        out.fill(0.0);
        let mut n = 0;
        for part in values {
            for value in part.chunks_exact(stride) {
                let weight = scores[n] * inverse;
                for (out, value) in out.iter_mut().zip(&value[column..column + head_dim]) {
                    *out = value.mul_add(weight, *out);
                }
                n += 1;
            }
        }
    }

    /// Takes one AdamW step of some parameters; see [`super::adamw`].
    ///
    /// # Shapes
    ///
    /// - all slices: `[elements]`
    pub fn adamw(
        parameter: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        step: &super::adamw::AdamWStep,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_stays_within_its_stated_error() {
        let mut worst = 0.0_f64;
        let step = if cfg!(miri) { 997 } else { 1 };
        for i in (-87_000..88_000).step_by(step) {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            worst = worst.max(((f64::from(exp(x)) - exact) / exact).abs());
        }
        assert!(worst < 3e-7, "off by {worst}, relative");
    }

    #[test]
    fn log_sum_exp_keeps_the_small_terms() {
        // One term of 1 and 49,151 of e^-12: a plain f32 sum would stall.
        let mut row = vec![-12.0_f32; 49_152];
        row[7] = 0.0;
        let exact = (1.0 + 49_151.0 * (-12.0_f64).exp()).ln();
        assert!((f64::from(log_sum_exp(&row)) - exact).abs() < 1e-6);
    }

    #[test]
    fn softmax_of_extreme_scores_is_finite() {
        let mut row = [500.0, -500.0, 499.0];
        softmax(&mut row);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        assert!(row[1] < 1e-30, "{row:?}");
    }
}
