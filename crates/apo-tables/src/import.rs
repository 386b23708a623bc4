//! Other people's data: JSON lines (plain or gzipped), JSON lists, Parquet.
//!
//! A [`Source`] gives records as JSON text with their line, in bounded
//! batches; [`parse`] makes a row of one, so that callers may parse on many
//! threads. What a record may look like stands at [`Preference`],
//! [`Comparison`] and [`Answer`].

mod records;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatchReader as _;
use arrow::json::LineDelimitedWriter;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde::de::DeserializeOwned;

use crate::error::TableError;

pub use records::{
    Answer, Comparison, Message, PREFERENCE_COLUMNS, Preference, Question, ScoredAnswer,
    ScoredResponse, Text,
};

/// A record that takes more than this is no dialogue.
const LONGEST: usize = 64 << 20;

/// What some editors put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Characters of a record that are shown of a rejected one.
const EXCERPT: usize = 200;

/// A record as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its line or row, from 1.
    pub line: u64,
    /// Its text; not yet known to be UTF-8 or JSON.
    pub json: Vec<u8>,
}

impl Record {
    /// Returns the record's beginning, for people.
    pub fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.json)
            .chars()
            .take(EXCERPT)
            .collect()
    }
}

/// Reads a record as a row of some kind.
///
/// # Errors
///
/// What is malformed, in one line.
pub fn parse<T: DeserializeOwned>(record: &Record) -> Result<T, String> {
    let text = std::str::from_utf8(&record.json).map_err(|error| format!("not UTF-8: {error}"))?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A file of records.
pub struct Source {
    path: PathBuf,
    records: Records,
}

enum Records {
    Lines(Box<dyn BufRead + Send>, u64),
    List(std::vec::IntoIter<Box<serde_json::value::RawValue>>, u64),
    Parquet(ParquetRecordBatchReader, u64),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a file by its name's ending: `.jsonl`, `.json` (a list or lines),
    /// each also with `.gz`, or `.parquet`.
    ///
    /// # Errors
    ///
    /// When it is not there, cannot be read, or is of another kind.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let file = File::open(path).map_err(|error| TableError::reading(path, error))?;
        if path.is_dir() {
            return Err(import(path, "is a folder, expected a file"));
        }
        let (plain, gz) = match name.strip_suffix(".gz") {
            Some(plain) => (plain, true),
            None => (name.as_str(), false),
        };
        let records = if Path::new(plain)
            .extension()
            .is_some_and(|it| it == "parquet")
            && !gz
        {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)
                .map_err(|error| corrupt(path, error))?;
            let reader = builder.with_batch_size(1024).build();
            Records::Parquet(reader.map_err(|error| corrupt(path, error))?, 0)
        } else {
            let mut bytes: Box<dyn BufRead + Send> = if gz {
                Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file)))
            } else {
                Box::new(BufReader::with_capacity(1 << 18, file))
            };
            match Path::new(plain).extension().and_then(|it| it.to_str()) {
                Some("jsonl") => Records::Lines(bytes, 0),
                Some("json") => json(path, &mut bytes)?,
                _ => {
                    return Err(import(
                        path,
                        "is of no known kind; expected .jsonl, .json (also with .gz) or .parquet",
                    ));
                }
            }
        };
        Ok(Self {
            path: path.into(),
            records,
        })
    }

    /// Checks that a Parquet file has all columns of one of some lists; other
    /// kinds of files say so row by row.
    ///
    /// # Errors
    ///
    /// When it has none of the lists: all of them in one error.
    pub fn check_columns(&self, lists: &[&[&str]]) -> Result<(), TableError> {
        let Records::Parquet(reader, _) = &self.records else {
            return Ok(());
        };
        let schema = reader.schema();
        let has = |name: &&str| schema.field_with_name(name).is_ok();
        if lists.iter().any(|names| names.iter().all(has)) {
            return Ok(());
        }
        let expected: Vec<String> = lists
            .iter()
            .map(|names| format!("`{}`", names.join("`, `")))
            .collect();
        let found: Vec<&str> = schema
            .fields()
            .iter()
            .map(|it| it.name().as_str())
            .collect();
        let problem = format!(
            "expected the columns {}; its columns are {}",
            expected.join("; or "),
            found.join(", ")
        );
        Err(import(&self.path, &problem))
    }

    /// Returns up to `most` records; none at the end.
    ///
    /// # Errors
    ///
    /// When the file ends in the middle, or its compression is damaged.
    pub fn batch(&mut self, most: usize) -> Result<Vec<Record>, TableError> {
        let path = &self.path;
        let mut batch = Vec::new();
        match &mut self.records {
            Records::Lines(lines, number) => {
                while batch.len() < most {
                    let mut json = Vec::new();
                    let limited = &mut lines.by_ref().take(LONGEST as u64);
                    let n = limited
                        .read_until(b'\n', &mut json)
                        .map_err(|error| import(path, &format!("after line {number}: {error}")))?;
                    if n == 0 {
                        break;
                    }
                    *number += 1;
                    if n == LONGEST {
                        let problem = format!("line {number} is longer than 64 MiB");
                        return Err(import(path, &problem));
                    }
                    if *number == 1 && json.starts_with(BOM) {
                        json.drain(..BOM.len());
                    }
                    while json.last().is_some_and(u8::is_ascii_whitespace) {
                        json.pop();
                    }
                    if !json.is_empty() {
                        batch.push(Record {
                            line: *number,
                            json,
                        });
                    }
                }
            }
            Records::List(values, number) => {
                for value in values.take(most) {
                    *number += 1;
                    batch.push(Record {
                        line: *number,
                        json: value.get().as_bytes().to_vec(),
                    });
                }
            }
            Records::Parquet(reader, number) => {
                if let Some(record) = reader.next() {
                    let record = record.map_err(|error| corrupt(path, error))?;
                    let mut writer = LineDelimitedWriter::new(Vec::new());
                    let written = writer.write(&record).and_then(|()| writer.finish());
                    written.map_err(|error| import(path, &error.to_string()))?;
                    for line in writer.into_inner().split(|&byte| byte == b'\n') {
                        if !line.is_empty() {
                            *number += 1;
                            let json = line.to_vec();
                            batch.push(Record {
                                line: *number,
                                json,
                            });
                        }
                    }
                }
            }
        }
        Ok(batch)
    }
}

/// `.json`: a list, or lines under another name.
fn json(path: &Path, bytes: &mut Box<dyn BufRead + Send>) -> Result<Records, TableError> {
    let reading = |error| import(path, &format!("cannot be read: {error}"));
    let mut text = Vec::new();
    bytes.read_to_end(&mut text).map_err(reading)?;
    if text.starts_with(BOM) {
        text.drain(..BOM.len());
    }
    if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return Ok(Records::Lines(Box::new(std::io::Cursor::new(text)), 0));
    }
    let list: Vec<Box<serde_json::value::RawValue>> = serde_json::from_slice(&text)
        .map_err(|error| import(path, &format!("is no JSON list: {error}")))?;
    Ok(Records::List(list.into_iter(), 0))
}

fn import(path: &Path, problem: &str) -> TableError {
    TableError::Import {
        path: path.into(),
        problem: problem.to_owned(),
    }
}

fn corrupt(path: &Path, error: impl ToString) -> TableError {
    TableError::Corrupt {
        path: path.into(),
        reason: error.to_string(),
    }
}
