//! The kernels of `apo-llama`, with stand-ins for the little that they need of
//! it. See Cargo.toml.
#![allow(dead_code, reason = "tests alone use the kernels here")]

mod kernels;

/// In which numbers products take their operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    Bf16,
}

/// Nothing is counted here.
mod spent {
    pub(crate) enum Kind {
        Products,
        Attention,
    }

    pub(crate) fn counted<T>(_: Kind, _: usize, _: usize, work: impl FnOnce() -> T) -> T {
        work()
    }
}

mod tree {
    use std::ops::Range;

    #[derive(Debug)]
    pub(crate) struct Segment {
        pub(crate) rows: Range<usize>,
        pub(crate) prompt: Option<Range<usize>>,
        pub(crate) position: usize,
        pub(crate) tree: usize,
    }

    #[derive(Debug)]
    pub(crate) struct Layout {
        pub(crate) segments: Vec<Segment>,
        pub(crate) trees: Vec<Range<usize>>,
        pub(crate) cos: Vec<f32>,
        pub(crate) sin: Vec<f32>,
    }
}
