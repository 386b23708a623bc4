//! The folder in which an output is made.
//!
//! `<out>.partial` holds a lock, a page with the provenance of what is being
//! made, and whatever the work keeps there to go on from. It is removed under
//! another name, `<out>.partial.discarded`, the page last: at every moment a
//! folder of ours holds the page, or nothing but the lock, and what does not is
//! somebody else's and stays as it is.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::Provenance;
use apo_tables::file;

use crate::exit::bad_input;
use crate::place::{self, LOCK};
use crate::standing::Conflict;

/// How the names of working folders end.
pub const PARTIAL: &str = ".partial";

/// How the names of working folders end that are being removed.
pub const DISCARDED: &str = ".partial.discarded";

/// The finished result in the working folder.
pub const READY: &str = "ready";

/// What stood in the output's place, where a file system cannot exchange two
/// folders at once.
pub const REPLACED: &str = "replaced";

/// A training's checkpoints.
const CHECKPOINTS: &str = "checkpoints";

/// The page that says what is being made.
const PROVENANCE: &str = "provenance.json";

/// The page while it is written.
const PROVENANCE_NEW: &str = "provenance.json.new";

/// What else stages write into it: names, and endings.
const WRITTEN: [&str; 5] = [
    "metrics.jsonl",
    "model",
    "sheet",
    "tables",
    "ready.checksums",
];
const ENDINGS: [&str; 3] = [apo_spool::KEPT, "scratch", "parquet"];

/// Whether stages write something of this name into a working folder.
fn is_written(name: &OsStr) -> bool {
    let own = [
        LOCK,
        PROVENANCE,
        PROVENANCE_NEW,
        READY,
        REPLACED,
        CHECKPOINTS,
    ];
    let ending = Path::new(name).extension();
    own.iter().chain(&WRITTEN).any(|it| name == *it)
        || ending.is_some_and(|ending| ENDINGS.iter().any(|it| ending == *it))
}

/// Returns the path with this ending added to its name.
pub fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    out.with_file_name(name)
}

/// Where an output is made, and where the folder goes when it is removed.
#[derive(Clone, Debug)]
pub struct Working {
    folder: PathBuf,
    discarded: PathBuf,
}

/// What a working folder says of itself.
pub enum Page {
    /// There is no page.
    Missing,
    /// The page is there, and not as it was written.
    Damaged,
    /// The folder is the work of this.
    Of(Box<Provenance>),
}

