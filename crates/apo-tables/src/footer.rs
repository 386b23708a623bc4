//! The checksum of everything that the page checksums do not cover: the page
//! headers, and the footer with the places of the pages, the columns and the
//! provenance.
//!
//! The footer itself holds it, as 16 hex digits: the CRC-32 of all page headers,
//! then the CRC-32 of the footer with zeros in place of these last eight digits. So
//! a table is refused if any of its bytes has changed.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};

use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};

use crate::pages::Header;

/// The schema's name in footers that have a checksum.
pub(crate) const SCHEMA: &str = "apo";

/// The name of this project as the writer in a footer, before the version.
const WRITER: &str = "apo ";

/// The footer's key for the checksum of our tables.
pub const CHECKSUM_KEY: &str = "apo.crc32";

/// The footer's key for the provenance.
pub(crate) const FOOTER_KEY: &str = "apo";

/// Digits of a CRC-32, hex.
const DIGITS: usize = 8;

/// The end of a file after its footer: the footer's length, and a magic word.
const TAIL: usize = 8;

/// Where the first page begins: after a magic word.
const BEGIN: u64 = 4;

/// The most bytes of a page's header.
const HEADER: u64 = 512;

/// Returns the footer's entry of a file with these page headers. [`seal`] completes
/// it once the file is written.
pub(crate) fn entry(headers: u32) -> KeyValue {
    KeyValue::new(CHECKSUM_KEY.into(), format!("{headers:08x}{:08x}", 0))
}

/// Completes the checksum of a written file.
pub(crate) fn seal(file: &mut File) -> io::Result<()> {
    let missing = || io::Error::other("the footer that was written has no checksum");
    let (begin, mut footer) = footer(file)?.ok_or_else(missing)?;
    let at = place(&footer, 2 * DIGITS).ok_or_else(missing)? + DIGITS;
    let digits = own(&mut footer, at);
    file.seek(SeekFrom::Start(begin + at as u64))?;
    file.write_all(digits.as_bytes())
}

/// Whether everything in a file except its pages is as it was written. Files of
/// other programs pass: they have no checksum, or one that was copied from a table
/// of ours.
pub(crate) fn is_whole(file: &mut File, metadata: &ParquetMetaData) -> io::Result<bool> {
    let about = metadata.file_metadata();
    let is_marked = about.schema_descr().root_schema().name() == SCHEMA;
    let is_ours = about.created_by().is_some_and(|it| it.starts_with(WRITER));
    if !is_marked && !is_ours {
        return Ok(true);
    }
    let Some((begin, mut footer)) = footer(file)? else {
        return Ok(false);
    };
    let Some(at) = place(&footer, 2 * DIGITS) else {
        // The oldest tables have no checksum, and the first checksums had half the
        // length.
        return Ok(!is_marked || place(&footer, DIGITS).is_some());
    };
    let found = footer[at..at + 2 * DIGITS].to_owned();
    let digits = own(&mut footer, at + DIGITS);
    let Some(headers) = headers(file, metadata, begin)? else {
        return Ok(false);
    };
    Ok(found == format!("{headers:08x}{digits}").into_bytes())
}

/// Reads a file's footer with what follows it, and returns where it begins.
fn footer(file: &mut File) -> io::Result<Option<(u64, Vec<u8>)>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(tail) = length.checked_sub(TAIL as u64) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(tail))?;
    let mut of_footer = [0; 4];
    file.read_exact(&mut of_footer)?;
    let Some(begin) = tail.checked_sub(u32::from_le_bytes(of_footer).into()) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(begin))?;
    let mut footer = Vec::new();
    file.read_to_end(&mut footer)?;
    Ok(Some((begin, footer)))
}

/// Returns where in a footer the given number of checksum digits is.
fn place(footer: &[u8], digits: usize) -> Option<usize> {
    // An entry is a key and a text, each after a field's header and a length.
    const TEXT: u8 = 0x18;
    let before = [CHECKSUM_KEY.as_bytes(), &[TEXT, digits as u8]].concat();
    let at = footer.windows(before.len()).rposition(|it| it == before)?;
    let at = at + before.len();
    (footer.len() >= at + digits).then_some(at)
}

/// Returns the checksum of a footer whose own digits, at `at`, are replaced by
/// zeros.
fn own(footer: &mut [u8], at: usize) -> String {
    footer[at..at + DIGITS].fill(b'0');
    format!("{:08x}", crc32fast::hash(footer))
}

/// Returns the checksum of all page headers, or `None` if one is not a header or the
/// pages do not follow each other from the file's beginning to its footer.
fn headers(file: &mut File, metadata: &ParquetMetaData, footer: u64) -> io::Result<Option<u32>> {
    let mut hasher = crc32fast::Hasher::new();
    let mut next = BEGIN;
    for column in metadata
        .row_groups()
        .iter()
        .flat_map(RowGroupMetaData::columns)
    {
        let data = column.data_page_offset();
        let begins = column.dictionary_page_offset().unwrap_or(data);
        let length = u64::try_from(column.compressed_size());
        let (Ok(mut at), Ok(length)) = (u64::try_from(begins), length) else {
            return Ok(None);
        };
        let ends = u64::saturating_add(at, length);
        if at != next {
            return Ok(None);
        }
        while at < ends {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            Read::by_ref(file)
                .take(HEADER.min(ends - at))
                .read_to_end(&mut bytes)?;
            let Some(header) = Header::parse(&bytes) else {
                return Ok(None);
            };
            hasher.update(&bytes[..header.len]);
            let page = header.len.saturating_add(header.compressed_size);
            at = at.saturating_add(page as u64);
        }
        next = at;
    }
    Ok((next == footer).then(|| hasher.finalize()))
}
