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
    /// It has used up its budget of work.
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

/// Makes the error of something that only Jinja does.
pub(super) fn unsupported<T>(what: impl std::fmt::Display) -> Result<T> {
    problem(format!("{what} is not supported here"))
}

/// The work that is left to a template. A unit is a step of evaluation, an item
/// of a list, or 64 bytes of text read or made. Memory is allocated only after
/// it was paid for, so the work also bounds the memory.
pub(super) struct Work {
    left: Cell<u64>,
    /// How often a value was changed.
    changes: Cell<u64>,
    /// How many namespaces are being printed, one inside the other.
    printed: Cell<u32>,
}

/// Bytes of text for a unit of work.
const BYTES: usize = 64;

impl Work {
    pub(super) fn new(units: u64) -> Self {
        Self {
            left: Cell::new(units),
            changes: Cell::new(0),
            printed: Cell::new(0),
        }
    }

    /// Pays for some units.
    pub(super) fn spend(&self, units: usize) -> Result<()> {
        let left = self.left.get().checked_sub(units as u64);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| Fault::new(Kind::Exhausted))
    }

    /// Notes that a value was changed.
    pub(super) fn change(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Returns how often a value was changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Prints a namespace, which may contain itself.
    pub(super) fn print_names(&self, print: impl FnOnce() -> Result<()>) -> Result<()> {
        /// How many namespaces may be printed, one inside the other.
        const MOST: u32 = 10;
        if self.printed.get() >= MOST {
            return unsupported(format!("printing {MOST} namespaces inside each other"));
        }
        self.printed.set(self.printed.get() + 1);
        print()?;
        self.printed.set(self.printed.get() - 1);
        Ok(())
    }

    /// Pays for some bytes of text.
    pub(super) fn text(&self, bytes: usize) -> Result<()> {
        self.spend(bytes / BYTES)
    }
}
