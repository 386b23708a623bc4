//! What came of each request, line by line on the disk.
//!
//! A journal is a file of JSON lines, one an outcome:
//!
//! ```json
//! {"request":"<64 hex digits>","model":"gpt-4","reply":{"content":"Hello.","finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":2}}}
//! {"request":"<64 hex digits>","model":"gpt-4","policy":{"code":"content_filter","message":"…"}}
//! {"request":"<64 hex digits>","model":"gpt-4","failed":{"message":"HTTP 503: overloaded","attempts":6}}
//! ```
//!
//! `request` is [`Request::digest`](crate::Request::digest). Lines are only
//! ever added, each on the disk before its outcome is used. A failure is not
//! an answer: it is replayed as what happened, and asked again by a run that
//! can ask. Of several lines to one request the last counts, but a failure
//! never hides an answer.
//!
//! A last line that a crash cut short is no fault; anything else that is not
//! such a line is refused by its number. In memory are the keys and where
//! their lines begin, not the texts.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::request::Digest;

/// A line that takes more than this is none of ours.
const LONGEST_LINE: u64 = 64 << 20;

/// Tokens that a reply took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the reply.
    #[serde(default)]
    pub completion_tokens: u64,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The text as it came.
    pub content: String,
    /// Why it ended: `stop`, `length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// What it took, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// The server's content policy stood in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The error's code or type, as `content_filter`.
    pub code: String,
    /// What the server says about it.
    #[serde(default)]
    pub message: String,
    /// What it took, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// No reply, after all attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the last attempt met.
    pub message: String,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A reply.
    Reply(Reply),
    /// A refusal by content policy.
    Policy(Policy),
    /// Nothing.
    Failed(Failure),
}

impl Outcome {
    /// Whether it is the end of the matter, not to be asked again.
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }

    /// Returns the tokens that were paid for, where the server told them.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::Reply(reply) => reply.usage,
            Self::Policy(policy) => policy.usage,
            Self::Failed(_) => None,
        }
    }
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which request.
    pub request: Digest,
    /// Which model was asked; for people, the digest already depends on it.
    pub model: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Entry {
    /// Returns the line, with its end.
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("an entry is plain data");
        line.push('\n');
        line
    }
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// There is none.
    #[error("there is no journal at {}", path.display())]
    NotThere {
        /// Where it was looked for.
        path: PathBuf,
    },

    /// A line is not what it should be.
    #[error(
        "{}, line {line}: {problem}; expected one JSON object a line, with `request`, `model` \
         and one of `reply`, `policy` and `failed`",
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
        matches!(self, Self::NotThere { .. } | Self::Line { .. })
    }
}

/// Where an entry stands in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    length: u64,
    is_answer: bool,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Where the next line goes.
    end: u64,
    places: HashMap<Digest, Place>,
}

/// The outcomes of requests on the disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    is_writable: bool,
    state: Mutex<State>,
}

impl Journal {
    /// Opens a journal to be added to; makes one where there is none.
    ///
    /// # Errors
    ///
    /// When another process has it open to add to it, when a line is not what
    /// it should be, or when the disk does not do it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| io_error("write", path, source);
        let is_new = !path.exists();
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: path.into() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let Read { places, end, tail } = read(path, &file)?;
        match tail {
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
        Ok(Self {
            path: path.into(),
            is_writable: true,
            state: Mutex::new(State { file, end, places }),
        })
    }

    /// Opens a journal to be replayed; it is left as it is.
    ///
    /// # Errors
    ///
    /// When it is not there, cannot be read, or has a line that is not what it
    /// should be.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => JournalError::NotThere { path: path.into() },
            _ => io_error("read", path, source),
        })?;
        let Read { places, end, .. } = read(path, &file)?;
        Ok(Self {
            path: path.into(),
            is_writable: false,
            state: Mutex::new(State { file, end, places }),
        })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many requests it knows.
    pub fn n_requests(&self) -> usize {
        self.state().places.len()
    }

    /// Whether the request was answered: a failure is no answer.
    pub fn is_answered(&self, request: &Digest) -> bool {
        self.state()
            .places
            .get(request)
            .is_some_and(|place| place.is_answer)
    }

    /// Returns what came of a request; none where it was never asked.
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
        let found = state.file.seek(SeekFrom::Start(place.offset));
        let found = found.and_then(|_| state.file.read_exact(&mut line));
        found.map_err(|source| io_error("read", &self.path, source))?;
        match serde_json::from_slice::<Entry>(&line) {
            Ok(entry) if entry.request == *request => Ok(Some(entry.outcome)),
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
    /// When the disk does not take it: then nothing of it stays in the file.
    ///
    /// # Panics
    ///
    /// When the journal was opened to be replayed.
    pub fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        assert!(
            self.is_writable,
            "a journal that is replayed takes no entries"
        );
        let line = entry.line();
        let mut state = self.state();
        let offset = state.end;
        let written = state.file.seek(SeekFrom::Start(offset));
        let written = written.and_then(|_| state.file.write_all(line.as_bytes()));
        if let Err(source) = written.and_then(|()| state.file.sync_data()) {
            // Of a part that a full disk took, nothing may stand before the
            // next line. If this fails too, the next run finds a torn line.
            let _ = state.file.set_len(offset);
            return Err(io_error("write", &self.path, source));
        }
        state.end += line.len() as u64;
        let place = Place {
            offset,
            length: line.len() as u64,
            is_answer: entry.outcome.is_answer(),
        };
        keep(&mut state.places, entry.request, place);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state whole: it changes after writing.
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
    let hides = |before: &Place| before.is_answer && !place.is_answer;
    if !places.get(&request).is_some_and(hides) {
        places.insert(request, place);
    }
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// With the end of a line, or with nothing at all.
    Clean,
    /// With a part of a line.
    Torn,
    /// With a whole line that lacks its end.
    Unended,
}

