//! Log-probs of given tokens and their gradients, in slices of rows, so that the logits
//! `[tokens, vocab]` are never in memory as a whole.

use rayon::prelude::*;

use super::matmul::{multiply, multiply_packed, packed};
use super::matrix::{Matrix, MatrixMut, Sum};
use crate::bf16::Packed;
use crate::buffer::Buffer;
use crate::precision::Precision;
use crate::simd;
use crate::weight_forms::Weight;

/// Logits in memory at once: 32 MiB.
const SLICE: usize = 1 << 23;

/// Returns the number of rows of logits in memory at once.
pub fn rows_at_once(n_rows: usize, vocab: usize) -> usize {
    (SLICE / vocab).clamp(16, 1024).min(n_rows.max(1))
}

/// Returns the logits of some rows, `hidden · headᵀ`, in the first elements of
/// `slice`.
fn logits<'a>(
    hidden: &[f32],
    head: Weight<'_>,
    width: usize,
    precision: Precision,
    slice: &'a mut Buffer,
) -> &'a mut [f32] {
    let (n_rows, vocab) = (hidden.len() / width, head.n_out(width));
    let out = &mut slice.parts()[..n_rows * vocab];
    let to = MatrixMut::unwritten(out, n_rows, vocab);
    let hidden = Matrix::new(hidden, n_rows, width);
    match head {
        Weight::F32(head) => {
            let head = Matrix::new(head, vocab, width).transposed();
            multiply(to, hidden, head, Sum::Replace, precision);
        }
        Weight::Packed(head) => multiply_packed(to, hidden, head, Sum::Replace),
    }
    // SAFETY: a product writes the whole of what it replaces.
    unsafe { out.assume_init_mut() }
}

/// What the backward pass reads of the forward pass.
pub struct Saved {
    /// Each row's log-sum-exp
    pub log_sums: Vec<f32>,
    /// The head as the forward pass packed it, to compute the logits again
    head: Option<Packed>,
}

/// Returns each target's log-prob, nats, and what the backward pass reads.
///
/// # Shapes
///
/// - `hidden`: `[rows, width]`
/// - `head`: `[vocab, width]`
/// - `targets`: `[rows]`, below `vocab`
/// - log-probs and log-sum-exps: `[rows]`
///
/// # Examples
///
/// Logits of 0 and ln 3 are probabilities of 1/4 and 3/4:
///
/// ```
/// use apo_kernels::weight_forms::Weight;
/// use apo_kernels::{Precision, log_prob};
///
/// let hidden = [3_f32.ln()];
/// let head = Weight::F32(&[0.0, 1.0]);
/// let (log_probs, saved) = log_prob::forward(&hidden, head, 1, &[1], Precision::F32);
/// assert!((log_probs[0] - 0.75_f32.ln()).abs() < 1e-6);
/// assert!((saved.log_sums[0] - 4_f32.ln()).abs() < 1e-6);
/// ```
pub fn forward(
    hidden: &[f32],
    head: Weight<'_>,
    width: usize,
    targets: &[usize],
    precision: Precision,
) -> (Vec<f32>, Saved) {
    let vocab = head.n_out(width);
    let at_once = rows_at_once(targets.len(), vocab);
    // Packed once for all slices.
    let packed_head = match head {
        Weight::F32(head) => {
            let head = Matrix::new(head, vocab, width).transposed();
            packed(head, targets.len(), precision)
        }
        Weight::Packed(_) => None,
    };
    let head = packed_head.as_ref().map_or(head, Weight::Packed);
    let mut slice = Buffer::new(at_once * vocab);
    let mut log_probs = Vec::with_capacity(targets.len());
    let mut log_sums = Vec::with_capacity(targets.len());
    for (targets, hidden) in targets.chunks(at_once).zip(hidden.chunks(at_once * width)) {
        let slice = logits(hidden, head, width, precision, &mut slice);
        let sums: Vec<f32> = slice.par_chunks(vocab).map(simd::log_sum_exp).collect();
        for ((row, &target), sum) in slice.chunks(vocab).zip(targets).zip(&sums) {
            log_probs.push(row[target] - sum);
        }
        log_sums.extend(sums);
    }
    let saved = Saved {
        log_sums,
        head: packed_head,
    };
    (log_probs, saved)
}

