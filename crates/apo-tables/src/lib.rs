//! The Parquet tables that the stages exchange: columns, typed readers and writers, provenance.
