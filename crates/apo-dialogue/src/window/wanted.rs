//! The piece of a text that is wanted.

/// Which piece of a text to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its first tokens.
    First(usize),
    /// Its last tokens.
    Last(usize),
}