struct Read {
    places: HashMap<Digest, Place>,
    /// Where the next line goes; for [`Tail::Unended`], once the end is added.
    end: u64,
    tail: Tail,
}

fn read(path: &Path, file: &File) -> Result<Read, JournalError> {
    let mut lines = BufReader::with_capacity(1 << 18, file);
    let mut places = HashMap::new();
    let (mut offset, mut number) = (0, 0);
    loop {
        let mut line = Vec::new();
        let limited = &mut lines.by_ref().take(LONGEST_LINE);
        let length = limited
            .read_until(b'\n', &mut line)
            .map_err(|source| io_error("read", path, source))? as u64;
        number += 1;
        let fault = |problem: String| JournalError::Line {
            path: path.into(),
            line: number,
            problem,
        };
        let is_ended = line.ends_with(b"\n");
        if !is_ended && length == LONGEST_LINE {
            return Err(fault("is longer than 64 MiB".into()));
        }
        if length == 0 {
            return Ok(Read {
                places,
                end: offset,
                tail: Tail::Clean,
            });
        }
        let is_blank = line.iter().all(u8::is_ascii_whitespace);
        if !is_blank {
            let entry: Entry = match serde_json::from_slice(&line) {
                Ok(entry) => entry,
                Err(_) if !is_ended => {
                    return Ok(Read {
                        places,
                        end: offset,
                        tail: Tail::Torn,
                    });
                }
                Err(error) => return Err(fault(error.to_string())),
            };
            let place = Place {
                offset,
                length,
                is_answer: entry.outcome.is_answer(),
            };
            keep(&mut places, entry.request, place);
        }
        offset += length;
        if !is_ended {
            return Ok(Read {
                places,
                end: offset + 1,
                tail: Tail::Unended,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::request::{Message, Request, Role};

    /// An empty folder of this test's own.
    fn fresh(test: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("apo-journal-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&dir); // absent on the first run
        fs::create_dir_all(&dir).unwrap();
        dir.join("journal.jsonl")
    }

    fn request(text: &str) -> Digest {
        Request::new("m", vec![Message::new(Role::User, text)]).digest()
    }

    fn entry(text: &str, outcome: Outcome) -> Entry {
        Entry {
            request: request(text),
            model: "m".into(),
            outcome,
        }
    }

    fn reply(content: &str) -> Outcome {
        Outcome::Reply(Reply {
            content: content.into(),
            finish_reason: Some("stop".into()),
            usage: Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 2,
            }),
        })
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure {
            message: "HTTP 503".into(),
            attempts: 6,
        })
    }

    fn policy() -> Outcome {
        Outcome::Policy(Policy {
            code: "content_filter".into(),
            message: "no".into(),
            usage: None,
        })
    }

    #[test]
    fn a_line_reads_as_documented() {
        let digest = request("hi");
        assert_eq!(
            entry("hi", reply("Hello.\n")).line(),
            format!(
                r#"{{"request":"{digest}","model":"m","reply":{{"content":"Hello.\n","finish_reason":"stop","usage":{{"prompt_tokens":3,"completion_tokens":2}}}}}}"#
            ) + "\n"
        );
        assert_eq!(
            entry("hi", failed()).line(),
            format!(
                r#"{{"request":"{digest}","model":"m","failed":{{"message":"HTTP 503","attempts":6}}}}"#
            ) + "\n"
        );
        assert_eq!(
            entry("hi", policy()).line(),
            format!(
                r#"{{"request":"{digest}","model":"m","policy":{{"code":"content_filter","message":"no"}}}}"#
            ) + "\n"
        );
    }

    #[test]
    fn what_was_added_is_found_again_by_this_and_the_next() {
        let path = fresh("found");
        let outcomes = [
            ("a", reply("A")),
            ("b", policy()),
            ("c", failed()),
            ("d", reply("ü\n\"D")),
        ];
        {
            let journal = Journal::open(&path).unwrap();
            for (text, outcome) in &outcomes {
                journal.append(&entry(text, outcome.clone())).unwrap();
                assert_eq!(journal.get(&request(text)).unwrap().as_ref(), Some(outcome));
            }
            assert_eq!(journal.get(&request("a")).unwrap(), Some(reply("A")));
        }
        for journal in [Journal::read(&path).unwrap(), Journal::open(&path).unwrap()] {
            assert_eq!(journal.n_requests(), 4);
            for (text, outcome) in &outcomes {
                assert_eq!(
                    journal.get(&request(text)).unwrap().as_ref(),
                    Some(outcome),
                    "{text}"
                );
                assert_eq!(
                    journal.is_answered(&request(text)),
                    outcome.is_answer(),
                    "{text}"
                );
            }
            assert_eq!(journal.get(&request("e")).unwrap(), None);
        }
    }

    #[test]
    fn a_later_answer_counts_but_a_failure_never_hides_one() {
        let path = fresh("later");
        let journal = Journal::open(&path).unwrap();
        for outcome in [failed(), reply("first"), reply("second"), failed()] {
            journal.append(&entry("a", outcome)).unwrap();
        }
        assert_eq!(journal.get(&request("a")).unwrap(), Some(reply("second")));
        drop(journal);
        let journal = Journal::read(&path).unwrap();
        assert_eq!(journal.get(&request("a")).unwrap(), Some(reply("second")));
    }

    #[test]
    fn a_last_line_cut_anywhere_is_no_fault() {
        let path = fresh("torn");
        let whole = entry("a", reply("A")).line();
        let last = entry("b", reply("é B")).line();
        for cut in 0..last.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes.extend_from_slice(&last.as_bytes()[..cut]);
            fs::write(&path, &bytes).unwrap();
            // A line that only lacks its end was paid for, and is kept.
            let expected = if cut == last.len() - 1 { 2 } else { 1 };
            let journal = Journal::read(&path).unwrap();
            assert_eq!(journal.n_requests(), expected, "cut after {cut} bytes");
            assert_eq!(fs::read(&path).unwrap(), bytes, "a replay changes nothing");

            let journal = Journal::open(&path).unwrap();
            assert_eq!(journal.n_requests(), expected, "cut after {cut} bytes");
            journal.append(&entry("c", reply("C"))).unwrap();
            drop(journal);
            let journal = Journal::read(&path).unwrap();
            assert_eq!(journal.n_requests(), expected + 1, "cut after {cut} bytes");
            assert_eq!(journal.get(&request("c")).unwrap(), Some(reply("C")));
        }
    }

    #[test]
    fn a_tail_of_zero_bytes_is_torn_too() {
        let path = fresh("zeros");
        let mut bytes = entry("a", reply("A")).line().into_bytes();
        bytes.extend([0; 100]);
        fs::write(&path, bytes).unwrap();
        assert_eq!(Journal::open(&path).unwrap().n_requests(), 1);
        let left = fs::read_to_string(&path).unwrap();
        assert_eq!(left, entry("a", reply("A")).line());
    }

    #[test]
    fn a_line_that_is_none_is_refused_by_its_number() {
        let path = fresh("fault");
        let whole = entry("a", reply("A")).line();
        let digest = request("a");
        for (line, problem) in [
            ("garbage\n".to_owned(), "expected value"),
            ("\u{0}\u{0}\n".to_owned(), "expected value"),
            (
                format!("{{\"request\":\"{digest}\",\"model\":\"m\"}}\n"),
                "no variant",
            ),
            (
                "{\"request\":\"abc\",\"model\":\"m\",\"failed\":{\"message\":\"\"}}\n".into(),
                "64 hex digits",
            ),
            (
                format!("{{\"request\":\"{digest}\",\"model\":\"m\",\"reply\":{{}}}}\n"),
                "content",
            ),
        ] {
            fs::write(&path, format!("{whole}\n{line}{whole}")).unwrap();
            let error = Journal::read(&path).unwrap_err();
            assert!(error.is_bad_input());
            let text = error.to_string();
            assert!(text.contains("journal.jsonl, line 3: "), "{text}");
            assert!(text.contains(problem), "{line}: {text}");
        }
    }

    #[test]
    fn two_writers_are_kept_apart() {
        let path = fresh("locked");
        let _first = Journal::open(&path).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Locked { .. }), "{error}");
        assert!(Journal::read(&path).is_ok());
    }

    #[test]
    fn a_missing_journal_cannot_be_replayed() {
        let error = Journal::read(&fresh("missing")).unwrap_err();
        assert!(matches!(error, JournalError::NotThere { .. }), "{error}");
    }
}
