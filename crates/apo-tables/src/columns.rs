//! Reads the columns of a Parquet file that the caller asks for. The others are
//! not touched, so that their types do not matter.

use std::collections::HashSet;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_files::Format;
use apo_guard::guarded;
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use crate::error::TableError;
use crate::{file, footer};

/// The most rows in memory at once.
const BATCH: usize = 1024;

/// The most bytes of a batch, estimated from the file's average row.
const BATCH_BYTES: u64 = 32 << 20;

/// A Parquet file, and the columns of it that are read.
pub(crate) struct Columns {
    path: PathBuf,
    file: Arc<dyn FileReader>,
    levels: parquet::arrow::FieldLevels,
    mask: ProjectionMask,
}

/// Returns the error of a file that is not a whole Parquet file.
pub(crate) fn corrupt(path: &Path, error: impl Into<Box<dyn Error>>) -> TableError {
    let error = error.into();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(it) = cause {
        // An error of the system is not a fault of the file.
        if let Some(code) = it
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return TableError::reading(path, io::Error::from_raw_os_error(code));
        }
        cause = it.source();
    }
    TableError::Corrupt {
        path: path.into(),
        reason: error.to_string(),
    }
}

/// Calls the Parquet library. Its errors and panics become errors that name the
/// file.
pub(crate) fn library<T, E: Into<Box<dyn Error>>>(
    path: &Path,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, TableError> {
    match guarded(work) {
        Ok(found) => found.map_err(|error| corrupt(path, error)),
        Err(panic) => Err(corrupt(path, panic)),
    }
}

/// Reads the next batch.
pub(crate) fn next_batch(
    reader: &mut ParquetRecordBatchReader,
) -> Option<Result<RecordBatch, ArrowError>> {
    guarded(|| reader.next()).unwrap_or_else(|panic| Some(Err(ArrowError::ParquetError(panic))))
}

/// What a Parquet file begins and ends with.
const MAGIC: &[u8] = b"PAR1";

/// Opens a Parquet file. The error for any other file says what it is.
pub(crate) fn open(path: &Path) -> Result<File, TableError> {
    let reading = |error| TableError::reading(path, error);
    let mut file = file::open(path)?;
    let head = file::head(&mut file).map_err(reading)?;
    let problem = match file::foreign(&head) {
        Some(problem) => Some(problem),
        None if Format::of(&head) == Some(Format::Gzip) => {
            Some("is compressed by gzip; unpack it first")
        }
        None => apo_files::link(&head),
    };
    if let Some(problem) = problem {
        return Err(TableError::Import {
            path: path.into(),
            problem: problem.into(),
        });
    }
    let begins = head.starts_with(MAGIC);
    if begins && ends(&mut file).map_err(reading)? {
        return Ok(file);
    }
    let is_text = |it: &u8| it.is_ascii_graphic() || it.is_ascii_whitespace();
    let problem = match head.trim_ascii_start().first() {
        _ if begins => "its end is missing: it was cut off; copy it again, or make it anew",
        None => "it is empty",
        Some(b'{' | b'[') => "it is JSON; give it a name that ends in .jsonl or .json",
        Some(_) if head.iter().all(is_text) => "it is text, such as CSV; write it as Parquet",
        Some(_) => "it does not begin like one; it is damaged, or something else",
    };
    Err(corrupt(path, problem))
}

/// Whether a file ends like Parquet.
fn ends(file: &mut File) -> io::Result<bool> {
    let mut end = [0; MAGIC.len()];
    let length = file.seek(SeekFrom::End(0))?;
    // The four bytes at the end are not those at the beginning.
    if length < 3 * MAGIC.len() as u64 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-(MAGIC.len() as i64)))?;
    file.read_exact(&mut end)?;
    file.rewind()?;
    Ok(end == MAGIC)
}

