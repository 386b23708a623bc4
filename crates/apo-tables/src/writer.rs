//! Writes tables batch by batch.

use std::fs::File;
use std::io::Write;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_provenance::Provenance;
use arrow_array::builder::{Float32Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, Float32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;

use crate::error::TableError;
use crate::footer::FOOTER_KEY;
use crate::reader::Batch;
use crate::schema::{ColumnType, Row, Value};
use crate::tables::Response;
use crate::{footer, pages};

/// The most rows that the encoder gets at once.
const BATCH: usize = 1024;

/// The most bytes of texts that the encoder gets at once.
const BATCH_BYTES: usize = 8 << 20;

/// The most rows of a row group, which the encoder holds in memory.
const ROW_GROUP: usize = 16_384;

/// The most bytes of a row group.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A Parquet file that is being written.
///
/// Each row group is encoded in memory, its pages get their checksums, and it is
/// appended to the file.
struct Sink {
    path: PathBuf,
    schema: SchemaRef,
    properties: WriterProperties,
    /// The row group that is being encoded.
    group: Option<ArrowWriter<Vec<u8>>>,
    file: SerializedFileWriter<File>,
    /// The checksum of the page headers that are in the file.
    headers: crc32fast::Hasher,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Sink {
    fn create(path: &Path, schema: SchemaRef, provenance: &Provenance) -> Result<Self, TableError> {
        // It is read again at the end, for its checksum.
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(|error| TableError::writing(path, error))?;
        let json = serde_json::to_string(provenance).expect("a provenance is plain data");
        let level = ZstdLevel::try_new(3).expect("3 is a level of zstd");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("apo ", env!("CARGO_PKG_VERSION")).into())
            .set_max_row_group_row_count(None)
            // Row groups are small: an index of their pages would not help.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        let footer = vec![KeyValue::new(FOOTER_KEY.into(), json)];
        let whole = properties.clone().into_builder();
        let whole = whole.set_key_value_metadata(Some(footer)).build();
        let (file, _) = encoder(file, &schema, whole)
            .and_then(ArrowWriter::into_serialized_writer)
            .map_err(|error| failed(path, error))?;
        Ok(Self {
            path: path.into(),
            schema,
            properties,
            group: None,
            file,
            headers: crc32fast::Hasher::new(),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        let group = match &mut self.group {
            Some(group) => group,
            None => self.group.insert(
                encoder(Vec::new(), &self.schema, self.properties.clone())
                    .map_err(|error| failed(&self.path, error))?,
            ),
        };
        group
            .write(batch)
            .map_err(|error| failed(&self.path, error))?;
        if group.in_progress_rows() >= ROW_GROUP || group.memory_size() >= ROW_GROUP_BYTES {
            self.append()?;
        }
        Ok(())
    }

    /// Appends the row group to the file, with checksums in its pages.
    fn append(&mut self) -> Result<(), TableError> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        append(group, &mut self.file, &mut self.headers).map_err(|error| failed(&self.path, error))
    }

    fn finish(mut self) -> Result<(), TableError> {
        self.append()?;
        let checksum = footer::entry(self.headers.finalize());
        self.file.append_key_value_metadata(checksum);
        // `into_inner` would turn an error of the disk into a text.
        let finished = self.file.finish();
        finished.map_err(|error| failed(&self.path, error))?;
        let file = self.file.inner_mut();
        footer::seal(file)
            .and_then(|()| file.sync_all())
            .map_err(|error| TableError::writing(&self.path, error))
    }
}

fn encoder<W: Write + Send>(
    to: W,
    schema: &SchemaRef,
    properties: WriterProperties,
) -> Result<ArrowWriter<W>, ParquetError> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_schema_root(footer::SCHEMA.into());
    ArrowWriter::try_new_with_options(to, Arc::clone(schema), options)
}

fn append(
    mut group: ArrowWriter<Vec<u8>>,
    file: &mut SerializedFileWriter<File>,
    headers: &mut crc32fast::Hasher,
) -> Result<(), ParquetError> {
    let metadata = group.finish()?;
    let encoded = std::mem::take(group.inner_mut());
    for row_group in metadata.row_groups() {
        let mut appended = file.next_row_group()?;
        for column in row_group.columns() {
            let chunk = with_checksums(&encoded, column)?;
            headers.update(&chunk.headers);
            let close = ColumnCloseResult {
                bytes_written: chunk.bytes.len() as u64,
                rows_written: row_group.num_rows() as u64,
                metadata: chunk.metadata,
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            appended.append_column(&Bytes::from(chunk.bytes), close)?;
        }
        appended.close()?;
    }
    Ok(())
}

/// A single column chunk.
struct Chunk {
    bytes: Vec<u8>,
    headers: Vec<u8>,
    metadata: ColumnChunkMetaData,
}

fn with_checksums(encoded: &[u8], column: &ColumnChunkMetaData) -> Result<Chunk, ParquetError> {
    let data_at = column.data_page_offset();
    let begins = column.dictionary_page_offset().unwrap_or(data_at);
    let chunk = usize::try_from(begins)
        .ok()
        .zip(usize::try_from(column.compressed_size()).ok())
        .and_then(|(begins, len)| encoded.get(begins..begins.checked_add(len)?))
        .and_then(|chunk| pages::with_checksums(chunk, (data_at - begins) as usize))
        .ok_or_else(|| ParquetError::General("a page's header is not as expected".into()))?;
    let added = chunk.bytes.len() as i64 - column.compressed_size();
    let metadata = column
        .clone()
        .into_builder()
        .set_total_compressed_size(column.compressed_size() + added)
        .set_total_uncompressed_size(column.uncompressed_size() + added)
        .set_dictionary_page_offset(column.dictionary_page_offset().map(|_| 0))
        .set_data_page_offset(chunk.data_at as i64)
        .build()?;
    Ok(Chunk {
        bytes: chunk.bytes,
        headers: chunk.headers,
        metadata,
    })
}

fn failed(path: &Path, error: ParquetError) -> TableError {
    let source = match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => *io,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    };
    TableError::writing(path, source)
}

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
            path: self.sink.path.clone(),
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
