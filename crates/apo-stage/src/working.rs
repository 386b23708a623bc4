//! The folder in which an output is made.
//!
//! `<out>.partial` holds a lock, a `provenance.json` that says what is being made,
//! and the files from which a stopped stage continues. To be removed, it is first
//! renamed to `<out>.partial.discarded`, and its `provenance.json` is removed last.
//! So at every moment a folder of ours holds either our `provenance.json` or nothing
//! but the lock; any other folder is somebody else's and is left alone.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::{MOST_BYTES, Provenance, SealedError};
use apo_spool::names::{CHECKPOINTS, METRICS, MODEL, SHEET, TABLES, TUNING};

use crate::error::{Conflict, bad_input};
use crate::exchange::{remove, write_atomically};
use crate::lock::{LOCK, take_lock};
use crate::place::{self, DISCARDED, PARTIAL};

/// The finished result in the working folder.
pub const READY: &str = "ready";

/// The former output, on file systems that cannot exchange two folders in one
/// step.
pub const REPLACED: &str = "replaced";

/// The file that says what is being made.
pub const PROVENANCE: &str = "provenance.json";

/// The same file while it is written.
const PROVENANCE_NEW: &str = "provenance.json.new";

/// What else stages write into a working folder, which `--overwrite` lets any of them remove.
const WRITTEN: [&str; 6] = [CHECKPOINTS, METRICS, MODEL, SHEET, TABLES, TUNING];
const EXTENSIONS: [&str; 3] = [apo_spool::EXTENSION, "scratch", "parquet"];

/// Whether stages write something of this name into a working folder.
fn is_working_file(name: &OsStr) -> bool {
    let own = [LOCK, PROVENANCE, PROVENANCE_NEW, READY, REPLACED];
    let extension = Path::new(name).extension();
    own.iter().chain(&WRITTEN).any(|it| name == *it)
        || extension.is_some_and(|found| EXTENSIONS.iter().any(|it| found == *it))
}

/// Returns the path with this ending added to its name.
fn with_ending(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    out.with_file_name(name)
}

/// The folder in which an output is made, and its name while it is removed.
#[derive(Clone, Debug)]
pub struct WorkingFolder {
    folder: PathBuf,
    discarded: PathBuf,
}

/// Whose work a folder is, by its `provenance.json`.
#[derive(Debug)]
pub enum WorkOwner {
    /// There is no such file.
    Missing,
    /// A stage wrote the file, and it has changed since.
    Damaged,
    /// The file is another program's, or cannot be read: why the folder cannot be
    /// ours, as the end of a sentence.
    Foreign(String),
    /// The folder is the work of the command with this provenance.
    Command(Box<Provenance>),
}

impl WorkOwner {
    /// Reads whose work a folder is.
    fn read(folder: &Path) -> Self {
        match apo_provenance::find(&folder.join(PROVENANCE)) {
            Ok(None) => Self::Missing,
            Ok(Some(found)) => Self::Command(found),
            Err(SealedError::Malformed(_) | SealedError::Changed) => Self::Damaged,
            Err(SealedError::Foreign) => Self::Foreign(holds_foreign(PROVENANCE)),
            Err(SealedError::Io(error)) => Self::Foreign(format!(
                "holds a `{PROVENANCE}` that cannot be read: {error}"
            )),
        }
    }
}

/// Says, as the end of a sentence, that a folder holds something that others put there.
fn holds_foreign(name: &str) -> String {
    format!("holds `{name}`, which no stage of this project put there")
}

impl WorkingFolder {
    /// Returns the working folder of an output.
    pub fn of(out: &Path) -> Self {
        Self {
            folder: with_ending(out, PARTIAL),
            discarded: with_ending(out, DISCARDED),
        }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder, and its path while it is removed.
    pub fn paths(&self) -> [&Path; 2] {
        [&self.folder, &self.discarded]
    }

    /// Returns a file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Checks that the folder can be made and removed without touching other
    /// people's files.
    ///
    /// # Errors
    ///
    /// When something else has its name, or the name is too long.
    pub fn check(&self, out: &Path) -> Result<()> {
        for place in self.paths() {
            let problem = match fs::symlink_metadata(place) {
                Ok(found) if found.is_symlink() => "is a link".to_owned(),
                Ok(found) if !found.is_dir() => "is a file".to_owned(),
                // No rename leads out of it.
                Ok(found) if place::is_mount_point(place, &found) => "is a mount point".to_owned(),
                Ok(_) => match foreign_content(place) {
                    Some(problem) => problem,
                    None => continue,
                },
                Err(error) if error.kind() == ErrorKind::InvalidFilename => {
                    return Err(bad_input(format!(
                        "--out {}: its name is too long: the folder in which it is made has a \
                         name that is {} bytes longer; choose a shorter one",
                        out.display(),
                        DISCARDED.len()
                    )));
                }
                Err(_) => continue,
            };
            return Err(bad_input(format!(
                "--out {}: it is made in {}, which {problem}; move that away, or choose another \
                 --out",
                out.display(),
                place.display()
            )));
        }
        Ok(())
    }

    /// Makes the folder and takes its lock.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or another process works there.
    pub fn lock(&self) -> Result<File> {
        take_lock(&self.folder)
    }

    /// Reads whose work the folder is.
    pub fn owner(&self) -> WorkOwner {
        WorkOwner::read(&self.folder)
    }

    /// Whether the folder holds work that takes long to do again. A stage makes
    /// everything else again within moments.
    pub fn has_work(&self) -> bool {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return false;
        };
        entries.flatten().any(|entry| {
            let path = entry.path();
            let is_filled = || match fs::read_dir(&path) {
                Ok(mut entries) => entries.next().is_some(),
                Err(_) => fs::metadata(&path).is_ok_and(|it| it.len() > 0),
            };
            let name = entry.file_name();
            let is_kept = [READY, REPLACED, CHECKPOINTS].iter().any(|it| name == **it)
                || path
                    .extension()
                    .is_some_and(|it| it == apo_spool::EXTENSION);
            is_kept && is_filled()
        })
    }

