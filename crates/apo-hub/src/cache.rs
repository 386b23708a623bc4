//! The cache as Hugging Face's programs lay it out: contents in `blobs/`, by their
//! digests; a folder of links to them for each commit in `snapshots/`; the commit of
//! each branch in `refs/`; and the locks of all of them beside the repositories. What
//! the hub lists of each commit is kept in `.apo/`, which these programs do not look at.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use crate::error::{HubError, Kind};
use crate::listing::{Listed, Listing};
use crate::name::{Name, is_commit};
use crate::watch::Watch;

/// How often the lock of another process is tried again.
const TRY_INTERVAL: Duration = Duration::from_millis(100);

/// A repository's place in the cache.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    locks: PathBuf,
}

impl Place {
    /// Returns the place of a repository.
    pub(crate) fn of(cache: &Path, kind: Kind, name: &Name) -> Self {
        let kind = match kind {
            Kind::Model => "models",
            Kind::DataSet => "datasets",
        };
        let folder = format!("{kind}--{}", name.repository.replace('/', "--"));
        Self {
            locks: cache.join(".locks").join(&folder),
            folder: cache.join(folder),
        }
    }

    /// Returns the place of a content.
    pub(crate) fn blob(&self, file: &Listed) -> PathBuf {
        self.folder.join("blobs").join(file.digest.hex())
    }

    /// Returns the place of a content that is under way.
    pub(crate) fn incomplete(&self, file: &Listed) -> PathBuf {
        let name = format!("{}.incomplete", file.digest.hex());
        self.folder.join("blobs").join(name)
    }

    /// Returns the folder of a commit's files.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Whether a file is there, whole.
    pub(crate) fn has(&self, commit: &str, file: &Listed) -> bool {
        // Where links cannot be made, Hugging Face's programs put the file itself there.
        let places = [self.blob(file), self.snapshot(commit).join(&file.name)];
        let is_whole = |at: &PathBuf| fs::metadata(at).is_ok_and(|it| it.len() == file.size);
        places.iter().any(is_whole)
    }

    /// Returns the commit that a revision was when it was last asked for.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.reference(revision)).ok()?;
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_owned())
    }

    /// Returns the paths of a commit's files that are there, as the hub writes them.
    pub(crate) fn names(&self, commit: &str) -> Vec<String> {
        let mut found = Vec::new();
        add_names(&self.snapshot(commit), "", &mut found);
        found.sort();
        found
    }

    /// Returns the hub's list of a commit's files, if it was kept and can be read.
    pub(crate) fn listing(&self, commit: &str) -> Option<Listing> {
        let body = fs::read(self.list(commit)).ok()?;
        Listing::read(&body, commit).ok()
    }

    /// Keeps the hub's list of a commit's files, so that the same are chosen without the
    /// hub. If it cannot be written, more is refused then.
    pub(crate) fn keep_listing(&self, commit: &str, body: &[u8]) {
        if self.listing(commit).is_none() {
            let _ = write_whole(&self.list(commit), body);
        }
    }

    /// Waits until no other process downloads a content. The lock holds until the file
    /// is dropped; there is none on file systems without locks.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or the caller wants to stop.
    pub(crate) fn lock(
        &self,
        file: &Listed,
        watch: &mut dyn Watch,
    ) -> Result<Option<File>, HubError> {
        let path = self.locks.join(format!("{}.lock", file.digest.hex()));
        make_parent(&path)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| writing(&path, error))?;
        let mut is_told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::Error(_)) => return Ok(None),
                Err(TryLockError::WouldBlock) => {}
            }
            if watch.is_stopped() {
                return Err(HubError::Stopped);
            }
            if !is_told {
                watch.note(&format!("waiting: another process downloads {}", file.name));
                is_told = true;
            }
            thread::sleep(TRY_INTERVAL);
        }
    }

    /// Makes a commit's folder of these files, whose contents are there. A new folder
    /// appears with all of them at once.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn publish(&self, commit: &str, files: &[Listed]) -> Result<PathBuf, HubError> {
        let snapshot = self.snapshot(commit);
        if !snapshot.exists() {
            let fresh = self.snapshot(&format!(".{commit}.{}", process::id()));
            let _ = fs::remove_dir_all(&fresh); // absent unless a process was killed here
            for file in files {
                link(&fresh, file)?;
            }
            match fs::rename(&fresh, &snapshot) {
                Ok(()) => return Ok(snapshot),
                // Another process was faster; what it lacks is added.
                Err(_) if snapshot.exists() => {
                    let _ = fs::remove_dir_all(&fresh);
                }
                Err(error) => return Err(writing(&snapshot, error)),
            }
        }
        for file in files {
            link(&snapshot, file)?;
        }
        Ok(snapshot)
    }

    /// Records the commit that a revision is now.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn record(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if is_commit(revision) || self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        write_whole(&self.reference(revision), commit.as_bytes())
    }

    fn list(&self, commit: &str) -> PathBuf {
        self.folder.join(".apo").join(format!("{commit}.json"))
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
    }
}

/// Puts a link to a content into a commit's folder, unless the file is there.
fn link(snapshot: &Path, file: &Listed) -> Result<(), HubError> {
    let path = snapshot.join(&file.name);
    if fs::metadata(&path).is_ok_and(|it| it.len() == file.size) {
        return Ok(());
    }
    make_parent(&path)?;
    let up = "../".repeat(2 + file.name.matches('/').count());
    let target = format!("{up}blobs/{}", file.digest.hex());
    let fresh = path.with_file_name(format!(".{}.{}", file.digest.hex(), process::id()));
    let _ = fs::remove_file(&fresh); // absent unless a process was killed here
    let made = symlink(target, &fresh).and_then(|()| fs::rename(&fresh, &path));
    made.map_err(|error| writing(&path, error))
}

/// Writes a small file, which appears whole.
fn write_whole(path: &Path, body: &[u8]) -> Result<(), HubError> {
    make_parent(path)?;
    let fresh = path.with_file_name(format!(".{}.fresh", process::id()));
    let made = fs::write(&fresh, body).and_then(|()| fs::rename(&fresh, path));
    made.map_err(|error| writing(path, error))
}

/// Adds the paths of a folder's files.
fn add_names(folder: &Path, within: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return; // absent
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        let path = entry.path();
        if path.is_dir() {
            add_names(&path, &format!("{within}{name}/"), found);
        } else if path.exists() {
            found.push(format!("{within}{name}"));
        }
    }
}

/// Makes the folder that a file is to lie in.
///
/// # Errors
///
/// When it cannot be made.
pub(crate) fn make_parent(path: &Path) -> Result<(), HubError> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(|error| writing(folder, error)),
        None => Ok(()),
    }
}

/// Makes the error of a file that cannot be written.
pub(crate) fn writing(path: &Path, source: io::Error) -> HubError {
    HubError::Cache {
        action: "write",
        path: path.into(),
        source,
    }
}
