//! Reads a journal: where its entries are, what is damaged, and how it ends.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

use apo_files::{Format, HEAD_BYTES, foreign};

use super::entry::Entry;
use super::error::{JournalError, io_error};
use super::line::{Line, check, is_begun};
use crate::answer::excerpt;
use crate::outcome::OutcomeKind;
use crate::request::Digest;

/// A longer line is not one of ours.
const LONGEST_LINE: u64 = 64 << 20;

/// The byte order mark that some editors put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

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
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) kind: OutcomeKind,
}

/// The last entry counts, but a failure never hides an answer.
pub(super) fn keep(places: &mut HashMap<Digest, Place>, request: Digest, place: Place) {
    let hides =
        |before: &Place| before.kind != OutcomeKind::Failed && place.kind == OutcomeKind::Failed;
    if !places.get(&request).is_some_and(hides) {
        places.insert(request, place);
    }
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// With a line end, or the journal is empty.
    Clean,
    /// With a part of a line.
    Torn,
    /// With a whole line without a line end.
    Unended,
}

/// What was found in a journal.
pub(super) struct Found {
    pub(super) places: HashMap<Digest, Place>,
    /// The place of the next line; for [`Tail::Unended`], after the added line end.
    pub(super) end: u64,
    pub(super) tail: Tail,
    pub(super) has_header: bool,
    pub(super) damage: Vec<Damage>,
}

/// Reads a journal from its beginning.
///
/// # Errors
///
/// When it cannot be read, is something else, or has a malformed line.
pub(super) fn read(path: &Path, file: &File) -> Result<Found, JournalError> {
    let failed = |source| io_error("read", path, source);
    let mut lines = BufReader::with_capacity(1 << 18, file);
    let begin = lines.fill_buf().map_err(failed)?;
    if let Some(problem) = other_format(&begin[..begin.len().min(HEAD_BYTES)]) {
        return Err(JournalError::NotAFile {
            path: path.into(),
            problem,
        });
    }
    let mark = if begin.starts_with(BOM) { BOM.len() } else { 0 };
    lines.consume(mark);
    let mut reading = Reading::new(path, mark as u64);
    for number in 1.. {
        let mut line = Vec::new();
        let limited = &mut lines.by_ref().take(LONGEST_LINE);
        let length = limited.read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 || reading.take(number, &line)?.is_break() {
            break;
        }
    }
    reading.end()
}

/// Says what a file is if its first bytes show that it is not a journal.
fn other_format(head: &[u8]) -> Option<&'static str> {
    match Format::of(head) {
        Some(Format::Gzip) => Some("is compressed by gzip; unpack it first (`gunzip`)"),
        Some(Format::Parquet) => Some("is a Parquet file, expected JSON lines"),
        _ => foreign(head),
    }
}

/// A journal while it is read.
struct Reading<'a> {
    path: &'a Path,
    found: Found,
    /// Whether a line had a checksum, so that all later ones must have one.
    is_checked: bool,
    /// Whether a line is one of ours.
    is_ours: bool,
    /// The beginning of the first line that is not ours.
    foreign: Option<String>,
    /// A malformed line is a fault in a journal without checksums, and damage in one
    /// with them; which of the two this is may show later.
    first_fault: Option<JournalError>,
}

impl<'a> Reading<'a> {
    fn new(path: &'a Path, begin: u64) -> Self {
        Self {
            path,
            found: Found {
                places: HashMap::new(),
                end: begin,
                tail: Tail::Clean,
                has_header: false,
                damage: Vec::new(),
            },
            is_checked: false,
            is_ours: false,
            foreign: None,
            first_fault: None,
        }
    }

    /// Takes the next line; breaks if none can follow.
    fn take(&mut self, number: u64, bytes: &[u8]) -> Result<ControlFlow<()>, JournalError> {
        let length = bytes.len() as u64;
        let is_ended = bytes.ends_with(b"\n");
        if !is_ended && length == LONGEST_LINE {
            return Err(self.fault(number, "is longer than 64 MiB".into()));
        }
        let line = check(bytes);
        self.found.has_header |= line == Line::Header;
        let is_unchecked = matches!(line, Line::Unchecked(_));
        let entry = entry(line, self.is_checked);
        self.is_ours = self.is_ours
            || self.found.has_header
            || matches!(entry, Some(Ok(_)))
            || is_begun(bytes);
        if !self.is_ours && entry.is_some() {
            self.foreign.get_or_insert_with(|| excerpt(bytes));
        }
        match entry {
            None => {}
            Some(Ok(entry)) => {
                let place = Place {
                    offset: self.found.end,
                    length,
                    kind: entry.outcome.kind(),
                };
                keep(&mut self.found.places, entry.request, place);
            }
            Some(Err(_)) if !is_ended => {
                self.found.tail = Tail::Torn;
                self.damaged(number, "it was cut short");
                return Ok(ControlFlow::Break(()));
            }
            Some(Err(problem)) => {
                let what = if is_unchecked && !self.is_checked {
                    "it is not an entry of a journal"
                } else {
                    "its checksum does not match its text"
                };
                self.damaged(number, what);
                if self.first_fault.is_none() {
                    self.first_fault = Some(self.fault(number, problem));
                }
            }
        }
        self.is_checked |= !is_unchecked;
        self.found.end += length;
        if is_ended {
            return Ok(ControlFlow::Continue(()));
        }
        self.found.tail = Tail::Unended;
        self.found.end += 1;
        Ok(ControlFlow::Break(()))
    }

    fn damaged(&mut self, line: u64, problem: &'static str) {
        self.found.damage.push(Damage { line, problem });
    }

    fn fault(&self, line: u64, problem: String) -> JournalError {
        JournalError::Line {
            path: self.path.into(),
            line,
            problem,
        }
    }

    /// Returns what was found, once all lines are read.
    fn end(self) -> Result<Found, JournalError> {
        if let Some(begin) = self.foreign.filter(|_| !self.is_ours) {
            return Err(JournalError::Foreign {
                path: self.path.into(),
                begin,
            });
        }
        match self.first_fault {
            Some(fault) if !self.is_checked => Err(fault),
            _ => Ok(self.found),
        }
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
