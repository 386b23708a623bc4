//! The formats that a file's first bytes tell.

/// How many bytes tell what a file is.
pub const HEAD_BYTES: usize = 512;

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
    /// A web page, or an error that a server sent as XML.
    WebPage,
    /// A comment of HTML or XML, as some web pages begin with.
    Comment,
    /// Compressed with gzip.
    Gzip,
    /// Compressed with Zstandard.
    Zstandard,
    /// Compressed with xz.
    Xz,
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
}

/// How files begin. UTF-32's mark begins with that of UTF-16, so it comes first.
const BEGINNINGS: &[(&[u8], Format)] = &[
    (b"version https://git-lfs", Format::LfsPointer),
    (b"version https://hawser", Format::LfsPointer),
    (b"version http://git-media", Format::LfsPointer),
    (b"# xet version", Format::XetPointer),
    (b"/annex/objects/", Format::AnnexPointer),
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
    (b"\x89HDF", Format::Hdf5),
    (b"\x93NUMPY", Format::Numpy),
    (b"GGUF", Format::Gguf),
    (b"%PDF", Format::Pdf),
];

/// How web pages begin, after blanks, in upper or lower case.
const MARKUP: [(&[u8], Format); 4] = [
    (b"<!doctype", Format::WebPage),
    (b"<html", Format::WebPage),
    (b"<?xml", Format::WebPage),
    (b"<!--", Format::Comment),
];

impl Format {
    /// Returns the format of a file that begins with `head`, of which
    /// [`HEAD_BYTES`] bytes suffice. Returns `None` for plain text and for whatever
    /// has no beginning of its own.
    pub fn of(head: &[u8]) -> Option<Self> {
        let known = BEGINNINGS.iter().find(|(it, _)| head.starts_with(it));
        if let Some((_, format)) = known {
            return Some(*format);
        }
        match head {
            // A pickle's protocol is 2 or higher.
            [0x80, 2..=5, ..] => return Some(Self::Pickle),
            [b'{' | b'[' | b' ' | b'\r' | b'\n', 0, ..]
            | [0, b'{' | b'[' | b' ' | b'\r' | b'\n', ..] => return Some(Self::Utf16Unmarked),
            _ if head.get(257..262) == Some(b"ustar") => return Some(Self::Tar),
            _ => {}
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let text = text.trim_ascii_start();
        let begins = |with: &[u8]| {
            let begin = text.get(..with.len());
            begin.is_some_and(|it| it.eq_ignore_ascii_case(with))
        };
        let page = MARKUP.into_iter().find(|(it, _)| begins(it));
        page.map(|(_, format)| format)
    }
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
        for (head, format) in [
            (utf_16.as_slice(), Format::Utf16Unmarked),
            (b"\xfe\xff\0{", Format::Utf16),
            (b"\xff\xfe\0\0{\0\0\0", Format::Utf32),
            (b"version https://hawser.github.com/", Format::LfsPointer),
            (b"\n <!DOCTYPE HTML>", Format::WebPage),
            (b"\xef\xbb\xbf<HTML>", Format::WebPage),
            (b"<!-- a -->", Format::Comment),
            (b"\x80\x04\x95", Format::Pickle),
            (&tar, Format::Tar),
        ] {
            assert_eq!(Format::of(head), Some(format));
        }
        for head in [b"{\"a\": 1}".as_slice(), b"", b" \n", b"\x80\x06", b"<b>"] {
            assert_eq!(Format::of(head), None);
        }
    }

    #[test]
    fn no_beginning_hides_a_later_one() {
        for (begin, format) in BEGINNINGS {
            assert_eq!(Format::of(begin), Some(*format), "{begin:?}");
        }
    }
}
