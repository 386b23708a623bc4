//! Tells what a file is by its first bytes, and reads the text and JSON files of
//! model directories within bounds.
//!
//! [`Format`] knows the formats. [`foreign`] and [`stand_in`] say what to do about
//! those that are not read: in data, and in model directories. [`model_directory`] knows
//! which files of a model are read.

mod advice;
mod format;
pub mod model_directory;
pub mod model_file;
mod no_number;
mod wrong_format;

pub use advice::{foreign, stand_in};
pub use format::{Format, HEAD_BYTES};
pub use wrong_format::{link, not_utf8};
