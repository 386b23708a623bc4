//! Reading tables, batch by batch.

use std::fs::{self, File};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Float32Type, Int32Type, Int64Type, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::error::TableError;
use crate::provenance::{Input, Provenance, Split, TEST, digest_path, file_name};
use crate::schema::{Kind, Row, Value};

/// Rows that are in memory at once.
const BATCH: usize = 1024;

fn corrupt(path: &Path, error: impl ToString) -> TableError {
    TableError::Corrupt {
        path: path.into(),
        reason: error.to_string(),
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, TableError> {
    let file = File::open(path).map_err(|error| TableError::reading(path, error))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| corrupt(path, error))
}

/// Returns a value of a Parquet file's footer.
pub(crate) fn footer_value(path: &Path, key: &str) -> Result<Option<String>, TableError> {
    let builder = builder(path)?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let found = metadata
        .into_iter()
        .flatten()
        .find(|entry| entry.key == key);
    Ok(found.and_then(|entry| entry.value.clone()))
}

/// The parts of a table: the file, or a folder's `*.parquet` in name order.
fn parts(path: &Path) -> Result<Vec<PathBuf>, TableError> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut parts = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| TableError::reading(path, error))? {
        let entry = entry.map_err(|error| TableError::reading(path, error))?;
        if entry.path().extension().is_some_and(|it| it == "parquet") {
            parts.push(entry.path());
        }
    }
    parts.sort();
    if parts.is_empty() {
        return Err(TableError::NotThere {
            path: path.into(),
            reason: "the folder holds no *.parquet files".into(),
        });
    }
    Ok(parts)
}

/// Reads a table row by row; an iterator of its rows.
///
/// Opening checks every part's footer and schema before any row is read.
#[derive(Debug)]
pub struct Reader<R> {
    path: PathBuf,
    parts: Vec<PathBuf>,
    n_rows: u64,
    /// Keep columns that are not the table's own.
    carry: bool,
    next_part: usize,
    /// The part that is being read, and the row of it that comes next.
    open: Option<(PathBuf, ParquetRecordBatchReader, u64)>,
    rows: std::vec::IntoIter<R>,
    marker: PhantomData<R>,
}

