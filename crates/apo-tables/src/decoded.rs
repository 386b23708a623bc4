//! Converts a batch's columns to the types that the table declares, and makes rows
//! from them.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_cast::cast::{CastOptions, cast_with_options};

use crate::error::TableError;
use crate::schema::{ColumnType, Row, Value};

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
pub(crate) struct Decoded {
    path: PathBuf,
    /// The number of the first row in its file.
    first: u64,
    n_rows: usize,
    columns: Vec<Values>,
}

impl Decoded {
    /// Converts a batch; `first` is the number of its first row in the file.
    ///
    /// # Errors
    ///
    /// When a value does not fit its column's type, or a required one is null.
    pub(crate) fn new<R: Row>(
        path: &Path,
        record: &RecordBatch,
        first: u64,
    ) -> Result<Self, TableError> {
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

    /// Returns the number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
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

    /// Makes a row.
    ///
    /// # Errors
    ///
    /// When a value is not one that its column may have.
    pub(crate) fn row<R: Row>(&self, row: usize) -> Result<R, TableError> {
        let values: Vec<Value<'_>> = self.columns.iter().map(|it| it.at(row)).collect();
        R::of(&values).map_err(|(column, problem)| self.fault(row, column, problem))
    }
}
