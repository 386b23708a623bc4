//! Formatting: how values are written into a text.

mod braces;
mod numbers;
mod percent;
mod spec;

pub(super) use braces::braces;
pub(super) use percent::percent;
