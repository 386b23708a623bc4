//! Folders and files of any format on the disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crc32fast::Hasher;

use crate::error::{SpoolError, failed};

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// Waits until a folder's entries are on the disk. Some file systems cannot tell;
/// this is not an error, because nothing more can be done there.
///
/// # Errors
///
/// When the disk fails.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Returns the CRC-32 of a file of any format, such as a model's weights.
///
/// # Errors
///
/// When it cannot be read.
pub fn checksum_of_file(path: &Path) -> Result<u32, SpoolError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer).map_err(failed("read", path))? {
            0 => return Ok(hasher.finalize()),
            n => hasher.update(&buffer[..n]),
        }
    }
}
