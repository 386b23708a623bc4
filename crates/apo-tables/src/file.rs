//! Opens input files, and says what a file is that cannot be read.
//!
//! Every table and every raw file is opened by [`open`], which refuses pipes,
//! folders and devices by name.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

pub use apo_files::foreign;
use apo_files::{Format, HEAD_BYTES, not_utf8};
use apo_provenance::{Input, digest_path, input_name};

use crate::error::TableError;

/// The most bytes of a text that is read whole.
const MOST_TEXT: u64 = 64 << 20;

/// Opens a regular file.
///
/// # Errors
///
/// When it does not exist, cannot be read, or is not a regular file. An input is
/// read more than once, for its digest and for its rows.
pub fn open(path: &Path) -> Result<File, TableError> {
    // Asked before it is opened: opening a named pipe waits for its writer.
    let metadata = fs::metadata(path).map_err(|error| TableError::reading(path, error))?;
    if let Some(kind) = irregular(metadata.file_type()) {
        return Err(TableError::Import {
            path: path.into(),
            problem: kind.into(),
        });
    }
    File::open(path).map_err(|error| TableError::reading(path, error))
}

/// Describes a file or folder as an input.
///
/// # Errors
///
/// When it cannot be read.
pub fn input(path: &Path) -> Result<Input, TableError> {
    // A pipe or a device cannot be digested.
    if !path.is_dir() {
        open(path)?;
    }
    let digest = digest_path(path).map_err(|error| TableError::reading(path, error))?;
    Ok(Input {
        name: input_name(path),
        rows: None,
        digest,
        split: None,
    })
}

/// Reads a whole text file that people or a command wrote, without a byte order
/// mark.
///
/// # Errors
///
/// As [`open`], and when it is not text in UTF-8, or longer than 64 MiB.
pub fn text(path: &Path) -> Result<String, TableError> {
    let fault = |problem: String| TableError::Import {
        path: path.into(),
        problem,
    };
    if let Err(error) = fs::metadata(path)
        && error.kind() == io::ErrorKind::NotFound
    {
        return Err(fault(error.to_string()));
    }
    let mut bytes = Vec::new();
    let read = open(path)?.take(MOST_TEXT + 1).read_to_end(&mut bytes);
    read.map_err(|error| TableError::reading(path, error))?;
    if bytes.len() as u64 > MOST_TEXT {
        let most = MOST_TEXT >> 20;
        return Err(fault(format!(
            "is longer than {most} MiB, expected a short text"
        )));
    }
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let problem = match Format::of(head) {
        Some(Format::Gzip) => Some("is compressed by gzip; unpack it first (`gunzip`)"),
        Some(Format::Parquet) => Some("is a Parquet file, expected a text"),
        _ => foreign(head),
    };
    if let Some(problem) = problem {
        return Err(fault(problem.to_owned()));
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|it| fault(not_utf8(&name(path), it.as_bytes()).into()))?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// Reads a text file as [`text`] does, or returns `None` if it does not exist.
///
/// # Errors
///
/// As [`text`].
pub fn find_text(path: &Path) -> Result<Option<String>, TableError> {
    path.exists().then(|| text(path)).transpose()
}

/// Says what a file is that is not a regular one.
fn irregular(found: FileType) -> Option<&'static str> {
    if found.is_file() {
        return None;
    }
    if found.is_dir() {
        return Some("is a folder, expected a file");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if found.is_fifo() {
            return Some(
                "is a pipe, but inputs are read more than once; save it to a file and pass that",
            );
        }
        if found.is_socket() {
            return Some("is a socket, expected a file");
        }
    }
    Some("is a device, expected a file")
}

/// Reads the beginning of a file, [`HEAD_BYTES`] bytes, and goes back to its start.
///
/// # Errors
///
/// When it cannot be read.
pub fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
}

/// Returns a file's or folder's name, without the path.
pub fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_tells_what_is_no_text() {
        let utf_16: Vec<u8> = "{\"a\": 1}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for (head, word) in [
            (utf_16.as_slice(), "UTF-16"),
            (b"\xfe\xff\0{", "UTF-16"),
            (b"\xff\xfe\0\0{\0\0\0", "UTF-32"),
            (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd"),
            (b"\n <!DOCTYPE HTML>", "web page"),
            (b"\xef\xbb\xbf<HTML>", "web page"),
            (
                b"<?xml version=\"1.0\"?><Error><Code>AccessDenied",
                "web page",
            ),
            (b"# xet version 0\n", "Xet"),
            (b"/annex/objects/SHA256E-s1", "git-annex"),
            (b"BZh91AY", "bzip2"),
            (b"\xfd7zXZ\0\0", "xz"),
            (b"PK\x03\x04\x14", "zip"),
            (b"PARE", "encrypted"),
            (b"ARROW1\0\0", "Arrow"),
            (b"\x80\x04\x95", "pickle"),
        ] {
            assert!(foreign(head).is_some_and(|it| it.contains(word)), "{word}");
        }
        for head in [b"{\"a\": 1}".as_slice(), b"", b"\x1f\x8b\x08", b"PAR1\x15"] {
            assert_eq!(foreign(head), None);
        }
    }
}
