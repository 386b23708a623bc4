//! Which rows of a batch attend to which.

use std::ops::Range;

/// A run of consecutive rows: a prompt, or a response to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Rows of the batch.
    pub rows: Range<usize>,
    /// The rows of the response's prompt; `None` for a prompt.
    pub prompt: Option<Range<usize>>,
    /// Position of the first row.
    pub position: usize,
    /// The tree of the segment.
    pub tree: usize,
}

/// Which rows of a batch attend to which, and their positions.
#[derive(Debug)]
pub struct Layout {
    /// The runs of rows, in order.
    pub segments: Vec<Segment>,
    /// The rows of each tree.
    pub trees: Vec<Range<usize>>,
    /// `[rows, head_dim / 2]`
    pub cos: Vec<f32>,
    /// `[rows, head_dim / 2]`
    pub sin: Vec<f32>,
}
