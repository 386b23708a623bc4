//! Makes rows from a batch's columns, whose values are converted to the types that the
//! table declares.

use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, RecordBatch};

use crate::cell::Cell;
use crate::error::TableError;
use crate::schema::{ColumnType, Row, Value};

/// Returns a column's value in a row: null if the file does not have the column.
fn cell(column: Option<&ArrayRef>, row: usize) -> Cell<'_> {
    column.map_or(Cell::Null, |it| Cell::of(it.as_ref(), row))
}

/// Converts a value to the type that a column declares.
///
/// # Errors
///
/// When it does not fit.
fn convert(cell: Cell<'_>, kind: ColumnType) -> Result<Value<'_>, String> {
    Ok(match (kind, cell) {
        (_, Cell::Null) => Value::Null,
        (ColumnType::Text, Cell::Text(text)) => Value::Text(text),
        (ColumnType::Int32, Cell::Integer(value)) => i32::try_from(value)
            .map_err(|_| format!("{value} does not fit {kind}"))?
            .into(),
        (ColumnType::Int64, Cell::Integer(value)) => i64::try_from(value)
            .map_err(|_| format!("{value} does not fit {kind}"))?
            .into(),
        (ColumnType::Float32, Cell::Integer(value)) => Value::Float(value as f32),
        (ColumnType::Float32, Cell::Float32(value)) => Value::Float(value),
        (ColumnType::Float32, Cell::Float(value)) => {
            if value.is_finite() && !(value as f32).is_finite() {
                return Err(format!("{value:e} does not fit {kind}"));
            }
            Value::Float(value as f32)
        }
        (kind, _) => return Err(format!("is not {kind}")),
    })
}

/// The columns of a batch in the order that the table declares. Rows are made from them
/// one at a time.
#[derive(Debug)]
pub(crate) struct Decoded {
    path: PathBuf,
    /// The number of the first row in its file.
    first: u64,
    n_rows: usize,
    /// `None` for an optional column that the file does not have.
    columns: Vec<Option<ArrayRef>>,
}

impl Decoded {
    /// Takes a batch's columns; `first` is the number of its first row in the file.
    ///
    /// # Errors
    ///
    /// When a required value is null.
    pub(crate) fn new<R: Row>(
        path: &Path,
        record: &RecordBatch,
        first: u64,
    ) -> Result<Self, TableError> {
        let columns = R::TABLE.columns.iter();
        let decoded = Self {
            path: path.into(),
            first,
            n_rows: record.num_rows(),
            columns: columns
                .map(|it| record.column_by_name(it.name).cloned())
                .collect(),
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
            let is_null = |row: &usize| matches!(cell(values.as_ref(), *row), Cell::Null);
            let row = (0..self.n_rows).find(is_null)?;
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
    /// When a value does not fit its column's type, or is not one that the column may
    /// have.
    pub(crate) fn row<R: Row>(&self, row: usize) -> Result<R, TableError> {
        let mut values = Vec::with_capacity(self.columns.len());
        for (column, array) in R::TABLE.columns.iter().zip(&self.columns) {
            let value = convert(cell(array.as_ref(), row), column.kind);
            values.push(value.map_err(|problem| self.fault(row, column.name, problem))?);
        }
        R::of(&values).map_err(|(column, problem)| self.fault(row, column, problem))
    }
}