    /// Prepares the folder, the work of `owner`: it is either as a stopped run of the
    /// same command left it, or empty. Takes its lock and returns the one that holds
    /// from then on.
    ///
    /// # Errors
    ///
    /// [`Conflict`] when it holds the work of another command and `overwrite` is
    /// not given. Bad input when its `provenance.json` is damaged and `overwrite` is
    /// not given, or when the new one would be too long. Other errors when it cannot be
    /// written.
    pub fn resume(
        &self,
        lock: File,
        owner: &WorkOwner,
        provenance: &Provenance,
        overwrite: bool,
    ) -> Result<File> {
        let would_lose = self.has_work() && !overwrite;
        match owner {
            WorkOwner::Command(found) => {
                let differences = found.differences(provenance);
                if differences.is_empty() {
                    self.remove_entries_of_wrong_type()?;
                    return Ok(lock);
                }
                if would_lose {
                    return Err(Conflict::differs(&self.folder, differences).into());
                }
            }
            WorkOwner::Damaged if would_lose => {
                return Err(bad_input(format!(
                    "{} is damaged and no longer says whose work {} is. Remove that folder, \
                     or start over with --overwrite",
                    self.join(PROVENANCE).display(),
                    self.folder.display()
                )));
            }
            WorkOwner::Damaged | WorkOwner::Missing | WorkOwner::Foreign(_) => {}
        }
        let sealed = apo_provenance::seal(provenance);
        if sealed.len() as u64 > MOST_BYTES {
            return Err(bad_input(format!(
                "the arguments of this command take {} bytes in `{PROVENANCE}`, which records \
                 them and may have at most {MOST_BYTES}; shorten the texts in the arguments",
                sealed.len()
            )));
        }
        let cannot = || format!("cannot write {}", self.folder.display());
        self.discard().with_context(cannot)?;
        drop(lock);
        let lock = self.lock()?;
        write_atomically(&self.join(PROVENANCE), &self.join(PROVENANCE_NEW), &sealed)
            .with_context(cannot)?;
        Ok(lock)
    }

