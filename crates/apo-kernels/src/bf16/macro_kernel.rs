//! A product as blocks of packed panels, spread over the threads.

use std::ops::Range;

use rayon::prelude::*;

use super::micro_kernel::{Block, MicroKernel, Operands};
use super::pack::SIDE;
use super::panels::Panels;
use crate::matrix::{MatrixMut, Sum, Threads, is_done};

/// Computes `out (+)= left · right`.
///
/// # Shapes
///
/// - `left`: `[rows, depth]`
/// - `right`: `[depth, cols]`
/// - `out`: `[rows, cols]`
///
/// # Panics
///
/// As [`is_done`], and when the panels are another kernel's.
pub fn multiply<K: MicroKernel>(
    kernel: K,
    out: &MatrixMut<'_>,
    left: &Panels,
    right: &Panels,
    sum: Sum,
    threads: Threads,
) {
    let shape = [left.lanes, left.depth];
    if is_done(out, shape, [right.depth, right.lanes], sum) {
        return;
    }
    let widths = [left.width, right.width];
    assert_eq!(widths, [K::ROWS, K::COLS], "panels of this kernel");
    let depths = depths::<K>(left.depth);
    let tasks = tasks([left.len(), right.len()], K::PANELS, threads);
    for_each(threads, tasks, |[row_panels, col_panels]| {
        let thread = kernel.on_thread();
        for depth in &depths {
            let sum = if depth.start > 0 { Sum::Add } else { sum };
            for col_panel in col_panels.clone() {
                let cols = right.lanes_of(col_panel);
                let next = (col_panel + 1 < col_panels.end).then_some(col_panel + 1);
                for (i, row_panel) in row_panels.clone().enumerate() {
                    let rows = left.lanes_of(row_panel);
                    let block = Block {
                        start: out.block(rows.start, cols.start, rows.len(), cols.len()),
                        stride: out.row_stride,
                        rows: rows.len(),
                        cols: cols.len(),
                    };
                    let operands = Operands {
                        left: left.pairs(row_panel, depth),
                        right: right.pairs(col_panel, depth),
                        next: share(right, next, depth, [i, row_panels.len()]),
                    };
                    // SAFETY: a task owns its rows and columns, so that no other
                    // writes to this block; `is_done` has seen that what is added to
                    // has values, or an earlier depth has written it.
                    unsafe { kernel.multiply(&thread, operands, block, sum) };
                }
            }
        }
    });
}

/// Returns the parts of a depth, in pairs, that the kernel sums at a time. They are about
/// equal: a short last one would read and write all sums for little.
pub fn depths<K: MicroKernel>(depth: usize) -> Vec<Range<usize>> {
    let pairs = depth.div_ceil(2).next_multiple_of(SIDE);
    let step = pairs.div_ceil((2 * pairs).div_ceil(K::DEPTH).max(1));
    let step = step.next_multiple_of(SIDE).max(SIDE);
    let starts = (0..pairs).step_by(step);
    starts
        .map(|start| start..(start + step).min(pairs))
        .collect()
}

/// Returns the panels of rows and of columns of each task, given the number of both: up to
/// `most` panels of rows, and as many of columns as give every thread enough tasks.
pub fn tasks([rows, cols]: [usize; 2], most: usize, threads: Threads) -> Vec<[Range<usize>; 2]> {
    let wanted = match threads {
        Threads::All => 4 * rayon::current_num_threads(),
        Threads::This => 1,
    };
    let n_rows = rows.div_ceil(most).max(1);
    let n_cols = wanted.div_ceil(n_rows).clamp(1, cols.max(1));
    let step = cols.div_ceil(n_cols).max(1);
    let parts = |n: usize, step: usize| {
        let starts = (0..n).step_by(step);
        starts.map(move |start| start..(start + step).min(n))
    };
    let of_rows = |rows: Range<usize>| parts(cols, step).map(move |cols| [rows.clone(), cols]);
    parts(rows, most).flat_map(of_rows).collect()
}

/// Calls a function for each task, on all threads or on this one.
pub fn for_each<T: Send>(threads: Threads, tasks: Vec<T>, compute: impl Fn(T) + Send + Sync) {
    match threads {
        Threads::All => tasks.into_par_iter().for_each(compute),
        Threads::This => tasks.into_iter().for_each(compute),
    }
}

/// Returns part `i` of `n` of the panel that is multiplied next, to fetch during a block.
pub fn share<'a>(
    right: &'a Panels,
    next: Option<usize>,
    depth: &Range<usize>,
    [i, n]: [usize; 2],
) -> &'a [u32] {
    let Some(next) = next else {
        return &[];
    };
    let pairs = right.pairs(next, depth);
    let len = pairs.len().div_ceil(n);
    &pairs[(i * len).min(pairs.len())..((i + 1) * len).min(pairs.len())]
}
