//! Files of records.

mod recover;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{SpoolError, failed};
use crate::frame::{HEAD, checksum, decode, record_length};

pub use recover::Recovered;

/// Bytes that a buffered spool collects before it writes them.
const BUFFER: usize = 1 << 20;

/// Extension of a spool that is kept when a stage stops.
pub const EXTENSION: &str = "spool";

/// Where a record is in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    at: u64,
    length: u32,
}

impl Place {
    /// Returns the byte of the file at which the record's frame begins.
    pub fn at(self) -> u64 {
        self.at
    }
}

/// A file of records of one type.
#[derive(Debug)]
pub struct Spool<T> {
    path: PathBuf,
    file: File,
    /// Bytes in the file, without those in the buffer.
    written: u64,
    /// Frames that are not in the file yet.
    buffer: Vec<u8>,
    /// Bytes in the buffer at which it is written.
    limit: usize,
    marker: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Creates an empty spool, and replaces an earlier file. Records are written
    /// many at a time: a stage that is stopped makes such a spool again.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn create(path: &Path) -> Result<Self, SpoolError> {
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(true).read(true).write(true);
        let file = options.open(path).map_err(failed("write", path))?;
        Ok(Self {
            path: path.into(),
            file,
            written: 0,
            buffer: Vec::new(),
            limit: BUFFER,
            marker: PhantomData,
        })
    }

    /// Adds a record and returns its place. In a recovered spool the record is in
    /// the file when this returns.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn append(&mut self, record: &T) -> Result<Place, SpoolError> {
        let at = self.written + self.buffer.len() as u64;
        let start = self.buffer.len();
        self.buffer.extend([0; HEAD]);
        let buffer = std::mem::take(&mut self.buffer);
        self.buffer = postcard::to_extend(record, buffer)
            .map_err(|error| failed("write", &self.path)(io::Error::other(error)))?;
        let record = &self.buffer[start + HEAD..];
        let length = u32::try_from(record.len()).map_err(|_| {
            let problem = io::Error::new(
                io::ErrorKind::InvalidInput,
                "a record may have 4 GiB at most",
            );
            failed("write", &self.path)(problem)
        })?;
        let crc = checksum(at, record);
        let head = length.to_le_bytes();
        let head_crc = checksum(at, &head).to_le_bytes();
        self.buffer[start..start + 4].copy_from_slice(&head);
        self.buffer[start + 4..start + HEAD].copy_from_slice(&head_crc);
        self.buffer.extend(crc.to_le_bytes());
        if self.buffer.len() >= self.limit {
            self.flush()?;
        }
        Ok(Place { at, length })
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or does not match its checksum.
    pub fn read(&mut self, place: Place) -> Result<T, SpoolError> {
        if place.at >= self.written {
            self.flush()?;
        }
        let mut bytes = vec![0; place.length as usize + 4];
        match self.file.read_exact_at(&mut bytes, place.at + HEAD as u64) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(failed("read", &self.path)(error));
            }
            // A file that has become too short fails its checksum.
            _ => {}
        }
        decode(place.at, &bytes).ok_or_else(|| SpoolError::Damaged {
            path: self.path.clone(),
            at: place.at,
        })
    }

    fn flush(&mut self) -> Result<(), SpoolError> {
        self.file
            .write_all(&self.buffer)
            .map_err(failed("write", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Removes the file.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), SpoolError> {
        fs::remove_file(&self.path).map_err(failed("remove", &self.path))
    }
}

/// Writes one record as a file of its own, and waits until it is on the disk.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_record<T: Serialize + DeserializeOwned>(
    path: &Path,
    record: &T,
) -> Result<(), SpoolError> {
    let mut spool = Spool::create(path)?;
    spool.append(record)?;
    spool.flush()?;
    spool.file.sync_all().map_err(failed("write", path))
}

/// Reads the record in a file that [`write_record`] wrote.
///
/// # Errors
///
/// When the file cannot be read, or does not match its checksum.
pub fn read_record<T: DeserializeOwned>(path: &Path) -> Result<T, SpoolError> {
    let bytes = fs::read(path).map_err(failed("read", path))?;
    let record = bytes.split_first_chunk().and_then(|(head, rest)| {
        let length = record_length(0, *head)? as usize;
        (rest.len() == length + 4).then(|| decode(0, rest))?
    });
    record.ok_or_else(|| SpoolError::Damaged {
        path: path.into(),
        at: 0,
    })
}
