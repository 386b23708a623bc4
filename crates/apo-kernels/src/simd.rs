//! Arithmetic of rows: sums, maxima, exponentials and what is made of them, compiled
//! for several instruction sets.

use crate::instruction_sets::for_each_instruction_set;

/// Lanes of the sums below: two AVX-512 registers, so that additions overlap.
pub(crate) const LANES: usize = 32;

/// 1.5 · 2²³: a small number that is added to it is rounded to an integer, ties to even,
/// which the low bits of the sum hold. `as i32` would not vectorise.
const ROUND: f32 = 12_582_912.0;

/// Returns `e^x` with a relative error below 3e-7. It is a polynomial, so loops over it
/// vectorise. Arguments are clamped to those whose result f32 can hold.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
pub(crate) fn exp(x: f32) -> f32 {
    // e^x = 2^n · e^r with n = round(x / ln 2). ln 2 is subtracted in two parts, so
    // that r keeps its digits. The polynomial is that of Cephes' expf.
    let x = x.clamp(-87.3, 88.3);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4_f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let y = (p * r).mul_add(r, r) + 1.0;
    f32::from_bits(rounded.to_bits().wrapping_add(127) << 23) * y
}

/// Returns `Σ aᵢ bᵢ` of `[elements]` each.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
pub(crate) fn sum_of_products(a: &[f32], b: &[f32]) -> f32 {
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

/// Returns the sum of a row, `[elements]`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
pub(crate) fn sum_of(a: &[f32]) -> f32 {
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

/// Returns the largest value of a row, `[elements]`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take its caller's instruction set"
)]
pub(crate) fn maximum_of(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let parts = a.chunks_exact(LANES);
    let maximum = parts
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
    let mut n = LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = lanes[i].max(lanes[i + n]);
        }
    }
    maximum.max(lanes[0])
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
