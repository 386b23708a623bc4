//! What stops a template, and the work that it may do.

use std::cell::Cell;

/// A result of a step of rendering.
pub(super) type Result<T> = std::result::Result<T, Fault>;

/// Why a template was stopped, and at which line.
#[derive(Debug)]
pub struct Fault(Box<(Option<usize>, Kind)>);

/// Why a template was stopped.
#[derive(Debug)]
pub enum Kind {
    /// It refuses the dialogue, by `raise_exception`.
    Refused(String),
    /// It has done all the work that it may.
    Exhausted,
    /// It has written more than it may.
    TooLong,
    /// Jinja or Python would fail here, or it uses what is not supported.
    Problem(String),
}

impl Fault {
    pub(super) fn new(kind: Kind) -> Self {
        Self(Box::new((None, kind)))
    }

    /// Names the line, unless an inner part did.
    pub(super) fn at(mut self, line: usize) -> Self {
        self.0.0.get_or_insert(line);
        self
    }

    /// Returns the line, from 1, and why.
    pub fn into_parts(self) -> (Option<usize>, Kind) {
        *self.0
    }
}

/// Makes the error of something that Jinja or Python would refuse too.
pub(super) fn problem<T>(what: impl Into<String>) -> Result<T> {
    Err(Fault::new(Kind::Problem(what.into())))
}

/// Makes the error of something that Jinja does and this does not.
pub(super) fn unsupported<T>(what: impl std::fmt::Display) -> Result<T> {
    problem(format!("{what} is not supported here"))
}

/// The work that is left to a template. A unit is a step of evaluation, an item
/// of a list, or 64 bytes of text read or made; memory is taken only after it
/// was paid for, so the work also bounds the memory.
pub(super) struct Work(Cell<u64>);

/// Bytes of text for a unit of work.
const BYTES: usize = 64;

impl Work {
    pub(super) fn new(units: u64) -> Self {
        Self(Cell::new(units))
    }

    /// Pays for some units.
    pub(super) fn spend(&self, units: usize) -> Result<()> {
        let left = self.0.get().checked_sub(units as u64);
        self.0.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| Fault::new(Kind::Exhausted))
    }

    /// Pays for text of so many bytes.
    pub(super) fn text(&self, bytes: usize) -> Result<()> {
        self.spend(bytes / BYTES)
    }
}
