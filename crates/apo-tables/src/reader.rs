//! Reads tables batch by batch.

use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_provenance::{Input, Provenance, RowsDigest, Split, TEST, digest_parts, digest_path};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Float32Array, Int32Array, Int64Array, RecordBatch, RecordBatchReader as _,
    StringArray,
};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::columns::{self, Columns, library, next_batch};
use crate::error::TableError;
use crate::file;
use crate::folder;
use crate::footer::FOOTER_KEY;
use crate::schema::{ColumnType, Row, Value};
use crate::tables::Response;

/// Reads the provenance from a table's footer. Returns `None` if another program
/// wrote the table.
///
/// # Errors
///
/// When the file cannot be read, or is not a whole Parquet file.
pub fn provenance(path: &Path) -> Result<Option<Provenance>, TableError> {
    let columns = Columns::open(path, |_| false)?;
    let found = columns.footer_value(FOOTER_KEY);
    Ok(found.and_then(|json| serde_json::from_str(&json).ok()))
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, TableError> {
    let file = columns::open(path)?;
    library(path, || ParquetRecordBatchReaderBuilder::try_new(file))
}

/// Opens a part for the table's own columns.
fn own<R: Row>(part: &Path) -> Result<Columns, TableError> {
    let is_own = |name: &str| R::TABLE.columns.iter().any(|it| it.name == name);
    Columns::open(part, is_own)
}

/// Returns the parts of a table: the file, or a folder's `*.parquet` in the order of
/// their names.
fn parts(path: &Path) -> Result<Vec<PathBuf>, TableError> {
    if path.is_dir() {
        return folder::parts(path);
    }
    Ok(vec![path.into()])
}

/// Reads a table row by row; it is an iterator of the rows.
///
/// Opening a table checks the footer and the schema of every part before it reads a
/// row.
///
/// # Examples
///
/// ```
/// use apo_tables::{Provenance, Query, Reader, Writer};
///
/// # let name = format!("apo-tables-doc-{}.parquet", std::process::id());
/// # let path = std::env::temp_dir().join(name);
/// let mut writer = Writer::create(&path, &Provenance::new("example", "1.0"))?;
/// writer.write(&Query {
///     query_id: "6f1c04f2a1b7d9e3".into(),
///     subset: "helpful-base".into(),
///     prompt: "\n\nHuman: How do I boil an egg?\n\nAssistant:".into(),
/// })?;
/// writer.finish()?;
///
/// let queries = Reader::<Query>::open(&path)?;
/// assert_eq!(queries.n_rows(), 1);
/// for query in queries {
///     assert_eq!(query?.subset, "helpful-base");
/// }
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), apo_tables::TableError>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    path: PathBuf,
    parts: Vec<PathBuf>,
    n_rows: u64,
    /// The first part without rows.
    empty: Option<PathBuf>,
    /// Whether to keep columns that are not the table's own.
    carry: bool,
    next_part: usize,
    open: Option<Part>,
    /// The batch that is being read, and its next row.
    current: Option<(Decoded, usize)>,
    marker: PhantomData<R>,
}

/// A part that is being read.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    /// Its own columns, to say what is wrong with them; `None` if other columns
    /// are kept.
    columns: Option<Columns>,
    /// The next row.
    next: u64,
}

/// Some rows, with all their columns.
#[derive(Debug)]
pub struct Batch<R> {
    /// The rows.
    pub rows: Vec<R>,
    pub(crate) record: RecordBatch,
}

