//! A record's frame: lengths and checksums.

use crc32fast::Hasher;
use serde::de::DeserializeOwned;

/// Bytes of a frame before its record.
pub(crate) const HEAD: usize = 8;

/// Bytes of a frame without its record.
pub(crate) const FRAME: u64 = HEAD as u64 + 4;

/// Returns the CRC-32 of a frame's offset in the file and of bytes of the frame.
pub(crate) fn checksum(at: u64, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&at.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Returns the length of the record whose frame begins with `head` at byte `at`, or
/// `None` if no frame begins there.
pub(crate) fn record_length(at: u64, head: [u8; HEAD]) -> Option<u32> {
    let [a, b, c, d, crc @ ..] = head;
    let length = [a, b, c, d];
    (checksum(at, &length) == u32::from_le_bytes(crc)).then(|| u32::from_le_bytes(length))
}

/// Returns the record of the frame at byte `at`, from its bytes and the checksum
/// after them, or `None` if they do not match.
pub(crate) fn decode<T: DeserializeOwned>(at: u64, bytes: &[u8]) -> Option<T> {
    let (record, crc) = bytes.split_last_chunk::<4>()?;
    if checksum(at, record) != u32::from_le_bytes(*crc) {
        return None;
    }
    postcard::from_bytes(record).ok()
}
