//! Reads the files of a model directory, within bounds. Every reader names a Git
//! LFS pointer, a web page or UTF-16 that it finds instead of the file.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::advice::stand_in;
use crate::format::HEAD_BYTES;
use crate::no_number::no_number;

/// The most bytes of a text file that is read whole. The largest published
/// `tokenizer.json` files have about 40 MB.
const MOST_BYTES: u64 = 1 << 30;

/// Files that are far shorter than a tokenizer, and the most bytes of each: parsed
/// JSON takes many times the memory of its text.
const SHORTER: [(&str, u64); 4] = [
    ("apo.json", 4 << 20),
    ("config.json", 16 << 20),
    ("generation_config.json", 16 << 20),
    ("adapter_config.json", 16 << 20),
];

/// Why a file of a model directory cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system could not read it.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// Something else is in its place, or its content is malformed.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        problem: String,
    },
}

impl FileError {
    /// Makes the error of a file whose content is not what it should be.
    pub fn content(path: &Path, problem: impl fmt::Display) -> Self {
        Self::Content {
            path: path.into(),
            problem: problem.to_string(),
        }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::Content { .. })
    }
}

/// Opens a file for reading, with its length; none where there is none.
///
/// # Errors
///
/// When it is a link to nothing, a folder or a device, or cannot be opened.
pub fn open(path: &Path) -> Result<Option<(File, u64)>, FileError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match fs::symlink_metadata(path) {
                Ok(_) => Err(FileError::content(
                    path,
                    "it is a link to a file that does not exist, as a download that was stopped \
                     leaves one; download the model again",
                )),
                Err(_) => Ok(None),
            };
        }
        // A file where the folder should be.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(FileError::io(path)(error)),
    };
    if found.is_dir() {
        return Err(FileError::content(path, "it is a folder, expected a file"));
    }
    if !found.is_file() {
        let problem = "it is a pipe or a device, expected a regular file";
        return Err(FileError::content(path, problem));
    }
    let file = File::open(path).map_err(FileError::io(path))?;
    Ok(Some((file, found.len())))
}

/// Reads a text file without its byte order mark; none where there is none.
///
/// # Errors
///
/// When it cannot be read, is not UTF-8, or is something else, which is named.
pub fn read_text(path: &Path) -> Result<Option<String>, FileError> {
    let Some(mut text) = read_whole_text(path)? else {
        return Ok(None);
    };
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(Some(text))
}

/// Reads a text file as [`read_text`], but with its byte order mark.
///
/// # Errors
///
/// As [`read_text`].
pub fn read_whole_text(path: &Path) -> Result<Option<String>, FileError> {
    let Some((mut file, length)) = open(path)? else {
        return Ok(None);
    };
    let name = path.file_name().unwrap_or_default();
    let shorter = SHORTER.iter().find(|(it, _)| name == *it);
    if length > shorter.map_or(MOST_BYTES, |(_, most)| *most) {
        let problem = format!("it has {length} bytes; no file of this kind is so large");
        return Err(FileError::content(path, problem));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.read_to_end(&mut bytes).map_err(FileError::io(path))?;
    if let Some(what) = stand_in(&bytes[..bytes.len().min(HEAD_BYTES)]) {
        return Err(FileError::content(path, what));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        FileError::content(path, format!("it is not UTF-8 text: see its byte {at}"))
    })?;
    Ok(Some(text))
}

/// Reads a JSON file; none where there is none.
///
/// # Errors
///
/// As [`read_text`], and when it is empty or not JSON.
pub fn read_json(path: &Path) -> Result<Option<Value>, FileError> {
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    if text.trim().is_empty() {
        let problem = "it is empty, expected JSON; copy or download it again";
        return Err(FileError::content(path, problem));
    }
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            let of_python = no_number(&text).unwrap_or_else(|| format!("it is not JSON: {error}"));
            Err(FileError::content(path, of_python))
        }
    }
}

