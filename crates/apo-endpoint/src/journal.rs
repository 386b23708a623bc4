//! The outcome of each request, line by line on the disk.
//!
//! A journal is a file of JSON lines, one for each outcome:
//!
//! ```json
//! {"journal":"apo","lines":"checked","crc":"b5b518ea"}
//! {"request":"<64 hex digits>","model":"gpt-4","reply":{"content":"Hello.","finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":2}},"crc":"…"}
//! {"request":"<64 hex digits>","model":"gpt-4","policy":{"code":"content_filter","message":"…"},"crc":"…"}
//! {"request":"<64 hex digits>","model":"gpt-4","unreadable":{"problem":"…","body":"<base64>"},"crc":"…"}
//! {"request":"<64 hex digits>","model":"gpt-4","failed":{"message":"HTTP 503: overloaded","attempts":6},"crc":"…"}
//! ```
//!
//! `request` is [`Request::digest`](crate::Request::digest). Lines are only
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
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::answer::excerpt;
use crate::outcome::{Outcome, OutcomeKind};
use crate::request::Digest;

mod line;

use line::{Line, check, header, is_begun, sealed};

/// A longer line is not one of ours.
const LONGEST_LINE: u64 = 64 << 20;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which request.
    pub request: Digest,
    /// Which model was asked, for people: the digest already depends on it.
    pub model: String,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Entry {
    /// Returns the line without a checksum, with its line end.
    pub fn line(&self) -> String {
        let mut line = self.json();
        line.push('\n');
        line
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("an entry is plain data")
    }

    fn parse(json: &[u8]) -> serde_json::Result<Self> {
        let entry: Self = serde_json::from_slice(json)?;
        Ok(Self {
            outcome: entry.outcome.by_its_end(),
            ..entry
        })
    }
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It does not exist.
    #[error("there is no journal at {}", path.display())]
    NotThere {
        /// Where it was looked for.
        path: PathBuf,
    },

    /// A line is malformed.
    #[error(
        "{}, line {line}: {problem}; expected one JSON object a line, with `request`, `model` \
         and one of `reply`, `policy`, `unreadable` and `failed`; remove the line to have its \
         request asked again",
        path.display()
    )]
    Line {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },

    /// It is a folder, a pipe or a device.
    #[error("the journal {} {problem}", path.display())]
    NotAFile {
        /// Where it was looked for.
        path: PathBuf,
        /// What it is, and what was expected.
        problem: &'static str,
    },

    /// No line of it is one of ours.
    #[error(
        "{}, line 1: expected a line of a journal, found `{begin}`; the file is left as it is; name \
         another one",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it begins.
        begin: String,
    },

    /// Another process writes into it.
    #[error(
        "another process writes into the journal {}; wait for it, or stop it",
        path.display()
    )]
    Locked {
        /// The journal.
        path: PathBuf,
    },

    /// It could not be read or written.
    #[error("cannot {action} the journal {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The journal.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl JournalError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Locked { .. } | Self::Io { .. })
    }
}

/// A damaged line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// An entry's place in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    length: u64,
    kind: OutcomeKind,
}

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
    /// When another process has it open to add to it, when it is not a file or not a
    /// journal, when a line is malformed, or when the disk fails.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| io_error("write", path, source);
        Self::check_file(path)?;
        let is_new = !path.exists();
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let handle = Unlocking(options.map_err(failed)?);
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
            let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
            let folder = File::open(parent.unwrap_or(Path::new(".")));
            folder
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

    fn of(path: &Path, file: Unlocking, found: Read, is_writable: bool) -> Self {
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

    /// Whether the request was answered; a failure is not an answer.
    pub fn is_answered(&self, request: &Digest) -> bool {
        self.kind(request)
            .is_some_and(|kind| kind != OutcomeKind::Failed)
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

fn io_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        action,
        path: path.into(),
        source,
    }
}

