//! Which rows of a batch see which.

use std::ops::Range;

/// A run of rows that follow each other: a prompt, or a response to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Rows of the batch.
    pub rows: Range<usize>,
    /// The rows of the prompt that a response sees; none for a prompt.
    pub prompt: Option<Range<usize>>,
    /// Position of the first row.
    pub position: usize,
    /// The tree that it belongs to.
    pub tree: usize,
}

/// Who sees whom in a batch, and at which positions.
#[derive(Debug)]
pub struct Layout {
    /// The runs of rows, in order.
    pub segments: Vec<Segment>,
    /// Rows of each tree.
    pub trees: Vec<Range<usize>>,
    /// `[rows, head_dim / 2]`
    pub cos: Vec<f32>,
    /// `[rows, head_dim / 2]`
    pub sin: Vec<f32>,
}
