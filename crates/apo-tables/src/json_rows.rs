//! The rows of any Parquet file as JSON.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatchReader as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::cell::{Object, other};
use crate::columns::{Columns, next_batch};
use crate::error::TableError;

/// Reads some columns of a Parquet file, whatever its schema, as JSON.
pub struct JsonRows {
    path: PathBuf,
    columns: Columns,
    reader: ParquetRecordBatchReader,
}

impl std::fmt::Debug for JsonRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonRows")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl JsonRows {
    /// Opens a file to read the columns whose names are `wanted`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is not a whole Parquet file, or when one of these
    /// columns holds bytes, times, or nothing that can be read.
    pub fn open(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, TableError> {
        let columns = Columns::open(path, wanted)?;
        let reader = columns.reader()?;
        // JSON holds no bytes and no times: they would become digits.
        for field in reader.schema().fields() {
            if let Some(kind) = other(field.data_type()) {
                return Err(TableError::Import {
                    path: path.into(),
                    problem: format!(
                        "column `{}` is {kind}, expected text or a number",
                        field.name()
                    ),
                });
            }
        }
        Ok(Self {
            path: path.into(),
            columns,
            reader,
        })
    }

    /// Returns the names of all columns of the file.
    pub fn names(&self) -> Vec<String> {
        self.columns.names()
    }

    /// Returns the names of the columns that hold texts, numbers or truth values
    /// and satisfy `is_wanted`.
    pub fn plain(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.columns.unread(is_wanted)
    }

    /// Returns the next rows, each an object in JSON, and none at the end.
    ///
    /// # Errors
    ///
    /// When the file is damaged, or a text in it is not UTF-8.
    pub fn batch(&mut self) -> Result<Vec<Vec<u8>>, TableError> {
        let Some(record) = next_batch(&mut self.reader) else {
            return Ok(Vec::new());
        };
        let record = record.map_err(|error| self.columns.failure(error))?;
        let schema = record.schema_ref();
        let names = schema.fields().iter().map(|it| it.name().as_str());
        let columns = names.zip(record.columns().iter().map(AsRef::as_ref));
        (0..record.num_rows())
            .map(|row| serde_json::to_vec(&Object(columns.clone(), row)))
            .collect::<Result<_, _>>()
            .map_err(|error| TableError::Import {
                path: self.path.clone(),
                problem: error.to_string(),
            })
    }
}
