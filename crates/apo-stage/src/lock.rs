//! The lock of a working folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::io::Errno;

use crate::print::warn;

/// The name of the lock in a working folder.
pub const LOCK: &str = "lock";

/// Makes a working folder and takes its lock.
///
/// # Errors
///
/// When it cannot be written, or another process works there.
pub fn take_lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let cannot = || format!("cannot write {}", folder.display());
    loop {
        fs::create_dir_all(folder).with_context(cannot)?;
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = match file {
            // Another process has just finished there and removed the folder.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.with_context(cannot)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "another process is working in {}; wait for it, or stop it",
                folder.display()
            ),
            Err(TryLockError::Error(error)) if lacks_locks(&error) => {
                warn(&format!(
                    "{} cannot be locked on this file system; make sure that no other process \
                     makes the same output",
                    folder.display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        // The lock counts only if it is still the file that others open.
        let ours = file.metadata().with_context(cannot)?;
        let theirs = fs::metadata(&path);
        if theirs.is_ok_and(|it| (it.dev(), it.ino()) == (ours.dev(), ours.ino())) {
            return Ok(file);
        }
    }
}

/// Whether an error says that a file system has no locks at all, such as NFS
/// without a lock service.
pub fn lacks_locks(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported
        || error.raw_os_error() == Some(Errno::NOLCK.raw_os_error())
}
