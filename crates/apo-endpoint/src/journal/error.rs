//! Why a journal cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It does not exist.
    #[error("there is no journal at {}", path.display())]
    NotThere {
        /// Where it was looked for.
        path: PathBuf,
    },

    /// A line is malformed.
    #[error(
        "{}, line {line}: {problem}; expected one JSON object per line, with `request`, `model` \
         and one of `reply`, `policy`, `unreadable` and `failed`; remove the line to have its \
         request asked again",
        path.display()
    )]
    Line {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },

    /// It is a folder, a pipe or a device, or a file in another format.
    #[error("the journal {} {problem}", path.display())]
    NotAFile {
        /// Where it was looked for.
        path: PathBuf,
        /// What it is, and what was expected.
        problem: &'static str,
    },

    /// The folder in which it would be made does not exist.
    #[error(
        "the journal {} cannot be made: there is no folder {}; make it, or name a file elsewhere",
        path.display(),
        folder.display()
    )]
    NoFolder {
        /// The journal.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },

    /// No line of it is one of ours.
    #[error(
        "{}, line 1: expected a line of a journal, found `{begin}`; the file is left as it is; name \
         another one",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it begins.
        begin: String,
    },

    /// Another process writes into it.
    #[error(
        "another process writes into the journal {}; wait for it, or stop it",
        path.display()
    )]
    Locked {
        /// The journal.
        path: PathBuf,
    },

    /// It could not be read or written.
    #[error("cannot {action} the journal {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The journal.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl JournalError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Locked { .. } | Self::Io { .. })
    }
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        action,
        path: path.into(),
        source,
    }
}
