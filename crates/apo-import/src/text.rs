//! Reads text files, plain or gzipped, whatever their names say.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _};
use std::path::Path;

use apo_files::{Format, HEAD_BYTES};
use apo_tables::{TableError, file};
use flate2::bufread::GzDecoder;

use crate::fault::import_error;

/// The byte order mark that some editors put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

const GZIP: &[u8] = b"\x1f\x8b";

/// The number of bytes that are read at once.
const BUFFER: usize = 1 << 18;

/// Opens a text file, unpacks gzip, and skips a byte order mark.
///
/// # Errors
///
/// When it cannot be read, or its beginning shows that it is something else.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, TableError> {
    let reading = |error| TableError::reading(path, error);
    let mut file = file::open(path)?;
    let head = file::head(&mut file).map_err(reading)?;
    let is_gzip = Format::of(&head) == Some(Format::Gzip);
    let file = BufReader::with_capacity(BUFFER, file);
    let mut text: Box<dyn BufRead + Send> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, Members::new(file)))
    } else {
        Box::new(file)
    };
    let head = text.fill_buf().map_err(|error| broken(path, error))?;
    let begin = &head[..head.len().min(HEAD_BYTES)];
    let problem = match Format::of(begin) {
        Some(Format::Parquet) => Some("is a Parquet file; give it a name that ends in .parquet"),
        Some(Format::Gzip) if is_gzip => {
            Some("is compressed by gzip twice; unpack it once (`gunzip`)")
        }
        _ => file::foreign(begin),
    };
    if let Some(problem) = problem {
        return Err(import_error(path, problem));
    }
    if head.starts_with(BOM) {
        text.consume(BOM.len());
    }
    Ok(text)
}

/// Returns the error of text that was cut off or cannot be unpacked.
pub(crate) fn broken(path: &Path, error: io::Error) -> TableError {
    let follows = error.get_ref().and_then(|it| it.downcast_ref::<Follows>());
    if let Some(follows) = follows {
        return import_error(path, &follows.0);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            import_error(path, &format!("is not a whole gzip file: {error}"))
        }
        _ => TableError::reading(path, error),
    }
}

/// Something else follows the end of a gzip file; the text says what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Follows(String);

/// The most characters that are shown of what follows a gzip file.
const SHOWN: usize = 16;

/// Reads the members of a gzip file one after the other. Zeros after the last one are
/// padding.
struct Members {
    member: Option<GzDecoder<BufReader<File>>>,
}

impl Members {
    fn new(file: BufReader<File>) -> Self {
        Self {
            member: Some(GzDecoder::new(file)),
        }
    }
}

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else {
                return Ok(0);
            };
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else {
                return Ok(0);
            };
            if skip_zeros(&mut rest)? {
                return Ok(0);
            }
            let at = rest.stream_position()?;
            let next = rest.fill_buf()?;
            if !GZIP.starts_with(&next[..next.len().min(GZIP.len())]) {
                let shown = next[..next.len().min(SHOWN)].escape_ascii();
                let problem = format!(
                    "is gzip that ends at byte {at}, but something else follows: `{shown}`; cut it \
                     off (`head -c {at} FILE`), or copy the file again"
                );
                return Err(io::Error::other(Follows(problem)));
            }
            self.member = Some(GzDecoder::new(rest));
        }
    }
}

/// Skips zeros, and returns whether nothing follows them.
fn skip_zeros(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|it| **it == 0).count();
        let all = zeros == bytes.len();
        rest.consume(zeros);
        if !all {
            return Ok(false);
        }
    }
}
