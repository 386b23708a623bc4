//! Checks that a table is as it was written, without decoding its rows.

use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::FileReader as _;

use crate::columns::{library, reader};
use crate::error::TableError;

/// Checks a Parquet file against its checksums: those of its pages, if it has them,
/// and in a file of ours the one of everything else.
///
/// # Errors
///
/// When it cannot be read, or is not as it was written.
pub fn verify(path: &Path) -> Result<(), TableError> {
    let file = reader(path)?;
    library(path, || {
        for group in 0..file.num_row_groups() {
            let group = file.get_row_group(group)?;
            for column in 0..group.num_columns() {
                let mut pages = group.get_column_page_reader(column)?;
                while pages.get_next_page()?.is_some() {}
            }
        }
        Ok::<(), ParquetError>(())
    })
}
