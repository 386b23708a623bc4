//! Tells what a file is by its first bytes, and reads the text and JSON files of
//! model directories within bounds.
//!
//! [`Format`] knows the formats; each reader says in its own words what to do
//! about one that it does not read.

mod format;
mod mistaken;
pub mod model_file;
mod no_number;

pub use format::{Format, HEAD_BYTES, foreign};
pub use mistaken::{link, not_utf8};
