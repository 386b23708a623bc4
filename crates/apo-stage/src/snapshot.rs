//! Notices changes of files and folders.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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
    pub fn deepest_difference<'a>(&'a self, other: &'a Self) -> Option<&'a Path> {
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
