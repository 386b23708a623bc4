//! One file of the hub on its way into the cache: begun anew or continued, checked, and
//! put in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use apo_endpoint::retry_after;

use crate::cache::{make_parent, writing};
use crate::digest::Hasher;
use crate::error::HubError;
use crate::listing::Listed;
use crate::name::Name;
use crate::watch::Watch;
use crate::web::{Answer, Trouble};

/// The most bytes that are read at once from what is there already.
const PIECE: usize = 1 << 20;

/// Why an attempt was not the last one.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// Another attempt may succeed.
    Later {
        /// What this one met.
        problem: String,
        /// The pause that the server asks for.
        asked: Option<Duration>,
        /// Whether it brought something that the earlier ones had not.
        advanced: bool,
    },
    /// No other attempt would.
    Never(HubError),
}

impl Obstacle {
    /// Makes the obstacle of an attempt that brought nothing.
    pub(crate) fn later(problem: impl Into<String>) -> Self {
        Self::Later {
            problem: problem.into(),
            asked: None,
            advanced: false,
        }
    }

    /// Makes the obstacle of an answer that asks for another attempt, at a time that it
    /// may name.
    pub(crate) fn asked(problem: String, answer: &Answer) -> Self {
        let asked = answer.header("retry-after");
        Self::Later {
            problem,
            asked: asked.and_then(|it| retry_after(it, SystemTime::now())),
            advanced: false,
        }
    }
}

impl From<Trouble> for Obstacle {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Broken(problem) => Self::later(problem),
            Trouble::Proxy(error) => Self::Never(error.into()),
            Trouble::Stopped => Self::Never(HubError::Stopped),
        }
    }
}

impl From<HubError> for Obstacle {
    fn from(error: HubError) -> Self {
        Self::Never(error)
    }
}

/// A file under way.
pub(crate) struct Download<'a> {
    /// The repository.
    name: &'a Name,
    file: &'a Listed,
    path: PathBuf,
    output: File,
    hasher: Hasher,
    /// The bytes that are written.
    at: u64,
    /// The most bytes that were ever written: they count only once as progress.
    furthest: u64,
    /// Whether the first bytes come from an earlier process.
    is_continued: bool,
}

impl<'a> Download<'a> {
    /// Opens the file, and digests what an earlier process has left there.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub(crate) fn open(
        path: PathBuf,
        name: &'a Name,
        file: &'a Listed,
        watch: &mut dyn Watch,
    ) -> Result<Self, HubError> {
        make_parent(&path)?;
        let mut options = OpenOptions::new();
        let output = options.create(true).truncate(false).read(true).write(true);
        let output = output.open(&path).map_err(|error| writing(&path, error))?;
        let mut download = Self {
            hasher: file.digest.hasher(file.size),
            name,
            file,
            path,
            output,
            at: 0,
            furthest: 0,
            is_continued: false,
        };
        download.read_there(watch)?;
        Ok(download)
    }

    /// Digests what is there. More than the whole file cannot be the beginning of it.
    fn read_there(&mut self, watch: &mut dyn Watch) -> Result<(), HubError> {
        let metadata = self.output.metadata();
        let length = metadata.map_err(|error| self.writing(error))?.len();
        if length > self.file.size {
            return self.restart();
        }
        let mut bytes = vec![0; PIECE];
        while self.at < length {
            if watch.is_stopped() {
                return Err(HubError::Stopped);
            }
            match self.output.read(&mut bytes) {
                Ok(0) => break,
                Ok(n) => self.add(&bytes[..n], watch),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.writing(error)),
            }
        }
        self.is_continued = self.at > 0;
        Ok(())
    }

    /// Returns where an attempt has to begin; `None` if nothing is missing.
    pub(crate) fn missing_from(&self) -> Option<u64> {
        (self.at < self.file.size).then_some(self.at)
    }

    /// Writes what an answer brings: a whole file, or the rest of one.
    ///
    /// # Errors
    ///
    /// When the answer breaks off, is not what was asked for, or cannot be written.
    pub(crate) fn take(&mut self, answer: &Answer, watch: &mut dyn Watch) -> Result<(), Obstacle> {
        if answer.status == 206 {
            let expected = format!("bytes {}-", self.at);
            let range = answer.header("content-range").unwrap_or_default();
            if !range.starts_with(&expected) {
                self.restart()?;
                return Err(Obstacle::later("the server sends another part of the file"));
            }
        } else if self.at > 0 {
            // The server sends the whole file again.
            self.restart()?;
        }
        let before = self.furthest;
        let broken_off = loop {
            match answer.next(&|| watch.is_stopped()) {
                Ok(Some(bytes)) => {
                    if self.at + bytes.len() as u64 > self.file.size {
                        self.restart()?;
                        return Err(self.damaged("it is longer than the hub lists").into());
                    }
                    let written = self.output.write_all(&bytes);
                    written.map_err(|error| self.writing(error))?;
                    self.add(&bytes, watch);
                }
                Ok(None) => break None,
                Err(Trouble::Broken(problem)) => break Some(problem),
                Err(trouble) => return Err(trouble.into()),
            }
        };
        if self.missing_from().is_none() {
            return Ok(());
        }
        let problem = broken_off.unwrap_or_else(|| "the connection was closed".to_owned());
        Err(Obstacle::Later {
            problem: format!(
                "{} broke off after {} of {} bytes: {problem}",
                self.file.name, self.at, self.file.size
            ),
            asked: None,
            advanced: self.furthest > before,
        })
    }

    /// Puts the whole file in its place if its digest is the one that the hub lists. If
    /// it is not, nothing of it stays.
    ///
    /// # Errors
    ///
    /// When the digest is another one, or the file cannot be written.
    pub(crate) fn finish(&mut self, place: &Path) -> Result<(), Obstacle> {
        let fresh = self.file.digest.hasher(self.file.size);
        let found = std::mem::replace(&mut self.hasher, fresh).finish();
        if found != self.file.digest.hex() {
            let was_continued = self.is_continued;
            self.restart()?;
            if was_continued {
                return Err(Obstacle::later(format!(
                    "what was there of {} is not the beginning of it",
                    self.file.name
                )));
            }
            let _ = fs::remove_file(&self.path);
            let expected = self.file.digest.hex();
            let problem = format!("its digest is {found}, the hub lists {expected}");
            return Err(self.damaged(&problem).into());
        }
        let synced = self.output.sync_all();
        synced.map_err(|error| self.writing(error))?;
        fs::rename(&self.path, place).map_err(|error| writing(place, error))?;
        Ok(())
    }

    /// Drops what is there.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn restart(&mut self) -> Result<(), HubError> {
        let emptied = self.output.set_len(0);
        let emptied = emptied.and_then(|()| self.output.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| self.writing(error))?;
        self.hasher = self.file.digest.hasher(self.file.size);
        self.at = 0;
        self.is_continued = false;
        Ok(())
    }

    fn add(&mut self, bytes: &[u8], watch: &mut dyn Watch) {
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
        if self.at > self.furthest {
            watch.advanced(self.at - self.furthest);
            self.furthest = self.at;
        }
    }

    fn writing(&self, error: io::Error) -> HubError {
        writing(&self.path, error)
    }

    fn damaged(&self, problem: &str) -> HubError {
        HubError::Damaged {
            name: self.name.to_string(),
            file: self.file.name.clone(),
            problem: problem.to_owned(),
        }
    }
}