impl<R: Row> Reader<R> {
    /// Opens a table: a Parquet file, or a folder of parts.
    ///
    /// # Errors
    ///
    /// When it does not exist or is not whole, or when columns are missing or have
    /// other types; one error names all of them.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let parts = parts(path)?;
        let (mut n_rows, mut empty) = (0, None);
        for part in &parts {
            let columns = own::<R>(part)?;
            let faults = R::TABLE.faults(&columns.reader()?.schema());
            if !faults.is_empty() {
                return Err(TableError::Schema {
                    path: part.clone(),
                    table: R::TABLE.name,
                    written_by: R::TABLE.writers(),
                    faults,
                });
            }
            n_rows += columns.n_rows();
            if columns.n_rows() == 0 {
                empty.get_or_insert_with(|| part.clone());
            }
        }
        Ok(Self {
            path: path.into(),
            parts,
            n_rows,
            empty,
            carry: false,
            next_part: 0,
            open: None,
            current: None,
            marker: PhantomData,
        })
    }

    /// Opens a table that must have rows, in each of its parts.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and when it has no rows, or a part has none, as one has whose
    /// writer failed.
    pub fn open_filled(path: &Path) -> Result<Self, TableError> {
        let reader = Self::open(path)?;
        let table = R::TABLE.name;
        let (path, problem) = match &reader.empty {
            None => return Ok(reader),
            Some(_) if reader.n_rows == 0 => (path, format!("the `{table}` table has no rows")),
            Some(part) => (
                part.as_path(),
                format!(
                    "this part of the `{table}` table has no rows; make it anew, or move it away"
                ),
            ),
        };
        Err(TableError::Import {
            path: path.into(),
            problem,
        })
    }

    /// Returns the table's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of rows.
    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Describes the table as an input, for the provenance of what is made from it.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn input(&self) -> Result<Input, TableError> {
        // In a folder only the parts count: other files are not read.
        let digest = if self.path.is_dir() {
            digest_parts(&self.parts)
        } else {
            digest_path(&self.path)
        };
        Ok(Input {
            name: file::name(&self.path),
            rows: Some(self.n_rows),
            digest: digest.map_err(|error| TableError::reading(&self.path, error))?,
            split: self.split()?,
        })
    }

    /// Returns the part of the data that the queries are. If one of the files is of
    /// the test part, that is the answer. Returns `None` if another program wrote
    /// the table, or if its files are of different splits.
    ///
    /// # Errors
    ///
    /// When a part cannot be read.
    pub fn split(&self) -> Result<Option<Split>, TableError> {
        let mut found: Vec<Option<Split>> = Vec::new();
        for part in &self.parts {
            let made = provenance(part)?;
            found.push(made.and_then(|it| it.split().cloned()));
        }
        let is_test = |it: &&Option<Split>| it.as_ref().is_some_and(|it| it.part == TEST);
        if let Some(test) = found.iter().find(is_test) {
            return Ok(test.clone());
        }
        found.dedup();
        Ok(if found.len() == 1 {
            found.pop().flatten()
        } else {
            None
        })
    }

    /// Returns all columns, including those that are not the table's own.
    ///
    /// # Errors
    ///
    /// When a part cannot be read, or has other columns than the first one.
    pub fn schema(&self) -> Result<SchemaRef, TableError> {
        let schema = Arc::clone(builder(&self.parts[0])?.schema());
        for part in &self.parts[1..] {
            let found = Arc::clone(builder(part)?.schema());
            let column =
                |it: &Arc<arrow_schema::Field>| (it.name().clone(), it.data_type().clone());
            if !found
                .fields()
                .iter()
                .map(column)
                .eq(schema.fields().iter().map(column))
            {
                return Err(TableError::Import {
                    path: part.clone(),
                    problem: format!(
                        "its columns are not those of {}; all parts of a table must have the \
                         same columns in the same order",
                        self.parts[0].display()
                    ),
                });
            }
        }
        Ok(schema)
    }

    /// Reads batches that also keep the columns that are not the table's own.
    pub fn batches(mut self) -> impl Iterator<Item = Result<Batch<R>, TableError>> {
        self.carry = true;
        std::iter::from_fn(move || self.next_batch())
    }

    fn next_batch(&mut self) -> Option<Result<Batch<R>, TableError>> {
        let (record, decoded) = match self.next_record()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let rows: Result<Vec<R>, _> = (0..record.num_rows()).map(|row| decoded.row(row)).collect();
        Some(rows.map(|rows| Batch { rows, record }))
    }

    fn next_record(&mut self) -> Option<Result<(RecordBatch, Decoded), TableError>> {
        loop {
            if self.open.is_none() {
                let path = self.parts.get(self.next_part)?.clone();
                self.next_part += 1;
                match self.part(&path) {
                    Ok(part) => self.open = Some(part),
                    Err(error) => return Some(Err(error)),
                }
            }
            let part = self.open.as_mut()?;
            match next_batch(&mut part.reader) {
                None => self.open = None,
                Some(Err(error)) => {
                    return Some(Err(match &part.columns {
                        Some(columns) => columns.failure(error),
                        None => own::<R>(&part.path)
                            .map_or_else(|it| it, |columns| columns.failure(error)),
                    }));
                }
                Some(Ok(record)) => {
                    let decoded = Decoded::new::<R>(&part.path, &record, part.next);
                    part.next += record.num_rows() as u64;
                    return Some(decoded.map(|decoded| (record, decoded)));
                }
            }
        }
    }

    fn part(&self, path: &Path) -> Result<Part, TableError> {
        let own = own::<R>(path)?;
        let (reader, columns) = if self.carry {
            let builder = builder(path)?.with_batch_size(own.batch());
            let reader = library(path, || builder.build())?;
            (reader, None)
        } else {
            (own.reader()?, Some(own))
        };
        Ok(Part {
            path: path.into(),
            reader,
            columns,
            next: 0,
        })
    }
}