/// Returns the gradients of `hidden` and `head` from those of the log-probs.
///
/// # Shapes
///
/// - `hidden`: `[rows, width]`
/// - `head`: `[vocab, width]`
/// - `targets`, `dlog_probs`: `[rows]`
/// - results: the shapes of `hidden` and `head`
///
/// `saved` is what [`forward`] returned for the same arguments.
pub fn backward(
    hidden: &[f32],
    head: &[f32],
    width: usize,
    targets: &[usize],
    saved: &Saved,
    dlog_probs: &[f32],
    precision: Precision,
) -> (Vec<f32>, Vec<f32>) {
    let vocab = head.len() / width;
    let at_once = rows_at_once(targets.len(), vocab);
    if targets.is_empty() {
        return (vec![0.0; hidden.len()], vec![0.0; head.len()]);
    }
    assert_eq!(hidden.len(), targets.len() * width, "a row for each target");
    assert_eq!(head.len(), vocab * width, "rows are whole");
    let weight = saved
        .head
        .as_ref()
        .map_or(Weight::F32(head), Weight::Packed);
    // Packed once for all slices.
    let right = Matrix::new(head, vocab, width);
    let packed_right = packed(right, targets.len(), precision);
    let mut slice = Buffer::new(at_once * vocab);
    let mut dhidden = Buffer::new(hidden.len());
    let mut dhead = Buffer::new(head.len());
    let mut sum = Sum::Replace;
    for (i, targets) in targets.chunks(at_once).enumerate() {
        let first = i * at_once;
        let rows = first..first + targets.len();
        let hidden = &hidden[rows.start * width..rows.end * width];
        let slice = logits(hidden, weight, width, precision, &mut slice);
        slice
            .par_chunks_mut(vocab)
            .zip(targets)
            .zip(&saved.log_sums[rows.clone()])
            .zip(&dlog_probs[rows.clone()])
            .for_each(|(((row, &target), &log_sum), &d)| {
                simd::negative_softmax(row, log_sum, d);
                row[target] += d;
            });
        let dlogits = Matrix::new(slice, targets.len(), vocab);
        let part = &mut dhidden.parts()[rows.start * width..rows.end * width];
        let to = MatrixMut::unwritten(part, targets.len(), width);
        match &packed_right {
            Some(right) => multiply_packed(to, dlogits, right, Sum::Replace),
            None => multiply(to, dlogits, right, Sum::Replace, precision),
        }
        let to = match sum {
            Sum::Replace => MatrixMut::unwritten(dhead.parts(), vocab, width),
            // SAFETY: the product of the first rows has written all of it.
            Sum::Add => MatrixMut::new(unsafe { dhead.parts().assume_init_mut() }, vocab, width),
        };
        multiply(
            to,
            dlogits.transposed(),
            Matrix::new(hidden, targets.len(), width),
            sum,
            precision,
        );
        sum = Sum::Add;
    }
    // SAFETY: each slice of rows writes its part of `dhidden`, and there is a target
    // for each row; the first slice writes all of `dhead`.
    unsafe { (dhidden.assume_init(), dhead.assume_init()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_several_slices_give_what_one_slice_gives() {
        let (width, vocab) = (3, 5);
        // More rows than exist at once, whatever a slice holds.
        let n_rows = if cfg!(miri) { 20 } else { 1500 };
        let value = |i: usize| ((i * 7919 % 101) as f32 - 50.0) / 50.0;
        let hidden: Vec<f32> = (0..n_rows * width).map(value).collect();
        let head: Vec<f32> = (3..3 + vocab * width).map(value).collect();
        let targets: Vec<usize> = (0..n_rows).map(|row| row * 3 % vocab).collect();
        let weight = Weight::F32(&head);
        let (log_probs, saved) = forward(&hidden, weight, width, &targets, Precision::F32);
        let d: Vec<f32> = (0..n_rows).map(|row| value(row + 11)).collect();
        let (dhidden, dhead) =
            backward(&hidden, &head, width, &targets, &saved, &d, Precision::F32);
        let mut expected = vec![0.0_f64; head.len()];
        for (row, &target) in targets.iter().enumerate() {
            let x = &hidden[row * width..][..width];
            let logits = head.chunks(width).map(|head| {
                let products = head.iter().zip(x).map(|(a, b)| f64::from(a * b));
                products.sum::<f64>()
            });
            let logits: Vec<f64> = logits.collect();
            let log_sum = logits.iter().map(|it| it.exp()).sum::<f64>().ln();
            let log_prob = logits[target] - log_sum;
            assert!((f64::from(log_probs[row]) - log_prob).abs() < 1e-5);
            let mut dx = vec![0.0; width];
            for (token, logit) in logits.iter().enumerate() {
                let one = f64::from(u8::from(token == target));
                let dlogit = f64::from(d[row]) * (one - (logit - log_sum).exp());
                for i in 0..width {
                    dx[i] += dlogit * f64::from(head[token * width + i]);
                    expected[token * width + i] += dlogit * f64::from(x[i]);
                }
            }
            for (found, expected) in dhidden[row * width..].iter().zip(dx) {
                assert!((f64::from(*found) - expected).abs() < 1e-5);
            }
        }
        for (found, expected) in dhead.iter().zip(expected) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-3,
                "{found} {expected}"
            );
        }
        let (_, saved) = forward(&[], weight, width, &[], Precision::F32);
        let none = backward(&[], &head, width, &[], &saved, &[], Precision::F32);
        assert_eq!(none, (vec![], vec![0.0; head.len()]));
    }
}
