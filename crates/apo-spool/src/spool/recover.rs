//! Continuing a spool of an earlier run, even if it is damaged.

use std::fs::OpenOptions;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Place, Spool};
use crate::error::{SpoolError, failed};
use crate::frame::{FRAME, HEAD, decode, record_length};

/// A spool to which records can be added again.
#[derive(Debug)]
pub struct Recovered<T> {
    /// The spool; new records follow those that were kept.
    pub spool: Spool<T>,
    /// The number of damaged stretches that were skipped. A record that a kill cut
    /// short does not count.
    pub damaged: u64,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Opens the spool of an earlier run, or creates one, and calls `each` with
    /// every whole record in order. If `each` breaks, that record and all later ones
    /// are removed.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn recover(
        path: &Path,
        mut each: impl FnMut(Place, T) -> ControlFlow<()>,
    ) -> Result<Recovered<T>, SpoolError> {
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(path).map_err(failed("write", path))?;
        let reading = || failed("read", path);
        let length = file.metadata().map_err(reading())?.len();
        let mut frames = Frames {
            reader: BufReader::with_capacity(1 << 16, &file),
            at: 0,
            length,
            damaged: 0,
        };
        let mut end = 0;
        while let Some((place, record)) = frames.next().map_err(reading())? {
            if each(place, record).is_break() {
                break;
            }
            end = place.at + FRAME + u64::from(place.length);
        }
        let damaged = frames.damaged;
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::Start(end)))
            .map_err(failed("write", path))?;
        let spool = Self {
            path: path.into(),
            file,
            written: end,
            buffer: Vec::new(),
            limit: 0,
            marker: PhantomData,
        };
        Ok(Recovered { spool, damaged })
    }
}

/// Reads the frames of a file one by one.
struct Frames<R> {
    reader: R,
    /// The reader's position, bytes.
    at: u64,
    length: u64,
    damaged: u64,
}

impl<R: Read> Frames<R> {
    /// Returns the next whole record.
    fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<(Place, T)>> {
        loop {
            let Some(length) = self.next_head()? else {
                return Ok(None);
            };
            let at = self.at;
            let end = at + FRAME + u64::from(length);
            if end > self.length {
                return Ok(None); // cut short by a kill
            }
            let mut bytes = vec![0; length as usize + 4];
            self.reader.read_exact(&mut bytes)?;
            self.at = end;
            match decode(at, &bytes) {
                Some(record) => return Ok(Some((Place { at, length }, record))),
                None => self.damaged += 1,
            }
        }
    }

    /// Moves to the next frame and returns the length of its record.
    ///
    /// Frames have no marker to search for. After a damaged one, the next frame
    /// begins at the first byte at which a head matches its checksum.
    fn next_head(&mut self) -> io::Result<Option<u32>> {
        if self.length - self.at < FRAME {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.reader.read_exact(&mut head)?;
        let mut found = record_length(self.at, head);
        if found.is_none() {
            self.damaged += 1;
        }
        while found.is_none() && self.length - self.at > FRAME {
            head.rotate_left(1);
            self.reader.read_exact(&mut head[HEAD - 1..])?;
            self.at += 1;
            found = record_length(self.at, head);
        }
        Ok(found)
    }
}