impl Reader<Response> {
    /// Reads all rows and returns a digest of the prompts and responses, which does not
    /// depend on their order, on other columns, or on what wrote the table.
    ///
    /// # Errors
    ///
    /// When a row cannot be read.
    pub fn content(self) -> Result<RowsDigest, TableError> {
        let mut digest = RowsDigest::default();
        for row in self {
            let row = row?;
            digest.add(&[&row.prompt, &row.response]);
        }
        Ok(digest)
    }
}

impl<R: Row> Iterator for Reader<R> {
    type Item = Result<R, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((decoded, row)) = &mut self.current
                && *row < decoded.n_rows
            {
                *row += 1;
                return Some(decoded.row(*row - 1));
            }
            // Free a batch before the next one is read.
            self.current = None;
            match self.next_record()? {
                Ok((_, decoded)) => self.current = Some((decoded, 0)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A column, converted to the type that the table declares.
#[derive(Debug)]
enum Values {
    Absent,
    Text(StringArray),
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
}

impl Values {
    fn new(kind: ColumnType, array: &ArrayRef) -> Result<Self, String> {
        // A "safe" cast would turn a number that does not fit into null.
        let strictly = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let array = cast_with_options(array, &kind.data_type(), &strictly)
            .map_err(|error| error.to_string())?;
        Ok(match kind {
            ColumnType::Text => Self::Text(array.as_string().clone()),
            ColumnType::Int32 => Self::Int32(array.as_primitive::<Int32Type>().clone()),
            ColumnType::Int64 => Self::Int64(array.as_primitive::<Int64Type>().clone()),
            ColumnType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().clone()),
        })
    }

    fn at(&self, row: usize) -> Value<'_> {
        match self {
            Self::Text(array) if array.is_valid(row) => Value::Text(array.value(row)),
            Self::Int32(array) if array.is_valid(row) => array.value(row).into(),
            Self::Int64(array) if array.is_valid(row) => array.value(row).into(),
            Self::Float32(array) if array.is_valid(row) => array.value(row).into(),
            _ => Value::Null,
        }
    }
}

/// The columns of a batch, converted to the types that the table declares. Rows are
/// made from them one at a time.
#[derive(Debug)]
struct Decoded {
    path: PathBuf,
    /// The number of the first row in its file.
    first: u64,
    n_rows: usize,
    columns: Vec<Values>,
}

impl Decoded {
    fn new<R: Row>(path: &Path, record: &RecordBatch, first: u64) -> Result<Self, TableError> {
        let mut columns = Vec::with_capacity(R::TABLE.columns.len());
        for column in R::TABLE.columns {
            columns.push(match record.column_by_name(column.name) {
                None => Values::Absent,
                Some(array) => {
                    Values::new(column.kind, array).map_err(|problem| TableError::Value {
                        path: path.into(),
                        row: first,
                        column: column.name.into(),
                        problem: format!("at or after: {problem}"),
                    })?
                }
            });
        }
        let decoded = Self {
            path: path.into(),
            first,
            n_rows: record.num_rows(),
            columns,
        };
        match decoded.missing::<R>() {
            Some(error) => Err(error),
            None => Ok(decoded),
        }
    }

    /// Returns the error of the first row that lacks a required value.
    fn missing<R: Row>(&self) -> Option<TableError> {
        let columns = R::TABLE.columns.iter().zip(&self.columns);
        let first = columns.filter(|(column, _)| !column.optional);
        let first = first.filter_map(|(column, values)| {
            let row = (0..self.n_rows).find(|&row| values.at(row) == Value::Null)?;
            Some((row, column.name))
        });
        let (row, column) = first.min_by_key(|(row, _)| *row)?;
        Some(self.fault(row, column, "is null, expected a value".into()))
    }

    fn fault(&self, row: usize, column: &str, problem: String) -> TableError {
        TableError::Value {
            path: self.path.clone(),
            row: self.first + row as u64,
            column: column.into(),
            problem,
        }
    }

    fn row<R: Row>(&self, row: usize) -> Result<R, TableError> {
        let values: Vec<Value<'_>> = self.columns.iter().map(|it| it.at(row)).collect();
        R::of(&values).map_err(|(column, problem)| self.fault(row, column, problem))
    }
}

impl<R> Batch<R> {
    /// Returns the batch's columns.
    pub fn schema(&self) -> &Schema {
        self.record.schema_ref()
    }
}
