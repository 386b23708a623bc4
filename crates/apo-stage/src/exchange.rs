//! Puts files and folders in their places, whole or not at all, and removes them.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use apo_spool::sync_folder;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::snapshot::Snapshot;

/// Moves `ready` to `out` in one step, if `out` is still as it was `before`. What
/// was there is then at `ready`, or gone. On file systems that cannot exchange two
/// folders it moves to `replaced` first.
///
/// # Errors
///
/// When `out` cannot be replaced, or has changed; `ready` then stays where it is.
pub fn exchange(
    ready: &Path,
    out: &Path,
    replaced: &Path,
    before: Option<&Snapshot>,
) -> io::Result<()> {
    let refuse = |what: &Path, how: &str| {
        let what = what.display();
        let problem = format!("{what} {how} while this command was working; move it away");
        Err(io::Error::new(ErrorKind::AlreadyExists, problem))
    };
    let now = Snapshot::take(out);
    if now.as_ref() != before {
        return match (before, &now) {
            (Some(before), Some(now)) => {
                refuse(before.deepest_difference(now).unwrap_or(out), "changed")
            }
            (Some(_), None) => refuse(out, "was removed"),
            (None, _) => refuse(out, "appeared"),
        };
    }
    if before.is_none() {
        return match rustix::fs::renameat_with(CWD, ready, CWD, out, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => refuse(out, "appeared"),
            // Some file systems do not have this, such as NFS.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(ready, out),
            Err(error) => Err(error.into()),
        };
    }
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|it| it.is_dir());
    if !(is_folder(out) || is_folder(ready)) {
        return fs::rename(ready, out);
    }
    if rustix::fs::renameat_with(CWD, ready, CWD, out, RenameFlags::EXCHANGE).is_ok() {
        return Ok(());
    }
    fs::rename(out, replaced)?;
    fs::rename(ready, out).inspect_err(|_| {
        let _ = fs::rename(replaced, out);
    })
}

/// Writes a small file whole or not at all: first as `fresh`, which then replaces
/// it.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_atomically(path: &Path, fresh: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = fs::write(fresh, bytes)
        .and_then(|()| File::open(fresh)?.sync_all())
        .and_then(|()| fs::rename(fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(fresh);
    }
    written
}

/// Waits until a file, or a folder with everything in it, is on the disk.
///
/// # Errors
///
/// When the disk fails.
pub fn sync_all(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return File::open(path)?.sync_all();
    }
    for entry in fs::read_dir(path)? {
        sync_all(&entry?.path())?;
    }
    sync_folder(path)
}

/// Removes a file or folder, if it exists.
///
/// # Errors
///
/// When it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