/// Some rows, and the columns that came with them.
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
    /// When it is not there, not whole, or when columns are missing or
    /// mistyped: all of them in one error.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let parts = parts(path)?;
        let mut n_rows = 0;
        for part in &parts {
            let builder = builder(part)?;
            let faults = R::TABLE.faults(builder.schema());
            if !faults.is_empty() {
                return Err(TableError::Schema {
                    path: part.clone(),
                    table: R::TABLE.name,
                    written_by: R::TABLE.written_by,
                    faults,
                });
            }
            n_rows += builder.metadata().file_metadata().num_rows().max(0) as u64;
        }
        Ok(Self {
            path: path.into(),
            parts,
            n_rows,
            carry: false,
            next_part: 0,
            open: None,
            rows: Vec::new().into_iter(),
            marker: PhantomData,
        })
    }

    /// Opens a table that must have rows.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and when it has none.
    pub fn open_filled(path: &Path) -> Result<Self, TableError> {
        let reader = Self::open(path)?;
        if reader.n_rows > 0 {
            return Ok(reader);
        }
        Err(TableError::NotThere {
            path: path.into(),
            reason: format!("the `{}` table there has no rows", R::TABLE.name),
        })
    }

    /// Returns where the table lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many rows the table has.
    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Describes the table as an input of what is made from it.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn input(&self) -> Result<Input, TableError> {
        let digest = digest_path(&self.path).map_err(|e| TableError::reading(&self.path, e))?;
        Ok(Input {
            name: file_name(&self.path),
            rows: Some(self.n_rows),
            digest,
            split: self.split()?,
        })
    }

    /// Returns the part of the data that the queries are: of several, the test
    /// part; none where other programs wrote the table, or its parts are of
    /// different splits.
    fn split(&self) -> Result<Option<Split>, TableError> {
        let mut found: Vec<Option<Split>> = Vec::new();
        for part in &self.parts {
            let provenance = Provenance::read(part)?;
            found.push(provenance.and_then(|it| it.split().cloned()));
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

    /// Returns the columns of all parts, the table's own and others.
    ///
    /// # Errors
    ///
    /// When a part cannot be read, or has other columns than the first.
    pub fn schema(&self) -> Result<SchemaRef, TableError> {
        let schema = Arc::clone(builder(&self.parts[0])?.schema());
        for part in &self.parts[1..] {
            let found = Arc::clone(builder(part)?.schema());
            let column =
                |it: &Arc<arrow::datatypes::Field>| (it.name().clone(), it.data_type().clone());
            if !found
                .fields()
                .iter()
                .map(column)
                .eq(schema.fields().iter().map(column))
            {
                return Err(TableError::Import {
                    path: part.clone(),
                    problem: format!(
                        "its columns are not those of {}; a table's parts have the same columns, \
                         in the same order",
                        self.parts[0].display()
                    ),
                });
            }
        }
        Ok(schema)
    }

    /// Reads batches that keep the columns which are not the table's own.
    pub fn batches(mut self) -> impl Iterator<Item = Result<Batch<R>, TableError>> {
        self.carry = true;
        std::iter::from_fn(move || self.next_batch())
    }

    fn next_batch(&mut self) -> Option<Result<Batch<R>, TableError>> {
        loop {
            if self.open.is_none() {
                let part = self.parts.get(self.next_part)?.clone();
                self.next_part += 1;
                match self.reader(&part) {
                    Ok(reader) => self.open = Some((part, reader, 0)),
                    Err(error) => return Some(Err(error)),
                }
            }
            let (part, reader, first) = self.open.as_mut()?;
            match reader.next() {
                None => self.open = None,
                Some(Err(error)) => return Some(Err(corrupt(part, error))),
                Some(Ok(record)) => {
                    let rows = rows(part, &record, *first);
                    *first += record.num_rows() as u64;
                    return Some(rows.map(|rows| Batch { rows, record }));
                }
            }
        }
    }

    fn reader(&self, part: &Path) -> Result<ParquetRecordBatchReader, TableError> {
        let mut builder = builder(part)?.with_batch_size(BATCH);
        if !self.carry {
            let names = R::TABLE.columns.iter().map(|column| column.name);
            let mask = ProjectionMask::columns(builder.parquet_schema(), names);
            builder = builder.with_projection(mask);
        }
        builder.build().map_err(|error| corrupt(part, error))
    }
}

impl<R: Row> Iterator for Reader<R> {
    type Item = Result<R, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            match self.next_batch()? {
                Ok(batch) => self.rows = batch.rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A column, turned into the table's own type.
enum Values {
    Absent,
    Text(StringArray),
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
}

impl Values {
    fn new(kind: Kind, array: &ArrayRef) -> Result<Self, String> {
        // Not "safe": a number that does not fit is an error, not a null.
        let strictly = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let array = cast_with_options(array, &kind.data_type(), &strictly)
            .map_err(|error| error.to_string())?;
        Ok(match kind {
            Kind::Text => Self::Text(array.as_string().clone()),
            Kind::Int32 => Self::Int32(array.as_primitive::<Int32Type>().clone()),
            Kind::Int64 => Self::Int64(array.as_primitive::<Int64Type>().clone()),
            Kind::Float32 => Self::Float32(array.as_primitive::<Float32Type>().clone()),
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

fn rows<R: Row>(path: &Path, record: &RecordBatch, first: u64) -> Result<Vec<R>, TableError> {
    let fault = |row: u64, column: &str, problem: String| TableError::Value {
        path: path.into(),
        row,
        column: column.into(),
        problem,
    };
    let mut columns = Vec::with_capacity(R::TABLE.columns.len());
    for column in R::TABLE.columns {
        columns.push(match record.column_by_name(column.name) {
            None => Values::Absent,
            Some(array) => Values::new(column.kind, array)
                .map_err(|problem| fault(first, column.name, format!("at or after: {problem}")))?,
        });
    }
    let mut rows = Vec::with_capacity(record.num_rows());
    for row in 0..record.num_rows() {
        let number = first + row as u64;
        let values: Vec<Value<'_>> = columns.iter().map(|column| column.at(row)).collect();
        for (column, value) in R::TABLE.columns.iter().zip(&values) {
            if !column.optional && *value == Value::Null {
                return Err(fault(
                    number,
                    column.name,
                    "is null, expected a value".into(),
                ));
            }
        }
        rows.push(R::of(&values).map_err(|(column, problem)| fault(number, column, problem))?);
    }
    Ok(rows)
}

impl<R> Batch<R> {
    /// Returns the batch's columns.
    pub fn schema(&self) -> &Schema {
        self.record.schema_ref()
    }
}
