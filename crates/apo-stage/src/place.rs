//! The places of outputs: which names are reserved, where links lead, and whether what is
//! there can be replaced.

use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};

/// How the names of working folders end.
pub const PARTIAL: &str = ".partial";

/// How the names of working folders end while the folders are removed.
pub const DISCARDED: &str = ".partial.discarded";

/// Why a rename cannot replace what is in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReplaceable {
    /// A device, a pipe or a socket is there.
    Special(&'static str),
    /// Another file system is mounted there.
    MountPoint,
    /// A link that leads nowhere is there.
    BrokenLink(PathBuf),
}

impl fmt::Display for NotReplaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special(what) => write!(
                f,
                "it is {what}, which cannot be replaced; choose a path for a new file or folder"
            ),
            Self::MountPoint => f.write_str(
                "it is a mount point, which cannot be replaced; choose a path for a new file or \
                 folder in it",
            ),
            Self::BrokenLink(to) => write!(
                f,
                "it is a link to {}, which does not exist; remove the link, or create what it \
                 leads to",
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

/// Whether another file system is mounted at a path; `found` is the path's metadata.
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
