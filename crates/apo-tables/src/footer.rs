//! The checksum of all that page checksums do not cover: the footer, which says
//! where the pages lie, what columns they are of and where the table comes from,
//! and the pages' headers.
//!
//! It stands in the footer itself: 16 hex digits, the CRC-32 of all page headers
//! and that of the footer with zeros in the place of its own digits. A table of
//! which any byte was changed is refused, whatever that byte says.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};

use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};

use crate::pages::Header;

/// The name of the schema in footers that have a checksum.
pub(crate) const SCHEMA: &str = "apo";

/// How a footer names this project as its writer, before the version.
const WRITER: &str = "apo ";

/// The key of the footer under which the checksum of our tables stands.
pub const CHECKSUM_KEY: &str = "apo.crc32";

/// The key under which the provenance stands.
pub(crate) const FOOTER_KEY: &str = "apo";

/// Digits of a CRC-32, hex.
const DIGITS: usize = 8;

/// What a file ends with after its footer: the footer's length, and a magic word.
const TAIL: usize = 8;

/// Where the first page stands: after a magic word.
const BEGIN: u64 = 4;

/// Bytes of a page's header, at most.
const HEADER: u64 = 512;

/// Makes the footer's entry of a file with these page headers; [`seal`] completes
/// it once the file is written.
pub(crate) fn entry(headers: u32) -> KeyValue {
    KeyValue::new(CHECKSUM_KEY.into(), format!("{headers:08x}{:08x}", 0))
}

/// Completes the checksum of a file that is written.
pub(crate) fn seal(file: &mut File) -> io::Result<()> {
    let missing = || io::Error::other("the footer that was written has no checksum");
    let (begin, mut footer) = footer(file)?.ok_or_else(missing)?;
    let at = place(&footer, 2 * DIGITS).ok_or_else(missing)? + DIGITS;
    let digits = own(&mut footer, at);
    file.seek(SeekFrom::Start(begin + at as u64))?;
    file.write_all(digits.as_bytes())
}

/// Whether all but the pages of a file is as it was written. Those of other
/// programs have no checksum, or one that they copied from a table of ours.
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
        // Tables that were written before there were checksums have none, and at
        // first there were checksums of half the length.
        return Ok(!is_marked || place(&footer, DIGITS).is_some());
    };
    let found = footer[at..at + 2 * DIGITS].to_owned();
    let digits = own(&mut footer, at + DIGITS);
    let Some(headers) = headers(file, metadata, begin)? else {
        return Ok(false);
    };
    Ok(found == format!("{headers:08x}{digits}").into_bytes())
}

/// Reads a file's footer and what follows it; gives where it begins, too.
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

/// Where so many digits of the checksum stand in a footer.
fn place(footer: &[u8], digits: usize) -> Option<usize> {
    // An entry is its key and a text: a field's header and a length before each.
    const TEXT: u8 = 0x18;
    let before = [CHECKSUM_KEY.as_bytes(), &[TEXT, digits as u8]].concat();
    let at = footer.windows(before.len()).rposition(|it| it == before)?;
    let at = at + before.len();
    (footer.len() >= at + digits).then_some(at)
}

/// The footer's own digits, which stand at `at`; zeros are left there.
fn own(footer: &mut [u8], at: usize) -> String {
    footer[at..at + DIGITS].fill(b'0');
    format!("{:08x}", crc32fast::hash(footer))
}

/// The checksum of all page headers; none where one is no header, or where pages do
/// not follow each other from the file's beginning to its footer.
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
