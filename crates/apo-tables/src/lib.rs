//! The Parquet tables that the stages exchange: columns, typed readers and
//! writers.
//!
//! Each table's columns are declared once, in [`tables`]. Readers check them before
//! they read a row, and `TABLES.md` is generated from them. Reading and writing
//! stream, so that memory depends on the batch and not on the table.

mod alternatives;
mod cell;
mod columns;
mod decoded;
mod error;
pub mod file;
pub mod folder;
mod footer;
mod json_rows;
mod pages;
mod reader;
pub mod schema;
mod scored;
mod sink;
pub mod tables;
mod verify;
mod writer;

pub use error::TableError;
pub use file::input;
pub use footer::CHECKSUM_KEY;
pub use json_rows::JsonRows;
pub use reader::{Batch, Reader, provenance};
pub use schema::{Column, ColumnType, Row, Table};
pub use scored::ScoredWriter;
pub use tables::{
    Finish, Metric, POLICY, Pair, Query, Reject, Response, SheetKey, Side, VerdictRow,
};
pub use verify::verify;
pub use writer::Writer;
