//! Reads files record by record, whatever their format.

use std::io::{BufRead, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use apo_tables::{JsonRows, TableError};
use serde_json::value::RawValue;

use crate::columns::Columns;
use crate::fault::import_error;
use crate::lines::is_json;
use crate::record::{Record, not_utf8};
use crate::{extra, fields, forms, lines, text, wrapped};

/// The most bytes of a record: a longer one is not a dialogue.
const LONGEST: usize = 64 << 20;

/// The most bytes of records in memory at once; a single record may exceed it.
const BATCH_BYTES: usize = 8 << 20;

/// Whether [`Source::open`] reads a file as Parquet, by the ending of its name.
pub fn is_parquet(path: &Path) -> bool {
    path.extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("parquet"))
}

/// A file of records.
pub struct Source {
    path: PathBuf,
    records: Records,
}

enum Records {
    Lines(Box<dyn BufRead + Send>, u64),
    /// A list's text, and the ranges of its elements.
    List(String, std::vec::IntoIter<Range<usize>>, u64),
    /// A file's rows, the number of rows read so far, and the names of the columns
    /// that are not read.
    Parquet(Box<JsonRows>, u64, Vec<String>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a file by the ending of its name: `.jsonl`, `.json` (a list or lines),
    /// both also with `.gz`, or `.parquet`. Gzip is recognised by its first bytes.
    /// Only the columns of a Parquet file that are among `fields` are read.
    ///
    /// # Errors
    ///
    /// When the file does not exist, cannot be read, or is of another kind.
    pub fn open(path: &Path, fields: &[&str]) -> Result<Self, TableError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        let ending = Path::new(plain).extension().and_then(|it| it.to_str());
        let records = match ending {
            Some("parquet") if is_parquet(path) => parquet(path, fields)?,
            Some("jsonl") => Records::Lines(lines::checked(path, text::open(path)?, fields)?, 0),
            Some("json") => json(path, fields)?,
            Some("csv" | "tsv") => {
                text::open(path)?;
                return Err(import_error(path, lines::CSV));
            }
            _ => {
                // What the file is matters more than its name.
                let mut found = text::open(path)?;
                let begin = found
                    .fill_buf()
                    .map_err(|error| text::broken(path, error))?;
                if let Some(problem) = lines::no_text(path, begin) {
                    return Err(import_error(path, problem));
                }
                return Err(import_error(
                    path,
                    "is of an unknown kind; expected .jsonl, .json (also with .gz) or .parquet",
                ));
            }
        };
        Ok(Self {
            path: path.into(),
            records,
        })
    }

    /// Returns the names of a Parquet file's columns that hold something and are not
    /// read. In other files the records name such fields.
    pub fn unused(&self) -> &[String] {
        match &self.records {
            Records::Parquet(.., unused) => unused,
            Records::Lines(..) | Records::List(..) => &[],
        }
    }

    /// Checks that a Parquet file has all columns of one of these lists, which may have
    /// other names in it. In other files each record is checked by itself.
    ///
    /// # Errors
    ///
    /// When no list is complete; the error names all lists.
    pub fn check_columns(&self, lists: &[&[&str]], columns: &Columns) -> Result<(), TableError> {
        let Records::Parquet(rows, ..) = &self.records else {
            return Ok(());
        };
        let found = rows.names();
        let has = |name: &&str| found.iter().any(|it| columns.field_of(it) == Some(name));
        if lists.iter().any(|names| names.iter().all(has)) {
            return Ok(());
        }
        let expected: Vec<String> = lists
            .iter()
            .map(|names| format!("`{}`", names.join("`, `")))
            .collect();
        let problem = format!(
            "expected the columns {}; its columns are {}",
            expected.join("; or "),
            found.join(", ")
        );
        Err(import_error(&self.path, &problem))
    }

    /// Returns up to `most` records, fewer if they are long, and none at the end.
    ///
    /// # Errors
    ///
    /// When the file was cut off, or its compression is damaged.
    pub fn batch(&mut self, most: usize) -> Result<Vec<Record>, TableError> {
        let path = &self.path;
        let mut batch = Vec::new();
        let mut bytes = 0;
        match &mut self.records {
            Records::Lines(lines, number) => {
                while batch.len() < most && bytes < BATCH_BYTES {
                    let mut json = Vec::new();
                    let limited = &mut lines.by_ref().take(LONGEST as u64);
                    let n = limited
                        .read_until(b'\n', &mut json)
                        .map_err(|error| text::broken(path, error))?;
                    if n == 0 {
                        break;
                    }
                    *number += 1;
                    if n == LONGEST {
                        let problem = format!("line {number} is longer than 64 MiB");
                        return Err(import_error(path, &problem));
                    }
                    while json.last().is_some_and(u8::is_ascii_whitespace) {
                        json.pop();
                    }
                    if !json.is_empty() {
                        bytes += json.len();
                        batch.push(Record {
                            line: *number,
                            json,
                        });
                    }
                }
            }
            Records::List(text, ranges, number) => {
                while batch.len() < most && bytes < BATCH_BYTES {
                    let Some(range) = ranges.next() else { break };
                    *number += 1;
                    bytes += range.len();
                    batch.push(Record {
                        line: *number,
                        json: text.as_bytes()[range].to_vec(),
                    });
                }
            }
            Records::Parquet(rows, number, _) => {
                for json in rows.batch()? {
                    *number += 1;
                    batch.push(Record {
                        line: *number,
                        json,
                    });
                }
            }
        }
        Ok(batch)
    }
}

/// Opens a Parquet file, of which only some columns are read.
fn parquet(path: &Path, fields: &[&str]) -> Result<Records, TableError> {
    let rows = JsonRows::open(path, |name| forms::is_read(name, fields))?;
    let unused = rows.plain(|name| extra::is_unknown(name, fields));
    Ok(Records::Parquet(Box::new(rows), 0, unused))
}

/// Opens a `.json` file, which holds a list, or lines.
fn json(path: &Path, fields: &[&str]) -> Result<Records, TableError> {
    let mut bytes = Vec::new();
    text::open(path)?
        .read_to_end(&mut bytes)
        .map_err(|error| text::broken(path, error))?;
    let begin = bytes.trim_ascii_start();
    if !begin.starts_with(b"[") {
        if let Some(problem) = wrapped::problem(begin, fields) {
            return Err(import_error(path, &problem));
        }
        let line = begin.split(|byte| *byte == b'\n').next().unwrap_or(begin);
        if !is_json(line) && is_json(begin) {
            let problem = "is one object over several lines; expected a list of records, or one \
                           record per line";
            return Err(import_error(path, problem));
        }
        let lines = lines::checked(path, Box::new(std::io::Cursor::new(bytes)), fields)?;
        return Ok(Records::Lines(lines, 0));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        import_error(path, &not_utf8(at))
    })?;
    let mut ranges = elements(&text);
    if ranges.is_err()
        && let Some(mended) = fields::without_nan(&text)
    {
        text = mended;
        ranges = elements(&text);
    }
    let ranges =
        ranges.map_err(|error| import_error(path, &format!("is not a JSON list: {error}")))?;
    Ok(Records::List(text, ranges.into_iter(), 0))
}

/// Returns the ranges of a list's elements in its text.
fn elements(text: &str) -> serde_json::Result<Vec<Range<usize>>> {
    let list: Vec<&RawValue> = serde_json::from_str(text)?;
    let begin = text.as_ptr() as usize;
    let range = |it: &&RawValue| {
        let at = it.get().as_ptr() as usize - begin;
        at..at + it.get().len()
    };
    Ok(list.iter().map(range).collect())
}