/// The last entry counts, but a failure never hides an answer.
fn keep(places: &mut HashMap<Digest, Place>, request: Digest, place: Place) {
    let hides =
        |before: &Place| before.kind != OutcomeKind::Failed && place.kind == OutcomeKind::Failed;
    if !places.get(&request).is_some_and(hides) {
        places.insert(request, place);
    }
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// With a line end, or the journal is empty.
    Clean,
    /// With a part of a line.
    Torn,
    /// With a whole line without a line end.
    Unended,
}

struct Read {
    places: HashMap<Digest, Place>,
    /// The place of the next line; for [`Tail::Unended`], after the added line end.
    end: u64,
    tail: Tail,
    has_header: bool,
    damage: Vec<Damage>,
}

fn read(path: &Path, file: &File) -> Result<Read, JournalError> {
    let mut lines = BufReader::with_capacity(1 << 18, file);
    let mut found = Read {
        places: HashMap::new(),
        end: 0,
        tail: Tail::Clean,
        has_header: false,
        damage: Vec::new(),
    };
    // A malformed line is a fault in a journal without checksums, and damage in
    // one with them; which of the two this is may show later.
    let mut first_fault = None;
    let mut is_checked = false;
    // The first line of a file that has none of our lines.
    let mut foreign = None;
    let mut is_ours = false;
    for number in 1.. {
        let mut bytes = Vec::new();
        let limited = &mut lines.by_ref().take(LONGEST_LINE);
        let length = limited
            .read_until(b'\n', &mut bytes)
            .map_err(|source| io_error("read", path, source))? as u64;
        let fault = |problem: String| JournalError::Line {
            path: path.into(),
            line: number,
            problem,
        };
        let is_ended = bytes.ends_with(b"\n");
        if !is_ended && length == LONGEST_LINE {
            return Err(fault("is longer than 64 MiB".into()));
        }
        if length == 0 {
            break;
        }
        let line = check(&bytes);
        found.has_header |= line == Line::Header;
        let is_unchecked = matches!(line, Line::Unchecked(_));
        let line = entry(line, is_checked);
        is_ours = is_ours || found.has_header || matches!(line, Some(Ok(_))) || is_begun(&bytes);
        if !is_ours && line.is_some() {
            foreign.get_or_insert_with(|| excerpt(&bytes));
        }
        match line {
            None => {}
            Some(Ok(entry)) => {
                let place = Place {
                    offset: found.end,
                    length,
                    kind: entry.outcome.kind(),
                };
                keep(&mut found.places, entry.request, place);
            }
            Some(Err(_)) if !is_ended => {
                found.tail = Tail::Torn;
                found.damage.push(Damage {
                    line: number,
                    problem: "it was cut short",
                });
                break;
            }
            Some(Err(problem)) => {
                found.damage.push(Damage {
                    line: number,
                    problem: if is_unchecked && !is_checked {
                        "it is not an entry of a journal"
                    } else {
                        "its checksum does not match its text"
                    },
                });
                first_fault.get_or_insert_with(|| fault(problem));
            }
        }
        is_checked |= !is_unchecked;
        found.end += length;
        if !is_ended {
            found.tail = Tail::Unended;
            found.end += 1;
            break;
        }
    }
    if let Some(begin) = foreign.filter(|_| !is_ours) {
        return Err(JournalError::Foreign {
            path: path.into(),
            begin,
        });
    }
    match first_fault {
        Some(fault) if !is_checked => Err(fault),
        _ => Ok(found),
    }
}

/// Returns the entry of a line, or what is wrong with it; `None` if the line need
/// not hold an entry.
fn entry(line: Line<'_>, is_checked: bool) -> Option<Result<Entry, String>> {
    let json = match &line {
        Line::Header => return None,
        Line::Unchecked(json) if json.iter().all(u8::is_ascii_whitespace) => return None,
        Line::Unchecked(_) if is_checked => return Some(Err("its checksum is missing".into())),
        Line::Damaged => return Some(Err("its checksum does not match its text".into())),
        Line::Whole(json) => json.as_ref(),
        Line::Unchecked(json) => json,
    };
    Some(Entry::parse(json).map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests;
