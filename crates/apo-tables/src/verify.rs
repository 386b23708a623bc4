//! Whether a table is as it was written, without reading its rows.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::columns::{self, corrupt, library};
use crate::error::TableError;
use crate::footer;

/// What a Parquet file begins with.
const MAGIC: &[u8; 4] = b"PAR1";

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;

/// Checks a Parquet file against its checksums: one of ours against those in its
/// footer, which cover all of it; that of another program against those of its
/// pages, where it has them.
///
/// # Errors
///
/// When it cannot be read, or is not as it was written.
pub fn verify(path: &Path) -> Result<(), TableError> {
    if check(path)? {
        return Ok(());
    }
    let file = columns::open(path)?;
    library(path, || {
        let file = SerializedFileReader::new(file)?;
        for group in 0..file.num_row_groups() {
            let group = file.get_row_group(group)?;
            for column in 0..group.num_columns() {
                let mut pages = group.get_column_page_reader(column)?;
                while pages.get_next_page()?.is_some() {}
            }
        }
        Ok::<(), ParquetError>(())
    })
}

/// Checks a Parquet file of ours against the checksums in its footer; tells
/// whether it has them.
///
/// # Errors
///
/// As [`verify`].
pub(crate) fn check(path: &Path) -> Result<bool, TableError> {
    let metadata = columns::metadata(path)?;
    let Some(written) = footer::data(&metadata) else {
        return Ok(false);
    };
    let found = checksum(path).map_err(|error| TableError::reading(path, error))?;
    if found.is_some_and(|it| written == format!("{it:08x}")) {
        return Ok(true);
    }
    Err(corrupt(path, "its pages do not match their checksum"))
}

/// Returns the checksum of all bytes between a file's first four and its footer;
/// none where it is no whole file.
fn checksum(path: &Path) -> io::Result<Option<u32>> {
    let mut file = File::open(path)?;
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    file.seek(SeekFrom::End(-8))?;
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let footer = 8 + u64::from(u32::from_le_bytes(length));
    let end = file.seek(SeekFrom::End(0))?.checked_sub(footer);
    let length = end.and_then(|end| end.checked_sub(MAGIC.len() as u64));
    let Some(length) = length.filter(|_| magic == *MAGIC) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(MAGIC.len() as u64))?;
    let mut data = file.take(length);
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match data.read(&mut buffer)? {
            0 => return Ok(Some(hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}
