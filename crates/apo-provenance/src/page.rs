//! JSON pages with a checksum.
//!
//! A page is one JSON object. Its field [`CHECKSUM`] is the CRC-32 of the object
//! without that field, written compactly with all keys in order, so that a page
//! may be laid out anew and still be whole.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The field that holds the checksum: eight hex digits.
pub const CHECKSUM: &str = "crc32";

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It is no JSON, or lacks a field.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
    /// The checksum is not that of the page.
    #[error(
        "it is damaged, or was edited: its `{CHECKSUM}` is not that of its contents. If you edited \
         it on purpose, remove that field"
    )]
    Changed,
}

/// Returns the text of a page.
///
/// # Panics
///
/// When `page` is not written as a JSON object, or has a field [`CHECKSUM`].
pub fn seal(page: &impl Serialize) -> Vec<u8> {
    let mut value = serde_json::to_value(page).expect("a page is plain data");
    // What is read back counts: a number may differ from the one in memory.
    let text = value.to_string();
    let read = serde_json::from_str(&text).expect("JSON that was just written");
    let fields = value.as_object_mut().expect("a page is an object");
    let former = fields.insert(CHECKSUM.into(), checksum(read).into());
    assert!(former.is_none(), "a page has one checksum");
    let mut text = serde_json::to_vec_pretty(&value).expect("a page is plain data");
    text.push(b'\n');
    text
}

/// Reads a page from its JSON. One without a checksum is older, or edited on purpose, and is
/// taken as it is.
///
/// # Errors
///
/// When it is malformed, or its checksum is not that of its contents.
pub fn open<T: DeserializeOwned>(value: Value) -> Result<T, PageError> {
    Ok(serde_json::from_value(unseal(value)?)?)
}

/// Reads a page's text, as [`open`].
///
/// # Errors
///
/// As [`open`].
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, PageError> {
    open(serde_json::from_str(text)?)
}

/// Checks a page's checksum and takes it out.
fn unseal(mut page: Value) -> Result<Value, PageError> {
    let Some(fields) = page.as_object_mut() else {
        return Ok(page); // which no page is read from
    };
    let found = fields.shift_remove(CHECKSUM);
    let is_whole = match found {
        None => !fields.keys().any(|it| is_nearly_checksum(it)),
        Some(found) => found == checksum(page.clone()),
    };
    is_whole.then_some(page).ok_or(PageError::Changed)
}

/// Whether damage to one letter has made this key of [`CHECKSUM`]: the page would
/// pass for one that has none.
fn is_nearly_checksum(key: &str) -> bool {
    let letters = || key.bytes().zip(CHECKSUM.bytes());
    key.len() == CHECKSUM.len() && letters().filter(|(a, b)| a != b).count() == 1
}

fn checksum(mut page: Value) -> String {
    page.sort_all_objects();
    format!("{:08x}", crc32fast::hash(page.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page() -> Value {
        json!({
            "stage": "align", "rate": 0.1 + 0.2, "tiny": 5e-324, "large": u64::MAX,
            "inputs": {"b": {"name": "é\u{2028}"}, "a": [1, 2.5e-7, null]},
        })
    }

    fn read(text: &[u8]) -> Result<Value, PageError> {
        open(serde_json::from_slice(text)?)
    }

    #[test]
    fn a_page_reads_as_it_was_written_however_it_is_laid_out() {
        let text = seal(&page());
        assert_eq!(read(&text).unwrap(), page());
        let mut value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read(value.to_string().as_bytes()).unwrap(), page());
        value.sort_all_objects();
        assert_eq!(read(value.to_string().as_bytes()).unwrap(), page());
    }

    #[test]
    fn no_flipped_bit_changes_what_a_page_says() {
        let text = seal(&page());
        for i in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[i / 8] ^= 1 << (i % 8);
            if let Ok(read) = read(&flipped) {
                assert_eq!(
                    read,
                    page(),
                    "bit {i}: {}",
                    String::from_utf8_lossy(&flipped)
                );
            }
        }
    }

    #[test]
    fn a_page_without_a_checksum_is_taken_as_it_is() {
        let text = page().to_string();
        assert_eq!(read(text.as_bytes()).unwrap(), page());
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_the_sorted_page() {
        // Python: zlib.crc32(b'{"a":1,"b":[{"c":"d"}]}')
        let text = seal(&json!({"b": [{"c": "d"}], "a": 1}));
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value[CHECKSUM], "d4f28540");
    }
}