impl Working {
    /// Names the working folder of an output.
    pub fn of(out: &Path) -> Self {
        Self {
            folder: beside(out, PARTIAL),
            discarded: beside(out, DISCARDED),
        }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder, and the one that it becomes when it is removed.
    pub fn places(&self) -> [&Path; 2] {
        [&self.folder, &self.discarded]
    }

    /// Returns a file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Checks that the folder can be made and removed without touching what
    /// others put there.
    ///
    /// # Errors
    ///
    /// When something else has its name, or the name is too long.
    pub fn check(&self, out: &Path) -> Result<()> {
        for place in self.places() {
            let problem = match fs::symlink_metadata(place) {
                Ok(found) if found.is_symlink() => "is a link".to_owned(),
                Ok(found) if !found.is_dir() => "is a file".to_owned(),
                Ok(_) => match foreign(place) {
                    Some(name) => {
                        format!("holds `{name}`, which no stage of this project put there")
                    }
                    None => continue,
                },
                Err(error) if error.raw_os_error() == Some(NAME_TOO_LONG) => {
                    return Err(bad_input(format!(
                        "--out {}: its name is too long, {} bytes must be left for the ending of \
                         the folder in which it is made; choose a shorter one",
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
        place::lock(&self.folder)
    }

    /// Tells what the folder is the work of.
    pub fn page(&self) -> Page {
        let text = match file::find_text(&self.join(PROVENANCE)) {
            Ok(Some(text)) => text,
            Ok(None) => return Page::Missing,
            Err(_) => return Page::Damaged,
        };
        apo_provenance::read(&text).map_or(Page::Damaged, |it| Page::Of(Box::new(it)))
    }

    /// Whether the folder holds what would be lost with it; all else is made
    /// anew from the inputs within moments.
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
                || path.extension().is_some_and(|it| it == apo_spool::KEPT);
            is_kept && is_filled()
        })
    }

    /// Makes the folder ready: as a stopped run of the same work left it, or
    /// empty. Takes its lock and gives back the one that holds from then on.
    ///
    /// # Errors
    ///
    /// [`Conflict`] when it holds other work and `overwrite` is not given; when
    /// its page is damaged; when it cannot be written.
    pub fn resume(&self, lock: File, provenance: &Provenance, overwrite: bool) -> Result<File> {
        let would_lose = self.has_work() && !overwrite;
        match self.page() {
            Page::Of(found) => {
                let differences = found.differences(provenance);
                if differences.is_empty() {
                    self.straighten()?;
                    return Ok(lock);
                }
                if would_lose {
                    return Err(Conflict::differs(&self.folder, differences).into());
                }
            }
            Page::Damaged if would_lose => {
                return Err(bad_input(format!(
                    "{} is damaged: what it is the work of cannot be told. Remove {}, or begin \
                     anew with --overwrite",
                    self.join(PROVENANCE).display(),
                    self.folder.display()
                )));
            }
            Page::Damaged | Page::Missing => {}
        }
        let cannot = || format!("cannot write {}", self.folder.display());
        self.discard().with_context(cannot)?;
        drop(lock);
        let lock = self.lock()?;
        let text = apo_provenance::seal(provenance);
        place::write_whole(&self.join(PROVENANCE), &self.join(PROVENANCE_NEW), &text)
            .with_context(cannot)?;
        Ok(lock)
    }

    /// Removes folders that have a file's name, and files that have a folder's:
    /// no work can go on from them, and none could be written in their place.
    fn straighten(&self) -> Result<()> {
        let cannot = || format!("cannot write {}", self.folder.display());
        for entry in fs::read_dir(&self.folder).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            let is_either = [LOCK, READY, REPLACED].iter().any(|it| path.ends_with(it));
            if !is_either && path.is_dir() == path.extension().is_some() {
                place::remove(&path).with_context(cannot)?;
            }
        }
        Ok(())
    }

    /// Removes the folder, if it is there: renamed first, so that a kill
    /// meanwhile leaves nothing that looks like work to go on with.
    ///
    /// # Errors
    ///
    /// When it cannot be removed, or others put something into it, which stays.
    pub fn discard(&self) -> io::Result<()> {
        if let Some(name) = foreign(&self.folder) {
            empty(&self.folder)?;
            return Err(io::Error::other(format!(
                "it holds `{name}`, which no stage of this project put there"
            )));
        }
        self.sweep()?;
        match fs::rename(&self.folder, &self.discarded) {
            Ok(()) => self.sweep(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what a kill left of a folder that was being removed.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn sweep(&self) -> io::Result<()> {
        match empty(&self.discarded) {
            Ok(()) => fs::remove_dir(&self.discarded),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Removes what stages write into a working folder, its page at the end.
fn empty(folder: &Path) -> io::Result<()> {
    let last = [OsStr::new(PROVENANCE), OsStr::new(LOCK)];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_written(&name) && !last.contains(&&*name) {
            place::remove(&entry.path())?;
        }
    }
    last.iter()
        .try_for_each(|it| place::remove(&folder.join(it)))
}

/// `ENAMETOOLONG`, which the standard library does not name yet.
const NAME_TOO_LONG: i32 = rustix::io::Errno::NAMETOOLONG.raw_os_error();

/// Returns the name of something in a folder that no stage put there; none where
/// the folder is a working folder of ours.
fn foreign(folder: &Path) -> Option<String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(error.to_string()),
    };
    let names: Vec<_> = entries.flatten().map(|it| it.file_name()).collect();
    let has_page = names.iter().any(|it| it == PROVENANCE);
    let is_ours = |name: &OsStr| {
        let is_first = name == LOCK || name == PROVENANCE_NEW;
        is_first || has_page && is_written(name)
    };
    let other = names.iter().find(|it| !is_ours(it));
    other.map(|it| it.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working(dir: &Path) -> Working {
        let out = dir.join("out");
        Working::of(&out)
    }

    fn stage(name: &str) -> Provenance {
        Provenance::new(name, "1")
    }

    #[test]
    fn a_page_is_read_as_it_was_written_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let working = working(dir.path());
        assert!(matches!(working.page(), Page::Missing));
        let lock = working.lock().unwrap();
        let _lock = working.resume(lock, &stage("align"), false).unwrap();
        let Page::Of(found) = working.page() else {
            panic!("it is whole");
        };
        assert_eq!(*found, stage("align"));
        let path = working.join(PROVENANCE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("align", "alike")).unwrap();
        assert!(matches!(working.page(), Page::Damaged), "a letter differs");
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(matches!(working.page(), Page::Damaged), "it is cut");
        fs::write(&path, serde_json::to_vec(&stage("align")).unwrap()).unwrap();
        assert!(matches!(working.page(), Page::Of(_)), "an older page");
    }

    #[test]
    fn what_others_put_there_is_found_whatever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let working = Working::of(&out);
        for place in working.places() {
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
            assert_eq!(Working::of(&out).check(&out).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn other_work_goes_as_a_whole_and_only_when_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let working = working(dir.path());
        let lock = working.lock().unwrap();
        let lock = working.resume(lock, &stage("a"), false).unwrap();
        fs::create_dir_all(working.join(CHECKPOINTS).join("step-1")).unwrap();
        let lock = working.resume(lock, &stage("a"), false).unwrap();
        assert!(working.has_work(), "it goes on");
        assert!(working.resume(lock, &stage("b"), false).is_err());
        let lock = working.lock().unwrap();
        let _lock = working.resume(lock, &stage("b"), true).unwrap();
        assert!(!working.has_work() && matches!(working.page(), Page::Of(_)));
        assert!(!working.discarded.exists());
        working.discard().unwrap();
        working.discard().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
