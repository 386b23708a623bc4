//! The formats that a file's first bytes tell.

use serde_json::Value;

/// How many bytes tell what a file is: HDF5 may begin with 512, 1024 or 2048 bytes of
/// the user's own.
pub const HEAD_BYTES: usize = 2048 + HDF5.len();

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A pointer that Git LFS, or a forerunner of it, leaves in the file's place.
    LfsPointer,
    /// A pointer of Git Xet.
    XetPointer,
    /// A pointer of git-annex.
    AnnexPointer,
    /// Text in UTF-16 with a byte order mark.
    Utf16,
    /// ASCII in UTF-16 without a byte order mark. The length at the beginning of a
    /// safetensors file may look like it.
    Utf16Unmarked,
    /// Text in UTF-32 with a byte order mark.
    Utf32,
    /// ASCII in UTF-32 without a byte order mark.
    Utf32Unmarked,
    /// A web page, or an error that a server sent as XML.
    WebPage,
    /// Nothing but comments of HTML or XML, as some web pages begin with.
    Comment,
    /// What a server says where a file is missing, or not to be had, instead of it.
    NotFound,
    /// Compressed with gzip.
    Gzip,
    /// Compressed with Zstandard.
    Zstandard,
    /// Compressed with xz.
    Xz,
    /// Compressed with LZMA, the forerunner of xz.
    Lzma,
    /// Compressed with zlib, which is gzip's method without its header.
    Zlib,
    /// Compressed with bzip2.
    Bzip2,
    /// Compressed with LZ4.
    Lz4,
    /// A 7-Zip archive.
    SevenZip,
    /// A ZIP archive; so are `PyTorch`'s checkpoints, `NumPy`'s `.npz` and
    /// spreadsheets.
    Zip,
    /// A tar archive.
    Tar,
    /// A Parquet file.
    Parquet,
    /// A Parquet file whose footer is encrypted.
    EncryptedParquet,
    /// An Arrow or Feather file, or a stream of Arrow.
    Arrow,
    /// An ORC file.
    Orc,
    /// An Avro file.
    Avro,
    /// An `SQLite` database.
    Sqlite,
    /// An HDF5 file, as `TensorFlow`'s weights are.
    Hdf5,
    /// An array of `NumPy`.
    Numpy,
    /// A pickle of Python.
    Pickle,
    /// A GGUF file.
    Gguf,
    /// A PDF document.
    Pdf,
    /// A document of Microsoft Office before its XML, such as an `.xls` spreadsheet.
    OldOffice,
    /// Compressed with snappy, in frames.
    Snappy,
}

/// How HDF5's own part of a file begins.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// The beginnings of texts that stand in for a file, after a byte order mark and blanks.
const TEXTS: &[(&[u8], Format)] = &[
    (b"version https://git-lfs", Format::LfsPointer),
    (b"version https://hawser", Format::LfsPointer),
    (b"version http://git-media", Format::LfsPointer),
    (b"# xet version", Format::XetPointer),
    (b"/annex/objects/", Format::AnnexPointer),
    (b"Access to model ", Format::NotFound),
    (b"Access to dataset ", Format::NotFound),
    // A store of objects says so, without the head of an XML file.
    (b"<Error><Code>", Format::NotFound),
];

/// What hubs and servers say instead of a file, as the whole text, in letters of either
/// case.
const ANSWERS: &[&str] = &[
    "Entry not found",
    "Repository not found",
    "Revision not found",
    "Invalid username or password.",
    "404: Not Found",
    "404 page not found",
    "404 Not Found",
    "Not Found",
    "File not found",
    "403 Forbidden",
    "Forbidden",
    "401 Unauthorized",
    "Unauthorized",
    "Access Denied",
    "Internal Server Error",
    "Bad Gateway",
    "Service Unavailable",
    "Gateway Timeout",
];

/// The keys of a server's answer in JSON, of which it has at least one of the first two.
const ANSWER_KEYS: &[&str] = &[
    "error",
    "detail",
    "message",
    "status",
    "code",
    "statusCode",
    "errors",
    "type",
    "url",
    "request_id",
    "documentation_url",
];

/// How files begin. UTF-32's mark begins with that of UTF-16, so it comes first.
const BEGINNINGS: &[(&[u8], Format)] = &[
    (b"\xff\xfe\0\0", Format::Utf32),
    (b"\0\0\xfe\xff", Format::Utf32),
    (b"\xff\xfe", Format::Utf16),
    (b"\xfe\xff", Format::Utf16),
    (b"\x1f\x8b", Format::Gzip),
    (b"\x28\xb5\x2f\xfd", Format::Zstandard),
    (b"\xfd7zXZ\0", Format::Xz),
    (b"BZh", Format::Bzip2),
    (b"\x04\x22\x4d\x18", Format::Lz4),
    (b"7z\xbc\xaf\x27\x1c", Format::SevenZip),
    (b"PK\x03\x04", Format::Zip),
    (b"PAR1", Format::Parquet),
    (b"PARE", Format::EncryptedParquet),
    (b"ARROW1", Format::Arrow),
    (b"FEA1", Format::Arrow),
    (b"\xff\xff\xff\xff", Format::Arrow),
    (b"ORC", Format::Orc),
    (b"Obj\x01", Format::Avro),
    (b"SQLite format 3", Format::Sqlite),
    (HDF5, Format::Hdf5),
    (b"\x93NUMPY", Format::Numpy),
    (b"GGUF", Format::Gguf),
    (b"%PDF", Format::Pdf),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::OldOffice),
    (b"\xff\x06\0\0sNaPpY", Format::Snappy),
];

