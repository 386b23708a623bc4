//! Why a spool cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A record has changed since it was written.
    #[error(
        "{} is damaged: the record at byte {at} does not match its checksum; run the same command \
         again to make it anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record's frame begins.
        at: u64,
    },
}

/// Returns what makes an I/O error one of the file at `path`.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io {
        action,
        path,
        source,
    }
}
