//! Writes tables row by row.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use apo_provenance::Provenance;
use arrow_array::builder::{Float32Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use crate::error::TableError;
use crate::schema::{ColumnType, Row, Value};
use crate::sink::Sink;

/// The most rows that the encoder gets at once.
const BATCH: usize = 1024;

/// The most bytes of texts that the encoder gets at once.
const BATCH_BYTES: usize = 8 << 20;

enum Builder {
    Text(StringBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
}

impl Builder {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Int32 => Self::Int32(Int32Builder::new()),
            ColumnType::Int64 => Self::Int64(Int64Builder::new()),
            ColumnType::Float32 => Self::Float32(Float32Builder::new()),
        }
    }

    fn put(&mut self, value: Value<'_>) {
        match self {
            Self::Text(builder) => match value {
                Value::Text(text) => builder.append_value(text),
                _ => builder.append_null(),
            },
            Self::Int32(builder) => builder.append_option(value.int32()),
            Self::Int64(builder) => builder.append_option(value.int()),
            Self::Float32(builder) => builder.append_option(value.float()),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Writes a table row by row. Equal rows and provenance give equal bytes.
pub struct Writer<R> {
    sink: Sink,
    schema: SchemaRef,
    builders: Vec<Builder>,
    pending: usize,
    pending_bytes: usize,
    n_rows: u64,
    marker: PhantomData<R>,
}

impl<R: Row> Writer<R> {
    /// Creates the file, and replaces an earlier one.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    pub fn create(path: &Path, provenance: &Provenance) -> Result<Self, TableError> {
        let schema = Arc::new(R::TABLE.schema());
        let columns = R::TABLE.columns.iter();
        Ok(Self {
            sink: Sink::create(path, Arc::clone(&schema), provenance)?,
            schema,
            builders: columns.map(|column| Builder::new(column.kind)).collect(),
            pending: 0,
            pending_bytes: 0,
            n_rows: 0,
            marker: PhantomData,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&mut self, row: &R) -> Result<(), TableError> {
        let mut builders = self.builders.iter_mut();
        let mut bytes = 0;
        row.each(&mut |value| {
            if let Value::Text(text) = value {
                bytes += text.len();
            }
            if let Some(builder) = builders.next() {
                builder.put(value);
            }
        });
        self.pending += 1;
        self.pending_bytes += bytes;
        self.n_rows += 1;
        if self.pending < BATCH && self.pending_bytes < BATCH_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), TableError> {
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .expect("every row puts one value into every column");
        (self.pending, self.pending_bytes) = (0, 0);
        self.sink.write(&batch)
    }

    /// Ends the file, waits until it is on the disk, and returns the number of rows.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<u64, TableError> {
        if self.pending > 0 {
            self.flush()?;
        }
        self.sink.finish()?;
        Ok(self.n_rows)
    }
}
