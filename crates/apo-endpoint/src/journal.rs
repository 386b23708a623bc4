//! The outcome of each request, line by line on the disk.
//!
//! A journal is a file of JSON lines, one for each outcome:
//!
//! ```json
//! {"journal":"apo","lines":"checked","crc":"b5b518ea"}
//! {"request":"<64 hex digits>","model":"gpt-4","reply":{"content":"Hello.","finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":2}},"crc":"…"}
//! {"request":"<64 hex digits>","model":"policy","reply":{"content":" Hi","drawn":[{"text":" Hi","finish_reason":"stop","ids":[7,0],"log_probs":[-0.5,-0.25]}]},"crc":"…"}
//! {"request":"<64 hex digits>","model":"gpt-4","policy":{"code":"content_filter","message":"…"},"crc":"…"}
//! {"request":"<64 hex digits>","model":"gpt-4","unreadable":{"problem":"…","body":"<base64>"},"crc":"…"}
//! {"request":"<64 hex digits>","model":"gpt-4","failed":{"message":"HTTP 503: overloaded","attempts":6},"crc":"…"}
//! ```
//!
//! `request` is [`Question::digest`](crate::Question::digest). Lines are only
//! ever added, and each is on the disk before its outcome is used. A failure is
//! not an answer: a replay returns it, and a run that can ask asks again. If a
//! request has several lines, the last one counts, but a failure never hides an
//! answer.
//!
//! `crc` is the CRC-32 (the one of zip and gzip) of the line without that field.
//! The first line says that every line after it has one. A damaged line is thus
//! noticed, whichever part is damaged: it is reported ([`Journal::damage`]), and
//! its request counts as never asked. A journal without checksums, written by
//! hand or by an older version, is accepted; lines that are added to it have
//! them. In such a journal a malformed line is refused by its number.
//!
//! A last line that a crash cut short is dropped, and its request asked again.
//! Memory holds the keys and the places of their lines, not the texts.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::outcome::{Outcome, OutcomeKind};
use crate::request::Digest;

mod entry;
mod error;
mod line;
mod read;

pub use entry::Entry;
pub use error::JournalError;
pub use read::Damage;

use error::io_error;
use line::{Line, check, header, sealed};
use read::{Found, Place, Tail, keep, read};

/// The file, which is unlocked before it is closed: a lock lasts as long as any
/// copy of its handle, and a program that is being started holds copies of all
/// handles.
#[derive(Debug)]
struct Unlocking(File);

impl Drop for Unlocking {
    fn drop(&mut self) {
        let _ = self.0.unlock(); // closing unlocks it too, but later
    }
}

#[derive(Debug)]
struct State {
    file: Unlocking,
    /// The place of the next line.
    end: u64,
    /// Whether a line says that the lines after it have checksums.
    has_header: bool,
    places: HashMap<Digest, Place>,
}

/// The outcomes of requests, on the disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    is_writable: bool,
    damage: Vec<Damage>,
    state: Mutex<State>,
}