/// How web pages begin, after blanks and comments, in letters of either case.
const MARKUP: [&[u8]; 5] = [b"<!doctype", b"<?xml", b"<html", b"<head", b"<body"];

impl Format {
    /// Returns the format of a file that begins with `head`, of which
    /// [`HEAD_BYTES`] bytes suffice. Returns `None` for plain text, safetensors, and
    /// whatever has no beginning of its own.
    pub fn of(head: &[u8]) -> Option<Self> {
        if is_safetensors(head) {
            return None;
        }
        let known = BEGINNINGS.iter().find(|(it, _)| head.starts_with(it));
        if let Some((_, format)) = known {
            return Some(*format);
        }
        match head {
            // A pickle's protocol is 2 or higher.
            [0x80, 2..=5, ..] => return Some(Self::Pickle),
            [0, 0, 0, a, 0, 0, 0, b, ..] | [a, 0, 0, 0, b, 0, 0, 0, ..]
                if is_written(*a) && is_written(*b) =>
            {
                return Some(Self::Utf32Unmarked);
            }
            [b'{' | b'[' | b' ' | b'\r' | b'\n', 0, ..]
            | [0, b'{' | b'[' | b' ' | b'\r' | b'\n', ..] => return Some(Self::Utf16Unmarked),
            _ if head.get(257..262) == Some(b"ustar") => return Some(Self::Tar),
            _ if is_lzma(head) => return Some(Self::Lzma),
            _ if is_zlib(head) => return Some(Self::Zlib),
            _ => {}
        }
        let holds_hdf5 = |at: usize| head.get(at..).is_some_and(|it| it.starts_with(HDF5));
        if [512, 1024, 2048].into_iter().any(holds_hdf5) {
            return Some(Self::Hdf5);
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        Self::of_text(text.trim_ascii_start())
    }

    /// Returns the format of a text without a byte order mark and leading blanks.
    fn of_text(text: &[u8]) -> Option<Self> {
        if let Some((_, format)) = TEXTS.iter().find(|(it, _)| text.starts_with(it)) {
            return Some(*format);
        }
        let whole = text.trim_ascii_end();
        if ANSWERS
            .iter()
            .any(|it| whole.eq_ignore_ascii_case(it.as_bytes()))
        {
            return Some(Self::NotFound);
        }
        if is_answer(whole) {
            return Some(Self::NotFound);
        }
        let mut rest = text;
        while let Some(comment) = rest.strip_prefix(b"<!--") {
            let end = comment.windows(3).position(|it| it == b"-->");
            rest = comment[end.map_or(comment.len(), |at| at + 3)..].trim_ascii_start();
        }
        let begins = |with: &&[u8]| {
            let begin = rest.get(..with.len());
            // `<header>` is another word than `<head>`; `<!doctypehtml>` is a page.
            let next = rest
                .get(with.len())
                .filter(|_| with[1].is_ascii_alphabetic());
            let is_word = next.is_some_and(u8::is_ascii_alphanumeric);
            begin.is_some_and(|it| it.eq_ignore_ascii_case(with)) && !is_word
        };
        if MARKUP.iter().any(begins) {
            return Some(Self::WebPage);
        }
        (rest.len() < text.len()).then_some(Self::Comment)
    }
}

/// Whether a byte is an ASCII character of a text.
fn is_written(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

/// Whether a whole text is one JSON object in which a server says what is wrong.
fn is_answer(text: &[u8]) -> bool {
    if !text.starts_with(b"{") || text.len() >= HEAD_BYTES {
        return false;
    }
    let Ok(Value::Object(found)) = serde_json::from_slice(text) else {
        return false;
    };
    ANSWER_KEYS[..2].iter().any(|it| found.contains_key(*it))
        && found.keys().all(|it| ANSWER_KEYS.contains(&it.as_str()))
}

/// Whether a file begins with a length and a JSON object, whose length may look like
/// the beginning of another format.
fn is_safetensors(head: &[u8]) -> bool {
    head.get(4..9) == Some(b"\0\0\0\0{")
}

/// Whether a file begins as LZMA does by default: properties, the size of the
/// dictionary, which is a power of two, and the length, which need not be known.
fn is_lzma(head: &[u8]) -> bool {
    const LONGEST: u64 = 1 << 40;
    let Some(([0x5d, dictionary @ ..], rest)) = head.split_first_chunk::<5>() else {
        return false;
    };
    let dictionary = u32::from_le_bytes(*dictionary);
    let length = rest.first_chunk::<8>().map(|it| u64::from_le_bytes(*it));
    dictionary.is_power_of_two()
        && dictionary >= 1 << 12
        && length.is_some_and(|it| it == u64::MAX || it < LONGEST)
}

/// Whether a file begins with one of the two bytes that zlib writes, and is no text
/// that begins with them.
fn is_zlib(head: &[u8]) -> bool {
    let begins = matches!(head, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]);
    // A character that is cut off at the end is not a fault of a text.
    let is_text = std::str::from_utf8(head).map_or_else(|it| it.error_len().is_none(), |_| true);
    begins && !is_text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_tells_the_format() {
        let utf_16: Vec<u8> = "{\"a\": 1}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut tar = [b'a'; HEAD_BYTES];
        tar[257..262].copy_from_slice(b"ustar");
        let mut hdf5 = vec![b' '; 512];
        hdf5.extend(HDF5);
        for (head, format) in [
            (utf_16.as_slice(), Format::Utf16Unmarked),
            (b"\xfe\xff\0{", Format::Utf16),
            (b"\xff\xfe\0\0{\0\0\0", Format::Utf32),
            (b"{\0\0\0\"\0\0\0", Format::Utf32Unmarked),
            (b"\0\0\0[\0\0\0\n", Format::Utf32Unmarked),
            (b"\0\0\0a\0\0\0,", Format::Utf32Unmarked),
            (
                b"<Error><Code>AccessDenied</Code></Error>",
                Format::NotFound,
            ),
            (b"Not Found\n", Format::NotFound),
            (b"{\"error\":\"Repository not found\"}", Format::NotFound),
            (
                b"{\"detail\": \"Not Found\", \"status\": 404}\n",
                Format::NotFound,
            ),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", Format::OldOffice),
            (b"\xff\x06\0\0sNaPpY\x01", Format::Snappy),
            (b"version https://hawser.github.com/", Format::LfsPointer),
            (b"\n <!DOCTYPE HTML>", Format::WebPage),
            (b"\xef\xbb\xbf<HTML>", Format::WebPage),
            (b"<!-- a -->", Format::Comment),
            (b"<!-- cut", Format::Comment),
            (b"<!-- a -->\n<!-- b --> <HTML lang=en>", Format::WebPage),
            (b"<Head><title>", Format::WebPage),
            (b"<!doctypehtml><title>", Format::WebPage),
            (b"<body class=a>", Format::WebPage),
            (
                b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1",
                Format::LfsPointer,
            ),
            (
                b"\r\nversion https://git-lfs.github.com/spec/v1",
                Format::LfsPointer,
            ),
            (b"\n# xet version 0", Format::XetPointer),
            (b"Entry not found", Format::NotFound),
            (b"404: not found\n", Format::NotFound),
            (b"Access to model a/b is restricted", Format::NotFound),
            (
                b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
                Format::Lzma,
            ),
            (b"\x5d\0\0\0\x04\x07\0\0\0\0\0\0\0\0", Format::Lzma),
            (b"\x78\x9c\x4b\x4c\x4a\x06\0", Format::Zlib),
            (
                b"\x78\xda\xab\x56\x4a\x54\xb2\x52\x30\xac\x05\x00\x09\xe5\x02\x29",
                Format::Zlib,
            ),
            (&hdf5, Format::Hdf5),
            (b"\x80\x04\x95", Format::Pickle),
            (&tar, Format::Tar),
        ] {
            assert_eq!(Format::of(head), Some(format), "{}", head.escape_ascii());
        }
        for head in [
            b"{\"a\": 1}".as_slice(),
            b"",
            b" \n",
            b"\x80\x06",
            b"<b>",
            b"<header>",
            b"Not found in the text, but elsewhere",
            // Texts that begin as zlib does.
            b"x^2 + y^2",
            // Records with such a key, and those that have others.
            b"{\"error\": \"a\"}\n{\"error\": \"b\"}\n",
            b"{\"error\": null, \"prompt\": \"a\"}",
            b"{\"message\": \"a\"}",
            "x\u{690} is a letter".as_bytes(),
            // Lengths of safetensors' headers.
            b"{\0\0\0\0\0\0\0{\"a\":",
            b"{ \0\0\0\0\0\0[",
            b"\x5d\0\0\0\0\0\0\0{\"a\":",
            b"\x78\x9c\0\0\0\0\0\0{\"a\":",
            b"\x1f\x8b\0\0\0\0\0\0{\"a\":",
        ] {
            assert_eq!(Format::of(head), None, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn no_beginning_hides_a_later_one() {
        for (begin, format) in BEGINNINGS.iter().chain(TEXTS) {
            assert_eq!(Format::of(begin), Some(*format), "{begin:?}");
        }
    }
}
