//! Sealed JSON: one object with a checksum.
//!
//! Its field [`CHECKSUM`] is the CRC-32 of the object without that field, written
//! compactly with all keys in order, so that the file may be laid out anew and still
//! be whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The field that holds the checksum: eight hex digits.
const CHECKSUM: &str = "crc32";

/// The most bytes that a sealed file has.
pub const MOST_BYTES: u64 = 4 << 20;

/// The fields of everything that we seal, the checksum aside, which earlier versions
/// did not write.
const FIELDS: [&str; 4] = ["stage", "version", "arguments", "inputs"];

/// The fewest of these fields in a damaged file of ours: a letter that changes takes
/// one of them.
const FEWEST: usize = 3;

/// Why sealed JSON cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The system cannot read the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// This project writes nothing like it.
    #[error("no stage of this project wrote it")]
    Foreign,
    /// It is not JSON, or lacks a field.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
    /// The checksum is not that of the contents.
    #[error(
        "it is damaged, or was edited: its `{CHECKSUM}` is not that of its contents. If you edited \
         it on purpose, remove that field"
    )]
    Changed,
}

/// Returns `content` as the text of a sealed file.
///
/// # Panics
///
/// When `content` is not written as a JSON object, or has a field `crc32`.
pub fn seal(content: &impl Serialize) -> Vec<u8> {
    let mut value = serde_json::to_value(content).expect("the content is plain data");
    // What is read back counts: a number may differ from the one in memory.
    let text = value.to_string();
    let read = serde_json::from_str(&text).expect("JSON that was just written");
    let fields = value.as_object_mut().expect("the content is an object");
    let former = fields.insert(CHECKSUM.into(), checksum(read).into());
    assert!(former.is_none(), "the content has no checksum yet");
    let mut text = serde_json::to_vec_pretty(&value).expect("the content is plain data");
    text.push(b'\n');
    text
}

/// Reads sealed JSON. An object without a checksum is older, or was edited on
/// purpose, and is taken as it is.
///
/// # Errors
///
/// When it is malformed, its checksum is not that of its contents, or it is JSON
/// of another program.
pub fn open<T: DeserializeOwned>(value: Value) -> Result<T, SealedError> {
    let is_foreign = is_foreign(&value);
    let content = unseal(value).and_then(|it| Ok(serde_json::from_value(it)?));
    content.map_err(|error| {
        if is_foreign {
            SealedError::Foreign
        } else {
            error
        }
    })
}

/// Reads a sealed file as [`open`] does; returns `None` if it does not exist.
///
/// # Errors
///
/// As [`open`], and when the file cannot be read. What is not a regular file, or
/// has more than [`MOST_BYTES`], counts as another program's.
pub fn find<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SealedError> {
    // Asked before it is opened: opening a named pipe waits for its writer.
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(SealedError::Foreign),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(SealedError::Foreign);
    }
    // Some editors begin a file with a byte order mark.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    open(serde_json::from_slice(text)?).map(Some)
}

/// Whether JSON that is not whole is another program's, and not a damaged file of
/// ours. `{}` may be what is left of one.
fn is_foreign(value: &Value) -> bool {
    let Some(fields) = value.as_object() else {
        return true;
    };
    let known = FIELDS.iter().filter(|it| fields.contains_key(**it)).count();
    !fields.is_empty() && known < FEWEST
}

/// Checks the checksum and takes it out.
fn unseal(mut value: Value) -> Result<Value, SealedError> {
    let Some(fields) = value.as_object_mut() else {
        return Ok(value); // nothing is read from it
    };
    let found = fields.shift_remove(CHECKSUM);
    let is_whole = match found {
        None => !fields.keys().any(|it| is_nearly_checksum(it)),
        Some(found) => found == checksum(value.clone()),
    };
    is_whole.then_some(value).ok_or(SealedError::Changed)
}

/// Whether this key is [`CHECKSUM`] with one letter damaged. Without this check the
/// object would pass for one that has no checksum.
fn is_nearly_checksum(key: &str) -> bool {
    let letters = || key.bytes().zip(CHECKSUM.bytes());
    key.len() == CHECKSUM.len() && letters().filter(|(a, b)| a != b).count() == 1
}

fn checksum(mut value: Value) -> String {
    value.sort_all_objects();
    format!("{:08x}", crc32fast::hash(value.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content() -> Value {
        json!({
            "stage": "align", "rate": 0.1 + 0.2, "tiny": 5e-324, "large": u64::MAX,
            "inputs": {"b": {"name": "é\u{2028}"}, "a": [1, 2.5e-7, null]},
        })
    }

    fn read(text: &[u8]) -> Result<Value, SealedError> {
        open(serde_json::from_slice(text)?)
    }

    #[test]
    fn sealed_json_reads_as_it_was_written_however_it_is_laid_out() {
        let text = seal(&content());
        assert_eq!(read(&text).unwrap(), content());
        let mut value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read(value.to_string().as_bytes()).unwrap(), content());
        value.sort_all_objects();
        assert_eq!(read(value.to_string().as_bytes()).unwrap(), content());
    }

    #[test]
    fn no_flipped_bit_changes_what_a_file_says() {
        let text = seal(&content());
        for i in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[i / 8] ^= 1 << (i % 8);
            if let Ok(read) = read(&flipped) {
                assert_eq!(
                    read,
                    content(),
                    "bit {i}: {}",
                    String::from_utf8_lossy(&flipped)
                );
            }
        }
    }

    #[test]
    fn json_without_a_checksum_is_taken_as_it_is() {
        let text = content().to_string();
        assert_eq!(read(text.as_bytes()).unwrap(), content());
    }

    #[test]
    fn json_of_other_programs_is_told_from_a_damaged_file_of_ours() {
        let read = |text: &[u8]| -> Result<crate::Provenance, SealedError> {
            open(serde_json::from_slice(text)?)
        };
        let whole = seal(&crate::Provenance::new("align", "1").argument("seed", 7));
        let older = serde_json::to_vec(&crate::Provenance::new("align", "1")).unwrap();
        for text in [&whole, &older] {
            read(text).unwrap();
            for i in 0..text.len() * 8 {
                let mut flipped = text.clone();
                flipped[i / 8] ^= 1 << (i % 8);
                let told = read(&flipped);
                assert!(!matches!(told, Err(SealedError::Foreign)), "bit {i}");
            }
            for length in 0..text.len() {
                let told = read(&text[..length]);
                assert!(!matches!(told, Err(SealedError::Foreign)), "{length} bytes");
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
            assert_eq!(matches!(told, SealedError::Foreign), is_foreign, "{text}");
        }
    }

    #[test]
    fn only_a_regular_file_of_a_likely_length_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sealed.json");
        let find = || find::<Value>(&path);
        assert!(find().unwrap().is_none());
        fs::write(&path, seal(&content())).unwrap();
        assert_eq!(find().unwrap(), Some(content()));
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(find(), Err(SealedError::Foreign)), "a long file");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(find(), Err(SealedError::Foreign)), "a folder");
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_the_sorted_object() {
        // Python: zlib.crc32(b'{"a":1,"b":[{"c":"d"}]}')
        let text = seal(&json!({"b": [{"c": "d"}], "a": 1}));
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value[CHECKSUM], "d4f28540");
    }
}