/// Reads a JSON file that holds an object; none where there is none.
///
/// # Errors
///
/// As [`read_json`], and when it holds something else.
pub fn read_object(path: &Path) -> Result<Option<Map<String, Value>>, FileError> {
    let kind = match read_json(path)? {
        None => return Ok(None),
        Some(Value::Object(object)) => return Ok(Some(object)),
        Some(Value::Array(_)) => "an array",
        Some(Value::String(_)) => "a string",
        Some(Value::Null) => "null",
        Some(Value::Bool(_) | Value::Number(_)) => "a number or a truth value",
    };
    let problem = format!("it holds {kind}, expected a JSON object `{{…}}`");
    Err(FileError::content(path, problem))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Writes a file into a folder of its own.
    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = format!("apo-model-file-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(folder);
        fs::create_dir_all(&dir).expect("the temporary folder can be written");
        let path = dir.join(name);
        fs::write(&path, bytes).expect("a file can be written");
        path
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn what_stands_in_a_files_place_is_named() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n";
        let text = r#"{"model_type": "llama"}"#;
        let with_mark = format!("\u{feff}{text}");
        for (name, bytes, named) in [
            ("pointer", pointer.as_bytes().to_vec(), "git lfs pull"),
            ("le", utf16(&with_mark, u16::to_le_bytes), "UTF-16"),
            ("be", utf16(&with_mark, u16::to_be_bytes), "UTF-16"),
            ("le-unmarked", utf16(text, u16::to_le_bytes), "UTF-16"),
            ("be-unmarked", utf16(text, u16::to_be_bytes), "UTF-16"),
            ("page", b"\n<!DOCTYPE html><html>".to_vec(), "web page"),
            ("gzip", vec![0x1f, 0x8b, 8, 0], "gzip"),
            ("zip", b"PK\x03\x04data".to_vec(), "save_pretrained"),
            ("latin-1", b"{\"a\": \"\xe9\"}".to_vec(), "byte 7"),
            ("empty", b" \n".to_vec(), "empty"),
            ("cut", b"{\"a\": ".to_vec(), "not JSON"),
            ("deep", vec![b'['; 100_000], "not JSON"),
        ] {
            let path = file(name, &bytes);
            let told = read_json(&path).expect_err(name).to_string();
            assert!(told.contains(named), "{name}: {told}");
            assert!(told.contains(&path.display().to_string()), "{name}: {told}");
        }
    }

    #[test]
    fn numbers_that_only_python_has_are_named_with_their_keys() {
        for (name, text, named) in [
            (
                "nan",
                r#"{"a": "NaN", "rope_theta": NaN}"#,
                "`rope_theta` is NaN",
            ),
            (
                "inf",
                r#"{"a": [1, {"b": Infinity}]}"#,
                "`a.1.b` is Infinity",
            ),
            ("less", r#"{"\\\"x": -Infinity}"#, "is -Infinity"),
            ("text", r#"{"a\" NaN": NaN"#, "not JSON"),
            ("other", r#"{"a": nan}"#, "not JSON"),
            ("plus", r#"{"a": +Infinity}"#, "not JSON"),
        ] {
            let told = read_object(&file(name, text.as_bytes())).expect_err(name);
            assert!(told.to_string().contains(named), "{name}: {told}");
        }
        let text = br#"{"a": "say \"NaN\", Infinity"}"#;
        let value = read_object(&file("said", text))
            .expect("JSON")
            .expect("there");
        assert_eq!(value["a"], "say \"NaN\", Infinity");
    }

    #[test]
    fn a_byte_order_mark_is_left_out() {
        let path = file("marked", "\u{feff}{\"a\": 1}".as_bytes());
        let value = read_object(&path).expect("JSON").expect("it is there");
        assert_eq!(value["a"], 1);
    }

    #[test]
    fn what_is_no_object_is_told() {
        for (name, text, named) in [
            ("array", "[1]", "an array"),
            ("text", "\"a\"", "a string"),
            ("null", "null", "null"),
        ] {
            let told = read_object(&file(name, text.as_bytes())).expect_err(name);
            assert!(told.to_string().contains(named), "{name}: {told}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_none_and_a_folder_is_told() {
        let path = file("there", b"");
        assert!(read_json(&path.with_file_name("absent")).is_ok_and(|it| it.is_none()));
        let told = read_json(path.parent().expect("a folder")).expect_err("a folder");
        assert!(told.to_string().contains("a folder"), "{told}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_told() {
        let path = file("target", b"").with_file_name(format!("link-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink("nowhere", &path).expect("a link can be made");
        let told = read_json(&path).expect_err("a link to nothing");
        assert!(told.to_string().contains("link"), "{told}");
    }
}
