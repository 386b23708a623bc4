//! Log-probs of given tokens, and their gradients, in slices of rows: the
//! logits `[tokens, vocab]` never exist as a whole.

use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, Sum, Threads, multiply};
use super::{buffer, simd};
use crate::Precision;

/// Logits that exist at once: 32 MiB of them.
const SLICE: usize = 1 << 23;

/// Returns how many rows' logits exist at once.
pub(crate) fn rows_at_once(n_rows: usize, vocab: usize) -> usize {
    (SLICE / vocab).clamp(16, 1024).min(n_rows.max(1))
}

/// Writes the logits of some rows: `hidden · headᵀ`.
fn logits(hidden: &[f32], head: &[f32], width: usize, precision: Precision, out: &mut [f32]) {
    let (n_rows, vocab) = (hidden.len() / width, head.len() / width);
    multiply(
        MatrixMut::new(out, n_rows, vocab),
        Matrix::new(hidden, n_rows, width),
        Matrix::new(head, vocab, width).transposed(),
        Sum::Replace,
        Threads::All,
        precision,
    );
}

/// Returns each target's log-prob and each row's log-sum-exp.
///
/// `hidden` is `[rows, width]`, `head` `[vocab, width]`, `targets` `[rows]`,
/// below `vocab`.
pub(crate) fn forward(
    hidden: &[f32],
    head: &[f32],
    width: usize,
    targets: &[usize],
    precision: Precision,
) -> (Vec<f32>, Vec<f32>) {
    let vocab = head.len() / width;
    let at_once = rows_at_once(targets.len(), vocab);
    let mut slice = buffer(at_once * vocab);
    let mut log_probs = Vec::with_capacity(targets.len());
    let mut log_sums = Vec::with_capacity(targets.len());
    for (targets, hidden) in targets.chunks(at_once).zip(hidden.chunks(at_once * width)) {
        let slice = &mut slice[..targets.len() * vocab];
        logits(hidden, head, width, precision, slice);
        let sums: Vec<f32> = slice.par_chunks(vocab).map(simd::log_sum_exp).collect();
        for ((row, &target), sum) in slice.chunks(vocab).zip(targets).zip(&sums) {
            log_probs.push(row[target] - sum);
        }
        log_sums.extend(sums);
    }
    (log_probs, log_sums)
}

/// Returns the gradients of `hidden` and `head` from those of the log-probs.
pub(crate) fn backward(
    hidden: &[f32],
    head: &[f32],
    width: usize,
    targets: &[usize],
    log_sums: &[f32],
    dlog_probs: &[f32],
    precision: Precision,
) -> (Vec<f32>, Vec<f32>) {
    let vocab = head.len() / width;
    let at_once = rows_at_once(targets.len(), vocab);
    let mut slice = buffer(at_once * vocab);
    let mut dhidden = buffer(hidden.len());
    let mut dhead = buffer(head.len());
    let mut sum = Sum::Replace;
    for (i, targets) in targets.chunks(at_once).enumerate() {
        let first = i * at_once;
        let rows = first..first + targets.len();
        let hidden = &hidden[rows.start * width..rows.end * width];
        let slice = &mut slice[..targets.len() * vocab];
        logits(hidden, head, width, precision, slice);
        slice
            .par_chunks_mut(vocab)
            .zip(targets)
            .zip(&log_sums[rows.clone()])
            .zip(&dlog_probs[rows.clone()])
            .for_each(|(((row, &target), &log_sum), &d)| {
                simd::negative_softmax(row, log_sum, d);
                row[target] += d;
            });
        let dlogits = Matrix::new(slice, targets.len(), vocab);
        multiply(
            MatrixMut::new(
                &mut dhidden[rows.start * width..rows.end * width],
                targets.len(),
                width,
            ),
            dlogits,
            Matrix::new(head, vocab, width),
            Sum::Replace,
            Threads::All,
            precision,
        );
        multiply(
            MatrixMut::new(&mut dhead, vocab, width),
            dlogits.transposed(),
            Matrix::new(hidden, targets.len(), width),
            sum,
            Threads::All,
            precision,
        );
        sum = Sum::Add;
    }
    if targets.is_empty() {
        dhead.fill(0.0);
    }
    (dhidden, dhead)
}
