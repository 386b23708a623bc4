//! JSON pages with a checksum.
//!
//! A page is one JSON object. Its field [`CHECKSUM`] is the CRC-32 of the object
//! without that field, written compactly with all keys in order, so that a page
//! may be laid out anew and still be whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The field that holds the checksum: eight hex digits.
pub const CHECKSUM: &str = "crc32";

/// The most bytes that a page has.
pub const MOST_BYTES: u64 = 4 << 20;

/// The fields of every page of ours, the checksum aside, which earlier versions did
/// not write.
const FIELDS: [&str; 4] = ["stage", "version", "arguments", "inputs"];

/// The fewest of these fields in a damaged page of ours: a letter that changes takes
/// one of them.
const FEWEST: usize = 3;

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The system cannot read the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not a page that this project writes.
    #[error("no stage of this project wrote it")]
    Foreign,
    /// It is not JSON, or lacks a field.
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

/// Reads a page from its JSON. A page without a checksum is older, or was edited
/// on purpose, and is taken as it is.
///
/// # Errors
///
/// When it is malformed, its checksum is not that of its contents, or it is JSON
/// of another program.
pub fn open<T: DeserializeOwned>(value: Value) -> Result<T, PageError> {
    let is_foreign = is_foreign(&value);
    let page = unseal(value).and_then(|it| Ok(serde_json::from_value(it)?));
    page.map_err(|error| {
        if is_foreign {
            PageError::Foreign
        } else {
            error
        }
    })
}

/// Reads the page in a file as [`open`] does; returns `None` if the file does not
/// exist.
///
/// # Errors
///
/// As [`open`], and when the file cannot be read. What is not a regular file, or
/// has more than [`MOST_BYTES`], counts as another program's.
pub fn find<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, PageError> {
    // Asked before it is opened: opening a named pipe waits for its writer.
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(PageError::Foreign),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(PageError::Foreign);
    }
    // Some editors begin a file with a byte order mark.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    open(serde_json::from_slice(text)?).map(Some)
}

/// Whether JSON that is not a whole page is another program's, and not a damaged
/// page of ours. `{}` may be what is left of one.
fn is_foreign(value: &Value) -> bool {
    let Some(fields) = value.as_object() else {
        return true;
    };
    let known = FIELDS.iter().filter(|it| fields.contains_key(**it)).count();
    !fields.is_empty() && known < FEWEST
}

/// Checks a page's checksum and takes it out.
fn unseal(mut page: Value) -> Result<Value, PageError> {
    let Some(fields) = page.as_object_mut() else {
        return Ok(page); // no page is read from it
    };
    let found = fields.shift_remove(CHECKSUM);
    let is_whole = match found {
        None => !fields.keys().any(|it| is_nearly_checksum(it)),
        Some(found) => found == checksum(page.clone()),
    };
    is_whole.then_some(page).ok_or(PageError::Changed)
}

/// Whether this key is [`CHECKSUM`] with one letter damaged. Without this check the
/// page would pass for one that has no checksum.
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
    fn json_of_other_programs_is_told_from_a_damaged_page() {
        let read = |text: &[u8]| -> Result<crate::Provenance, PageError> {
            open(serde_json::from_slice(text)?)
        };
        let whole = seal(&crate::Provenance::new("align", "1").argument("seed", 7));
        let older = serde_json::to_vec(&crate::Provenance::new("align", "1")).unwrap();
        for page in [&whole, &older] {
            read(page).unwrap();
            for i in 0..page.len() * 8 {
                let mut flipped = page.clone();
                flipped[i / 8] ^= 1 << (i % 8);
                let told = read(&flipped);
                assert!(!matches!(told, Err(PageError::Foreign)), "bit {i}");
            }
            for length in 0..page.len() {
                let told = read(&page[..length]);
                assert!(!matches!(told, Err(PageError::Foreign)), "{length} bytes");
            }
        }
        for (text, is_foreign) in [
            ("{}", false),
            ("", false),
            ("\u{0}\u{0}", false),
            (r#"{"stage": null, "version": "1", "arguments": {}}"#, false),
            (r#"{"project": "mine"}"#, true),
            (r#"{"stage": "prod", "version": "2"}"#, true),
            (r#"{"version": 1, "inputs": [], "outputs": []}"#, true),
            (r#"{"crc32": "00000000", "files": []}"#, true),
            (r#"["stage", "version", "arguments", "inputs"]"#, true),
            ("null", true),
            ("7", true),
        ] {
            let told = read(text.as_bytes()).expect_err(text);
            assert_eq!(matches!(told, PageError::Foreign), is_foreign, "{text}");
        }
    }

    #[test]
    fn a_page_is_a_file_and_no_longer_than_pages_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.json");
        let find = || find::<Value>(&path);
        assert!(find().unwrap().is_none());
        fs::write(&path, seal(&page())).unwrap();
        assert_eq!(find().unwrap(), Some(page()));
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(find(), Err(PageError::Foreign)), "a long file");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(find(), Err(PageError::Foreign)), "a folder");
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_the_sorted_page() {
        // Python: zlib.crc32(b'{"a":1,"b":[{"c":"d"}]}')
        let text = seal(&json!({"b": [{"c": "d"}], "a": 1}));
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value[CHECKSUM], "d4f28540");
    }
}
