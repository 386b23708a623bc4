//! Writes a table's Parquet file, whose pages and footer have checksums.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_provenance::Provenance;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
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
use crate::footer::{self, FOOTER_KEY};
use crate::pages;

/// The most rows of a row group, which the encoder holds in memory.
const ROW_GROUP: usize = 16_384;

/// The most bytes of a row group.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A Parquet file that is being written.
///
/// Each row group is encoded in memory, its pages get their checksums, and it is
/// appended to the file.
pub(crate) struct Sink {
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
    /// Creates the file, and replaces an earlier one.
    pub(crate) fn create(
        path: &Path,
        schema: SchemaRef,
        provenance: &Provenance,
    ) -> Result<Self, TableError> {
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

    /// Adds rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
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

    /// Returns the file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the row group to the file, with checksums in its pages.
    fn append(&mut self) -> Result<(), TableError> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        append(group, &mut self.file, &mut self.headers).map_err(|error| failed(&self.path, error))
    }

    /// Ends the file, and waits until it is on the disk.
    pub(crate) fn finish(mut self) -> Result<(), TableError> {
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