impl Journal {
    /// Opens a journal to add to it; creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// When another process has it open to add to it, when its folder does not exist,
    /// when it is not a file or not a journal, when a line is malformed, or when the disk
    /// fails.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| io_error("write", path, source);
        Self::check_file(path)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(JournalError::NoFolder {
                path: path.into(),
                folder: folder.into(),
            });
        }
        let is_new = !path.exists();
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let handle = Unlocking(options.map_err(|source| match source.kind() {
            // The folder of the path itself is there.
            io::ErrorKind::NotFound => JournalError::NotAFile {
                path: path.into(),
                problem: "is a link into a folder that does not exist; make that folder, or name a \
                          file elsewhere",
            },
            _ => failed(source),
        })?);
        let mut file = &handle.0;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: path.into() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let found = read(path, file)?;
        let end = found.end;
        match found.tail {
            Tail::Clean => {}
            Tail::Torn => file
                .set_len(end)
                .and_then(|()| file.sync_all())
                .map_err(failed)?,
            Tail::Unended => {
                let ended = file
                    .seek(SeekFrom::Start(end - 1))
                    .and_then(|_| file.write_all(b"\n"));
                ended.and_then(|()| file.sync_all()).map_err(failed)?;
            }
        }
        if is_new {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)?;
        }
        Ok(Self::of(path, handle, found, true))
    }

    /// Opens a journal to replay it; it is not changed.
    ///
    /// # Errors
    ///
    /// When it does not exist, is not a file or not a journal, cannot be read, or
    /// has a malformed line.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        Self::check_file(path)?;
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => JournalError::NotThere { path: path.into() },
            _ => io_error("read", path, source),
        })?;
        let found = read(path, &file)?;
        Ok(Self::of(path, Unlocking(file), found, false))
    }

    /// Refuses a path that exists and is not a file: reading a pipe would wait for
    /// whoever writes into it.
    ///
    /// # Errors
    ///
    /// When it is a folder, a pipe or a device.
    pub fn check_file(path: &Path) -> Result<(), JournalError> {
        // A path that does not exist or cannot be examined fails when it is opened.
        let Ok(found) = fs::metadata(path) else {
            return Ok(());
        };
        let kind = found.file_type();
        let problem = if kind.is_file() {
            return Ok(());
        } else if kind.is_dir() {
            "is a folder; name a file in it"
        } else if kind.is_fifo() {
            "is a pipe, but a journal is read more than once; name a file"
        } else {
            "is a device, which keeps nothing; name a file"
        };
        Err(JournalError::NotAFile {
            path: path.into(),
            problem,
        })
    }

    fn of(path: &Path, file: Unlocking, found: Found, is_writable: bool) -> Self {
        Self {
            path: path.into(),
            is_writable,
            damage: found.damage,
            state: Mutex::new(State {
                file,
                end: found.end,
                has_header: found.has_header,
                places: found.places,
            }),
        }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of requests that it has.
    pub fn n_requests(&self) -> usize {
        self.state().places.len()
    }

    /// Returns the damaged lines; their requests count as never asked.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Returns the kind of a request's outcome; `None` if it was never asked.
    pub fn kind(&self, request: &Digest) -> Option<OutcomeKind> {
        self.state().places.get(request).map(|place| place.kind)
    }

    /// Returns a request's outcome; `None` if it was never asked.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or was changed by others.
    pub fn get(&self, request: &Digest) -> Result<Option<Outcome>, JournalError> {
        let mut state = self.state();
        let Some(&place) = state.places.get(request) else {
            return Ok(None);
        };
        let mut line = vec![0; place.length as usize];
        let found = state.file.0.seek(SeekFrom::Start(place.offset));
        let found = found.and_then(|_| state.file.0.read_exact(&mut line));
        found.map_err(|source| io_error("read", &self.path, source))?;
        let entry = match check(&line) {
            Line::Whole(json) => Entry::parse(&json).ok(),
            Line::Unchecked(json) => Entry::parse(json).ok(),
            Line::Header | Line::Damaged => None,
        };
        match entry {
            Some(entry) if entry.request == *request => Ok(Some(entry.outcome)),
            _ => Err(io_error(
                "read",
                &self.path,
                io::Error::other("it was changed by another program while it was open"),
            )),
        }
    }

    /// Adds an entry, and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// When the disk fails; nothing of the entry then stays in the file.
    ///
    /// # Panics
    ///
    /// When the journal was opened to replay it.
    pub fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        assert!(
            self.is_writable,
            "a journal that is replayed takes no entries"
        );
        let line = sealed(&entry.json());
        let mut state = self.state();
        let offset = state.end;
        let before = if state.has_header {
            String::new()
        } else {
            header()
        };
        let text = before.clone() + &line;
        let written = state.file.0.seek(SeekFrom::Start(offset));
        let written = written.and_then(|_| state.file.0.write_all(text.as_bytes()));
        if let Err(source) = written.and_then(|()| state.file.0.sync_data()) {
            // A part that reached a full disk must not stay before the next line.
            // If this fails too, the next run finds a torn line.
            let _ = state.file.0.set_len(offset);
            return Err(io_error("write", &self.path, source));
        }
        state.end += text.len() as u64;
        state.has_header = true;
        let place = Place {
            offset: offset + before.len() as u64,
            length: line.len() as u64,
            kind: entry.outcome.kind(),
        };
        keep(&mut state.places, entry.request, place);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state consistent: it changes after writing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
