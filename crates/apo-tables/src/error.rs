//! Errors of tables and imported files.

use std::io;
use std::path::{Path, PathBuf};

/// Why a table cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file or folder does not exist, or is something else.
    #[error("there is no table at {}: {reason}", path.display())]
    NotThere {
        /// The file or folder.
        path: PathBuf,
        /// What is there instead.
        reason: String,
    },

    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The file is not whole, or not a Parquet file.
    #[error("{} is not a whole Parquet file: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },

    /// Columns are missing or have other types; the error names all of them.
    #[error(
        "{} is not a `{table}` table: {} ({written_by} writes such tables)",
        path.display(),
        faults.join("; ")
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The table that was expected.
        table: &'static str,
        /// The commands that write such tables.
        written_by: String,
        /// Every fault found.
        faults: Vec<String>,
    },

    /// A value is not what its column allows.
    #[error("{}, row {row} (from 0), column `{column}`: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row in that file, from 0.
        row: u64,
        /// The column.
        column: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A file cannot be read as what its name or its argument says that it is.
    #[error("{}: {problem}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
}

impl TableError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }

    /// Returns the error of a file that cannot be opened or read.
    pub fn reading(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotThere {
                path: path.into(),
                reason: "no such file or folder".into(),
            },
            _ => Self::Io {
                action: "read",
                path: path.into(),
                source,
            },
        }
    }

    pub(crate) fn writing(path: &Path, source: io::Error) -> Self {
        Self::Io {
            action: "write",
            path: path.into(),
            source,
        }
    }
}
