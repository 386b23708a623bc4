//! Bytes of text files: plain or gzip, whatever the name says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use serde::de::IgnoredAny;

use crate::error::TableError;
use crate::file;

/// What some editors put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

const GZIP: &[u8] = b"\x1f\x8b";

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

/// Opens a text file, gzip unpacked and a byte order mark left out.
///
/// # Errors
///
/// When it cannot be read, or its beginning shows that it is something else.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, TableError> {
    let reading = |error| TableError::reading(path, error);
    let mut file = file::open(path)?;
    let head = file::head(&mut file).map_err(reading)?;
    let is_gzip = head.starts_with(GZIP);
    let file = BufReader::with_capacity(BUFFER, file);
    let mut text: Box<dyn BufRead + Send> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, Members::new(file)))
    } else {
        Box::new(file)
    };
    let head = text.fill_buf().map_err(|error| broken(path, error))?;
    let problem = if head.starts_with(b"PAR1") {
        Some("is a Parquet file; give it a name that ends in .parquet")
    } else {
        file::foreign(&head[..head.len().min(file::HEAD)])
    };
    if let Some(problem) = problem {
        return Err(TableError::Import {
            path: path.into(),
            problem: problem.into(),
        });
    }
    if head.starts_with(BOM) {
        text.consume(BOM.len());
    }
    Ok(text)
}

/// Says what is wrong with a text of JSON, by its beginning, whose values do not
/// stand one a line; nothing of one that is no JSON.
pub(super) fn misshapen(head: &[u8]) -> Option<&'static str> {
    let begin = head.trim_ascii_start();
    let mut values = serde_json::Deserializer::from_slice(begin).into_iter::<IgnoredAny>();
    let length = match values.next()? {
        Ok(_) => values.byte_offset(),
        // It is longer than the beginning.
        Err(error) if error.is_eof() => begin.len(),
        Err(_) => return None,
    };
    let (value, rest) = begin.split_at(length);
    if value.contains(&b'\n') {
        return Some(if begin.starts_with(b"[") {
            "is a JSON list over several lines; give it a name that ends in .json"
        } else {
            "has records over several lines, expected a record a line; `jq -c .` writes them so"
        });
    }
    let goes_on = value.contains(&b'\r') || !rest.trim_ascii().is_empty();
    if goes_on && begin.contains(&b'\r') && !begin.contains(&b'\n') {
        return Some(
            "ends its lines with CR alone, expected LF or CRLF; `tr '\\r' '\\n'` converts it",
        );
    }
    None
}

/// Tells that text breaks off or cannot be unpacked.
pub(super) fn broken(path: &Path, error: io::Error) -> TableError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            TableError::Import {
                path: path.into(),
                problem: format!("is no whole gzip file: {error}"),
            }
        }
        _ => TableError::reading(path, error),
    }
}

/// The members of a gzip file, one after the other; zeros after the last pad
/// the file and are no data.
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
            self.member = Some(GzDecoder::new(rest));
        }
    }
}

/// Skips zeros; whether nothing follows them.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_no_value_a_line_is_told_apart() {
        for (head, expected) in [
            (
                "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n",
                "records over several lines",
            ),
            ("{\r\n  \"a\": 1\r\n}\r\n", "records over several lines"),
            // Cut by the buffer.
            ("\n{\n  \"a\": [\n    1,", "records over several lines"),
            ("[\n  {\"a\": 1},\n  {\"a\": 2}\n]\n", ".json"),
            ("{\"a\": 1}\r{\"a\": 2}\r", "CR alone"),
            ("{\r  \"a\": 1\r}\r{\r", "CR alone"),
        ] {
            let found = misshapen(head.as_bytes());
            assert!(
                found.is_some_and(|it| it.contains(expected)),
                "{head:?}: {found:?}"
            );
        }
        for head in [
            "",
            "\n",
            "{\"a\": 1}\n{\"a\": 2}\n",
            "{\"a\": 1}\r\n{\"a\": 2}\r\n",
            "\n\n[{\"question\": 1}, {\"question\": 2}]\n[]\n",
            "{\"a\": 1}",
            "{\"a\": 1}\r",
            "{\"a\": \"one line that the buffer cuts",
            "{\"a\": 1} \r {\"a\": 1}\n",
            "{\"a\": 1}\nnot JSON\n",
            "not JSON\n{\"a\": 1}\n",
            "{\"a\": NaN}\n",
        ] {
            assert_eq!(misshapen(head.as_bytes()), None, "{head:?}");
        }
    }
}
