//! Errors that end a stage with an exit code of their own.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use signal_hook::consts::SIGINT;

/// Bad input that the stage itself found, rather than a library.
#[derive(Debug)]
pub struct BadInput(String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BadInput {}

/// Returns the error of bad input. The message says what is wrong, where, and
/// what to do.
pub fn bad_input(message: impl Into<String>) -> anyhow::Error {
    BadInput(message.into()).into()
}

/// The output exists, and is not what the command makes.
#[derive(Debug)]
pub struct Conflict {
    path: PathBuf,
    problem: Cow<'static, str>,
    details: Vec<String>,
    remedy: &'static str,
}

impl Conflict {
    /// The output was made with other arguments or inputs.
    pub fn differs(path: &Path, differences: Vec<String>) -> Self {
        Self {
            path: path.into(),
            problem: "was made with different arguments or inputs".into(),
            details: differences,
            remedy: "replace it with --overwrite",
        }
    }

    /// The output was made with the same arguments and inputs, and has changed
    /// since.
    pub fn changed(path: &Path, faults: Vec<String>) -> Self {
        Self {
            problem: "is not as it was made".into(),
            ..Self::differs(path, faults)
        }
    }

    /// Something that no stage made is in the output's place; `what` says so, as a
    /// phrase.
    pub fn foreign(path: &Path, what: String) -> Self {
        Self {
            problem: what.into(),
            ..Self::differs(path, Vec::new())
        }
    }

    /// The output may be somebody else's, so that `--overwrite` does not replace
    /// it, and is not offered.
    #[must_use]
    pub fn without_overwrite(self) -> Self {
        Self {
            remedy: "move it away",
            ..self
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}{}{}. Choose another --out, or {}",
            self.path.display(),
            self.problem,
            if self.details.is_empty() { "" } else { ": " },
            self.details.join("; "),
            self.remedy
        )
    }
}

impl Error for Conflict {}

/// A signal stopped the work, and everything is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// SIGINT or SIGTERM.
    pub(crate) signal: usize,
}

impl Stopped {
    /// Returns the exit code of a program that the signal ended.
    pub fn exit_code(self) -> u8 {
        (128 + self.signal) as u8
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.signal == SIGINT as usize {
            "SIGINT"
        } else {
            "SIGTERM"
        };
        write!(
            f,
            "stopped by {name}; finished work is kept, and the same command continues from there"
        )
    }
}

impl Error for Stopped {}
