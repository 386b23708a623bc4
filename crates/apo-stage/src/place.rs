//! What outputs need of a file system: places that can be replaced, locks, renames.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_spool::sync_folder;
use rustix::fs::{AtFlags, CWD, RenameFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use crate::report;

/// The lock in a working folder.
pub const LOCK: &str = "lock";

/// Why a rename cannot replace what is in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReplaceable {
    /// There is a device, a pipe or a socket.
    Special(&'static str),
    /// Another file system is mounted there.
    MountPoint,
    /// There is a link that leads nowhere.
    BrokenLink(PathBuf),
}

impl fmt::Display for NotReplaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special(what) => write!(
                f,
                "{what} is there and is not replaced; choose a path for a new file or folder"
            ),
            Self::MountPoint => f.write_str(
                "a mount point cannot be replaced; choose a path for a new file or folder in it",
            ),
            Self::BrokenLink(to) => write!(
                f,
                "it is a link to {}, which does not exist; remove the link, or make what it leads \
                 to",
                to.display()
            ),
        }
    }
}

/// Returns the place of an output, with links followed.
///
/// # Errors
///
/// When a rename cannot replace what is there.
pub fn check(out: &Path) -> Result<PathBuf, NotReplaceable> {
    let Ok(found) = fs::symlink_metadata(out) else {
        return Ok(out.into()); // nothing is there
    };
    if found.is_symlink() {
        let to = out.canonicalize();
        let to =
            to.map_err(|_| NotReplaceable::BrokenLink(fs::read_link(out).unwrap_or_default()))?;
        return check(&to);
    }
    let kind = found.file_type();
    let special = [
        (kind.is_fifo(), "a pipe"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    if let Some((_, what)) = special.iter().find(|(is_it, _)| *is_it) {
        return Err(NotReplaceable::Special(what));
    }
    if is_mount_point(out, &found) {
        return Err(NotReplaceable::MountPoint);
    }
    Ok(out.into())
}

/// Whether another file system is mounted at a path; `found` is what is known of it.
pub fn is_mount_point(path: &Path, found: &fs::Metadata) -> bool {
    let asked = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    if let Ok(asked) = asked
        && asked
            .stx_attributes_mask
            .contains(StatxAttributes::MOUNT_ROOT)
    {
        return asked.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    }
    // Older kernels do not tell. A bind mount of the same file system then goes unseen.
    let parent = path.canonicalize().ok();
    let parent = parent.as_deref().and_then(Path::parent).map(fs::metadata);
    parent.is_some_and(|it| it.is_ok_and(|it| it.dev() != found.dev()))
}

/// Makes a working folder and takes its lock.
///
/// # Errors
///
/// When it cannot be written, or another process works there.
pub fn lock(folder: &Path) -> Result<File> {
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
                report::warn(&format!(
                    "{} cannot be locked on this file system; make sure that no other process makes \
                     the same output",
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

/// Returns a path with all links followed, even if its last parts do not exist yet.
pub fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    for there in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            // Joined with nothing, a path would end in a slash.
            return found.components().chain(rest.components()).collect();
        }
    }
    path
}

/// The state of a file, or of a folder with everything in it, by which a later
/// change is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(Vec<(PathBuf, Stat)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    device: u64,
    inode: u64,
    length: u64,
    changed: [(i64, i64); 2],
}

impl Snapshot {
    /// Takes the state of a file or folder. Returns `None` if it does not exist.
    pub fn take(path: &Path) -> Option<Self> {
        let mut stats = Vec::new();
        collect_stats(path, &mut stats)?;
        stats.sort_by(|(a, _), (b, _)| a.cmp(b));
        Some(Self(stats))
    }

    /// Returns the deepest path at which the two states differ.
    fn deepest_difference<'a>(&'a self, other: &'a Self) -> Option<&'a Path> {
        let only = |a: &'a Self, b: &'a Self| {
            let paths = a.0.iter().filter(move |it| !b.0.contains(it));
            paths.map(|(path, _)| path.as_path())
        };
        let all = only(self, other).chain(only(other, self));
        all.max_by_key(|it| it.components().count())
    }
}

fn collect_stats(path: &Path, stats: &mut Vec<(PathBuf, Stat)>) -> Option<()> {
    let found = fs::symlink_metadata(path).ok()?;
    let stat = Stat {
        device: found.dev(),
        inode: found.ino(),
        length: found.len(),
        // The second changes even when a program sets the first one back.
        changed: [
            (found.mtime(), found.mtime_nsec()),
            (found.ctime(), found.ctime_nsec()),
        ],
    };
    stats.push((path.into(), stat));
    if found.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect_stats(&entry.path(), stats);
        }
    }
    Some(())
}

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
        let problem = format!("{what} {how} while the work went on; move it away");
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