    /// Removes folders that have the name of a file, and files that have the name
    /// of a folder: a stage can neither continue from them nor write its own in
    /// their place.
    fn remove_entries_of_wrong_type(&self) -> Result<()> {
        let cannot = || format!("cannot write {}", self.folder.display());
        for entry in fs::read_dir(&self.folder).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            let is_either = [LOCK, READY, REPLACED].iter().any(|it| path.ends_with(it));
            if !is_either && path.is_dir() == path.extension().is_some() {
                remove(&path).with_context(cannot)?;
            }
        }
        Ok(())
    }

    /// Removes the folder, if it exists. It is renamed first, so that a kill
    /// meanwhile leaves nothing that looks like unfinished work.
    ///
    /// # Errors
    ///
    /// When it cannot be removed, or holds something that no stage wrote. That
    /// stays, and so does everything else if the folder is not ours at all.
    pub fn discard(&self) -> io::Result<()> {
        if let Some(problem) = foreign_content(&self.folder) {
            if let WorkOwner::Command(_) | WorkOwner::Damaged = self.owner() {
                remove_working_files(&self.folder)?;
            }
            return Err(io::Error::other(format!("it {problem}")));
        }
        self.remove_discarded()?;
        match fs::rename(&self.folder, &self.discarded) {
            Ok(()) => self.remove_discarded(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what a kill left of a folder that was being removed.
    ///
    /// # Errors
    ///
    /// When it cannot be removed, or holds something that no stage wrote.
    pub fn remove_discarded(&self) -> io::Result<()> {
        if let Some(problem) = foreign_content(&self.discarded) {
            let at = self.discarded.display();
            return Err(io::Error::other(format!("{at} {problem}")));
        }
        match remove_working_files(&self.discarded) {
            Ok(()) => fs::remove_dir(&self.discarded),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Removes what stages write into a working folder, the provenance and the lock last.
fn remove_working_files(folder: &Path) -> io::Result<()> {
    let last = [OsStr::new(PROVENANCE), OsStr::new(LOCK)];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_working_file(&name) && !last.contains(&&*name) {
            remove(&entry.path())?;
        }
    }
    last.iter().try_for_each(|it| remove(&folder.join(it)))
}

/// Says, as the end of a sentence, why a folder must not be removed: it holds
/// something that no stage wrote. Returns `None` for a working folder of ours.
fn foreign_content(folder: &Path) -> Option<String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(format!("cannot be read: {error}")),
    };
    let names: Vec<_> = entries.flatten().map(|it| it.file_name()).collect();
    let is_signed = match WorkOwner::read(folder) {
        WorkOwner::Foreign(problem) => return Some(problem),
        WorkOwner::Missing => false,
        WorkOwner::Damaged | WorkOwner::Command(_) => true,
    };
    let is_ours = |name: &OsStr| {
        let is_first = name == LOCK || name == PROVENANCE_NEW;
        is_first || is_signed && is_working_file(name)
    };
    let other = names.iter().find(|it| !is_ours(it));
    other.map(|it| holds_foreign(&it.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working(dir: &Path) -> WorkingFolder {
        let out = dir.join("out");
        WorkingFolder::of(&out)
    }

    fn stage(name: &str) -> Provenance {
        Provenance::new(name, "1")
    }

    #[test]
    fn the_owner_is_read_as_it_was_written_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let working = working(dir.path());
        assert!(matches!(working.owner(), WorkOwner::Missing));
        let lock = working.lock().unwrap();
        let _lock = working
            .resume(lock, &working.owner(), &stage("align"), false)
            .unwrap();
        let WorkOwner::Command(found) = working.owner() else {
            panic!("it is whole");
        };
        assert_eq!(*found, stage("align"));
        let path = working.join(PROVENANCE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("align", "alike")).unwrap();
        assert!(
            matches!(working.owner(), WorkOwner::Damaged),
            "a letter differs"
        );
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(matches!(working.owner(), WorkOwner::Damaged), "it is cut");
        fs::write(&path, serde_json::to_vec(&stage("align")).unwrap()).unwrap();
        assert!(
            matches!(working.owner(), WorkOwner::Command(_)),
            "an older file"
        );
    }

    #[test]
    fn what_others_put_there_is_found_whatever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let working = WorkingFolder::of(&out);
        for place in working.paths() {
            working.check(&out).unwrap();
            fs::create_dir(place).unwrap();
            working.check(&out).unwrap();
            fs::write(place.join(LOCK), "").unwrap();
            working.check(&out).unwrap();
            fs::write(place.join("notes.txt"), "mine").unwrap();
            let told = working.check(&out).unwrap_err().to_string();
            assert!(told.contains("notes.txt") && told.contains("move that away"));
            fs::remove_dir_all(place).unwrap();
            fs::write(place, "mine").unwrap();
            assert!(working.check(&out).is_err(), "a file");
            fs::remove_file(place).unwrap();
            std::os::unix::fs::symlink(dir.path(), place).unwrap();
            assert!(working.check(&out).is_err(), "a link");
            fs::remove_file(place).unwrap();
        }
        for (length, fits) in [
            (255 - DISCARDED.len(), true),
            (256 - DISCARDED.len(), false),
        ] {
            let out = dir.path().join("x".repeat(length));
            assert_eq!(
                WorkingFolder::of(&out).check(&out).is_ok(),
                fits,
                "{length}"
            );
        }
    }

    #[test]
    fn other_work_goes_as_a_whole_and_only_when_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let working = working(dir.path());
        let lock = working.lock().unwrap();
        let lock = working
            .resume(lock, &working.owner(), &stage("a"), false)
            .unwrap();
        fs::create_dir_all(working.join(CHECKPOINTS).join("step-1")).unwrap();
        let lock = working
            .resume(lock, &working.owner(), &stage("a"), false)
            .unwrap();
        assert!(working.has_work(), "it goes on");
        assert!(
            working
                .resume(lock, &working.owner(), &stage("b"), false)
                .is_err()
        );
        let lock = working.lock().unwrap();
        let _lock = working
            .resume(lock, &working.owner(), &stage("b"), true)
            .unwrap();
        assert!(!working.has_work() && matches!(working.owner(), WorkOwner::Command(_)));
        assert!(!working.discarded.exists());
        working.discard().unwrap();
        working.discard().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
