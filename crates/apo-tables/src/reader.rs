//! Reads tables batch by batch.

use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_provenance::{Input, Provenance, RowsDigest, Split, TEST, digest_parts, digest_path};
use arrow_array::{RecordBatch, RecordBatchReader as _};
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::columns::{self, Columns, library, next_batch};
use crate::decoded::Decoded;
use crate::error::TableError;
use crate::file;
use crate::folder;
use crate::footer::FOOTER_KEY;
use crate::schema::Row;
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
/// use apo_provenance::Provenance;
/// use apo_tables::{Query, Reader, Writer};
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

impl<R> Batch<R> {
    /// Returns the batch's columns.
    pub fn schema(&self) -> &Schema {
        self.record.schema_ref()
    }
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
        let mut n_rows = 0;
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
        }
        Ok(Self {
            path: path.into(),
            parts,
            n_rows,
            carry: false,
            next_part: 0,
            open: None,
            current: None,
            marker: PhantomData,
        })
    }

    /// Opens a table that must have rows. Parts without rows are
    /// reported [elsewhere](crate::folder::empty_parts).
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and when it has no rows.
    pub fn open_filled(path: &Path) -> Result<Self, TableError> {
        let reader = Self::open(path)?;
        if reader.n_rows > 0 {
            return Ok(reader);
        }
        Err(TableError::Import {
            path: path.into(),
            problem: format!("the `{}` table has no rows", R::TABLE.name),
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
            digest += row?.content();
        }
        Ok(digest)
    }
}

impl<R: Row> Iterator for Reader<R> {
    type Item = Result<R, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((decoded, row)) = &mut self.current
                && *row < decoded.n_rows()
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
