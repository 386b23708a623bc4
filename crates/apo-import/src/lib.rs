//! Reads other people's files: JSON lines and JSON lists, plain or gzipped, and
//! Parquet. Their preferences, answers and conversations become dialogues in HH's
//! form.
//!
//! A [`Source`] returns records as JSON text with their line, in bounded batches.
//! [`Preferences::read`], [`Answer::read`] and [`parse`] parse one record, so that
//! callers may parse records on many threads. [`FORMS`] documents the forms of
//! records. [`dialogue`] turns what was parsed into dialogues.

mod answers;
mod beside;
pub mod dialogue;
mod documentation;
mod fields;
mod forms;
mod lines;
mod messages;
mod query;
mod records;
mod rendered;
mod samples;
mod scores;
mod source;
mod text;
mod wrapped;

pub use answers::Answer;
pub use beside::{ASKED, Beside, CONTEXT, MEDIA, ORIGIN, Unused};
pub use documentation::documentation;
pub use fields::{Fault, reason};
pub use forms::{ANSWER_FIELDS, FORMS, PREFERENCE_FIELDS, PREFERENCE_FORMS};
pub use messages::{Conversation, Message, Text};
pub use records::{Asked, Comparison, Preference, Preferences, Scored};
pub use rendered::Rendered;
pub use samples::evidence_of_samples;
pub use source::{Record, Source, is_parquet, parse};
