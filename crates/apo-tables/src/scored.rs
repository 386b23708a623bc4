//! Writes a table's batches again, with rewards.

use std::path::Path;
use std::sync::Arc;

use apo_provenance::Provenance;
use arrow_array::{ArrayRef, Float32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::TableError;
use crate::reader::Batch;
use crate::sink::Sink;
use crate::tables::Response;

/// Writes responses with their rewards, and keeps all other columns.
#[derive(Debug)]
pub struct ScoredWriter {
    sink: Sink,
    schema: SchemaRef,
    n_rows: u64,
}

impl ScoredWriter {
    /// Creates the file for batches with the given columns.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    pub fn create(
        path: &Path,
        columns: &Schema,
        provenance: &Provenance,
    ) -> Result<Self, TableError> {
        let reward = Arc::new(Field::new("reward", DataType::Float32, true));
        let mut fields: Vec<_> = columns.fields().iter().cloned().collect();
        match fields.iter().position(|field| field.name() == "reward") {
            Some(at) => fields[at] = reward,
            None => fields.push(reward),
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            sink: Sink::create(path, Arc::clone(&schema), provenance)?,
            schema,
            n_rows: 0,
        })
    }

    /// Adds a batch; `rewards` has one reward for each row.
    ///
    /// # Errors
    ///
    /// When the batch has other columns than the first one, or the file cannot be
    /// written.
    pub fn write(&mut self, batch: &Batch<Response>, rewards: &[f32]) -> Result<(), TableError> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            columns.push(if field.name() == "reward" {
                Arc::new(Float32Array::from(rewards.to_vec())) as ArrayRef
            } else {
                let found = batch.record.column_by_name(field.name());
                Arc::clone(found.ok_or_else(|| self.differing(field.name()))?)
            });
        }
        let record = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| self.differing(&error.to_string()))?;
        self.n_rows += record.num_rows() as u64;
        self.sink.write(&record)
    }

    fn differing(&self, what: &str) -> TableError {
        TableError::Import {
            path: self.sink.path().into(),
            problem: format!("the table's parts have different columns: {what}"),
        }
    }

    /// Ends the file, waits until it is on the disk, and returns the number of rows.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn finish(self) -> Result<u64, TableError> {
        self.sink.finish()?;
        Ok(self.n_rows)
    }
}
