//! Checksums of Parquet pages.
//!
//! The format has a field for the CRC-32 of each page in the page's header, and
//! readers verify it if it is there. The encoder that we use leaves it out, so it
//! is inserted here, between encoding and writing. A header is in Thrift's compact
//! protocol, and the checksum is its field 4.

/// The types of Thrift's compact protocol that page headers use.
mod kind {
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const BINARY: u8 = 8;
    pub const STRUCT: u8 = 12;
}

/// The fields of a header that are used here.
const COMPRESSED_SIZE: u8 = 3;
const CRC: u8 = 4;

/// A column chunk whose pages carry checksums.
pub(crate) struct Chunk {
    pub bytes: Vec<u8>,
    /// The headers of all pages, concatenated.
    pub headers: Vec<u8>,
    /// Where the first data page begins: after the dictionary, if there is one.
    pub data_at: usize,
}

/// Adds a checksum to each page header of a column chunk, whose first `dictionary`
/// bytes are its dictionary page. Returns `None` if our encoder does not write such
/// a chunk.
pub(crate) fn with_checksums(chunk: &[u8], dictionary: usize) -> Option<Chunk> {
    let mut bytes = Vec::with_capacity(chunk.len() + chunk.len() / 64 + 64);
    let mut headers = Vec::new();
    let (mut at, mut data_at) = (0, 0);
    while at < chunk.len() {
        if at == dictionary {
            data_at = bytes.len();
        }
        let header = Header::parse(&chunk[at..]).filter(|it| !it.has_crc)?;
        let header_at = bytes.len();
        let begins = at + header.len;
        let ends = begins.checked_add(header.compressed_size)?;
        let page = chunk.get(begins..ends)?;
        bytes.extend_from_slice(&chunk[at..at + header.crc_at]);
        bytes.push(1 << 4 | kind::I32);
        put_varint(&mut bytes, zigzag(crc32fast::hash(page) as i32));
        // A field's number is stored as its distance from the field before.
        let next = chunk[at + header.crc_at];
        bytes.push((next >> 4).checked_sub(1).filter(|it| *it > 0)? << 4 | next & 15);
        bytes.extend_from_slice(&chunk[at + header.crc_at + 1..begins]);
        headers.extend_from_slice(&bytes[header_at..]);
        bytes.extend_from_slice(page);
        at = ends;
    }
    Some(Chunk {
        bytes,
        headers,
        data_at,
    })
}

/// What a page's header says.
pub(crate) struct Header {
    pub len: usize,
    pub compressed_size: usize,
    /// Where to insert the checksum's field.
    crc_at: usize,
    has_crc: bool,
}

impl Header {
    /// Reads the header at the beginning of `bytes`. Returns `None` if our encoder
    /// does not write such a header.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        let (mut id, mut size, mut crc_at, mut has_crc) = (0_u8, None, None, false);
        loop {
            let field = *bytes.get(at)?;
            if field == 0 {
                at += 1;
                break;
            }
            // Page headers have few fields, so that the distance fits its four bits.
            let distance = Some(field >> 4).filter(|it| *it > 0)?;
            id = id.checked_add(distance)?;
            has_crc |= id == CRC;
            if id >= CRC && crc_at.is_none() {
                crc_at = Some(at);
            }
            at += 1;
            if id == COMPRESSED_SIZE {
                let (value, len) = varint(bytes.get(at..)?)?;
                size = usize::try_from(unzigzag(value)).ok();
                at += len;
            } else {
                at = at.checked_add(skip(bytes.get(at..)?, field & 15)?)?;
            }
        }
        Some(Self {
            len: at,
            compressed_size: size?,
            crc_at: crc_at?,
            has_crc,
        })
    }
}

/// Returns the length of a value, bytes.
fn skip(bytes: &[u8], kind: u8) -> Option<usize> {
    Some(match kind {
        kind::TRUE | kind::FALSE => 0,
        kind::I32 | kind::I64 => varint(bytes)?.1,
        kind::BINARY => {
            let (length, len) = varint(bytes)?;
            len.checked_add(usize::try_from(length).ok()?)?
        }
        kind::STRUCT => {
            let mut at = 0;
            loop {
                let field = *bytes.get(at)?;
                at += 1;
                if field == 0 {
                    break at;
                }
                at = at.checked_add(skip(bytes.get(at..)?, field & 15)?)?;
            }
        }
        _ => return None,
    })
}

/// Reads a number, and returns its length, too.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for value in [0, 1, -1, 63, 64, -65, i32::MAX, i32::MIN] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, zigzag(value));
            let (read, len) = varint(&bytes).expect("a whole number");
            assert_eq!((unzigzag(read), len), (i64::from(value), bytes.len()));
        }
    }

    #[test]
    fn what_is_no_chunk_of_pages_is_not_changed() {
        for chunk in [
            &b"\x15"[..],
            b"\x15\x00\x15\x02\x15\x7f\x2c\x00\x00",
            b"\xff\xff",
        ] {
            assert!(with_checksums(chunk, 0).is_none());
        }
    }
}