/// Opens a Parquet file, and checks that everything except its pages is as it was
/// written.
pub(crate) fn reader(path: &Path) -> Result<SerializedFileReader<File>, TableError> {
    let mut opened = open(path)?;
    let reading = |error| TableError::reading(path, error);
    let file = opened.try_clone().map_err(reading)?;
    let file = library(path, || SerializedFileReader::new(file))?;
    if !footer::is_whole(&mut opened, file.metadata()).map_err(reading)? {
        let problem = "it was damaged or changed since it was written: its footer does not match \
                       its checksum";
        return Err(corrupt(path, problem));
    }
    Ok(file)
}

impl std::fmt::Debug for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Columns")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Columns {
    /// Opens a file to read the columns whose names are asked for.
    pub(crate) fn open(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, TableError> {
        let file = reader(path)?;
        let metadata = file.metadata();
        let said = metadata.file_metadata().num_rows();
        let groups = metadata.row_groups().iter();
        let found = groups.fold(0_i64, |sum, it| sum.saturating_add(it.num_rows()));
        if said != found {
            let problem = format!("its footer counts {said} rows, and its row groups hold {found}");
            return Err(corrupt(path, problem));
        }
        let schema = metadata.file_metadata().schema_descr();
        let of_wanted = |&leaf: &usize| wanted(schema.get_column_root(leaf).name());
        let is_read = |&leaf: &usize| readable(schema, leaf);
        let leaves: Vec<usize> = (0..schema.num_columns()).filter(of_wanted).collect();
        let name = |leaf: &usize| schema.get_column_root(*leaf).name();
        let read: HashSet<&str> = leaves.iter().filter(|it| is_read(it)).map(name).collect();
        if let Some(unread) = leaves.iter().map(name).find(|it| !read.contains(it)) {
            return Err(TableError::Import {
                path: path.into(),
                problem: format!("column `{unread}` has a type that cannot be read; expected text"),
            });
        }
        let leaves = leaves.into_iter().filter(is_read);
        let mask = ProjectionMask::leaves(schema, leaves);
        let levels = library(path, || {
            parquet_to_arrow_field_levels(schema, mask.clone(), None)
        })?;
        Ok(Self {
            path: path.into(),
            levels,
            mask,
            file: Arc::new(file),
        })
    }

    /// Returns the names of all columns of the file.
    pub(crate) fn names(&self) -> Vec<String> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields().iter();
        fields.map(|field| field.name().to_owned()).collect()
    }

    /// Returns the names of the columns that are not read, hold texts, numbers or
    /// truth values, and satisfy `is_wanted`.
    pub(crate) fn unread(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let mut names: Vec<String> = Vec::new();
        for leaf in 0..schema.num_columns() {
            let name = schema.get_column_root(leaf).name();
            let is_new = names.last().is_none_or(|it| it != name);
            if is_new && is_plain(&schema.column(leaf)) && is_wanted(name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Returns a value from the file's footer.
    pub(crate) fn footer_value(&self, key: &str) -> Option<String> {
        let metadata = self.file.metadata().file_metadata().key_value_metadata();
        let found = metadata.into_iter().flatten().find(|it| it.key == key);
        found.and_then(|it| it.value.clone())
    }

    pub(crate) fn n_rows(&self) -> u64 {
        let groups = self.file.metadata().row_groups().iter();
        groups.map(|group| group.num_rows().max(0) as u64).sum()
    }

    /// Returns the rows of a batch: fewer if rows are long.
    pub(crate) fn batch(&self) -> usize {
        let mut bytes: u64 = 0;
        for group in self.file.metadata().row_groups() {
            for (leaf, column) in group.columns().iter().enumerate() {
                if self.mask.leaf_included(leaf) {
                    bytes = bytes.saturating_add(column.uncompressed_size().max(0) as u64);
                }
            }
        }
        let per_row = (bytes / self.n_rows().max(1)).max(1);
        ((BATCH_BYTES / per_row) as usize).clamp(1, BATCH)
    }

    /// Reads the columns batch by batch.
    pub(crate) fn reader(&self) -> Result<ParquetRecordBatchReader, TableError> {
        let batch = self.batch();
        let (levels, file) = (&self.levels, &self.file);
        library(&self.path, || {
            ParquetRecordBatchReader::try_new_with_row_groups(levels, file, batch, None)
        })
    }

    /// Returns why reading failed: the first text that is not UTF-8, with its
    /// column and row, or damage to the file.
    pub(crate) fn failure(&self, error: impl Into<Box<dyn Error>>) -> TableError {
        match guarded(|| self.not_utf8()).ok().flatten() {
            Some((row, column)) => TableError::Value {
                path: self.path.clone(),
                row,
                column,
                problem: "is not UTF-8, expected text in UTF-8".into(),
            },
            None => corrupt(&self.path, error),
        }
    }

    /// Returns the row, counted from 0, and the column of the first text that is not
    /// UTF-8.
    fn not_utf8(&self) -> Option<(u64, String)> {
        let metadata = self.file.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let mut found: Option<(u64, String)> = None;
        for leaf in (0..schema.num_columns()).filter(|&it| self.mask.leaf_included(it)) {
            let column = schema.column(leaf);
            if !is_text(&column) {
                continue;
            }
            let mut first = 0;
            for group in 0..metadata.num_row_groups() {
                let row_group = self.file.get_row_group(group).ok()?;
                let reader = row_group.get_column_reader(leaf).ok()?;
                if let Some(row) = first_not_utf8(reader, &column)
                    && found.as_ref().is_none_or(|it| first + row < it.0)
                {
                    found = Some((first + row, column.path().string()));
                }
                first += metadata.row_group(group).num_rows().max(0) as u64;
            }
        }
        found
    }
}

/// Returns the row, counted from 0, of the first text of a column chunk that is not
/// UTF-8.
fn first_not_utf8(reader: ColumnReader, column: &ColumnDescriptor) -> Option<u64> {
    let ColumnReader::ByteArrayColumnReader(mut reader) = reader else {
        return None;
    };
    let mut rows: u64 = 0;
    loop {
        let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let (records, n_values, n_levels) = reader
            .read_records(
                64,
                Some(&mut definitions),
                Some(&mut repetitions),
                &mut values,
            )
            .ok()?;
        if records == 0 && n_levels == 0 {
            return None;
        }
        let bad = (0..n_values).find(|&it| std::str::from_utf8(values[it].data()).is_err());
        if let Some(bad) = bad {
            // Only fully defined levels have a value: this is the one of `bad`.
            let full = column.max_def_level();
            let level = (0..n_levels)
                .filter(|&it| definitions.get(it).is_none_or(|&it| it == full))
                .nth(bad)?;
            let begins = |it: &usize| repetitions.get(*it).is_none_or(|&it| it == 0);
            let row = (0..=level).filter(begins).count() as u64;
            return Some(rows + row.saturating_sub(1));
        }
        rows += records as u64;
    }
}

/// Whether a column declares that it is text.
fn is_text(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Physical::BYTE_ARRAY
        && (matches!(
            column.logical_type_ref(),
            Some(LogicalType::String | LogicalType::Json | LogicalType::Enum)
        ) || matches!(
            column.converted_type(),
            ConvertedType::UTF8 | ConvertedType::JSON | ConvertedType::ENUM
        ))
}

/// Whether a leaf is read. A column that is a leaf always is. In lists and records
/// only texts, numbers and truth values are, because nobody asks for the time of a
/// message.
fn readable(schema: &SchemaDescriptor, leaf: usize) -> bool {
    if schema.get_column_root(leaf).is_primitive() {
        return true;
    }
    is_plain(&schema.column(leaf))
}

/// Whether a column declares that it holds texts, numbers or truth values.
fn is_plain(column: &ColumnDescriptor) -> bool {
    let plain_number = || {
        matches!(
            column.logical_type_ref(),
            None | Some(LogicalType::Integer { .. })
        ) && !matches!(
            column.converted_type(),
            ConvertedType::DATE
                | ConvertedType::DECIMAL
                | ConvertedType::TIME_MILLIS
                | ConvertedType::TIME_MICROS
                | ConvertedType::TIMESTAMP_MILLIS
                | ConvertedType::TIMESTAMP_MICROS
        )
    };
    match column.physical_type() {
        Physical::BYTE_ARRAY => is_text(column),
        Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE => true,
        Physical::INT32 | Physical::INT64 => plain_number(),
        Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => false,
    }
}
