//! Reads other people's files: JSON lines and JSON lists, plain or gzipped, and
//! Parquet. Their preferences, answers and conversations become dialogues in HH's
//! form.
//!
//! A [`Source`] returns records as JSON text with their line, in bounded batches.
//! [`Preferences::read`], [`Answer::read`] and [`parse`] parse one record, so that
//! callers may parse records on many threads. [`documentation()`] describes the forms
//! of records. [`dialogue`] turns what was parsed into dialogues, and [`pairs`] a
//! record of preferences into pairs of responses to one query.

mod answers;
mod columns;
mod comparison;
pub mod dialogue;
mod documentation;
mod extra;
mod fault;
mod fields;
mod forms;
mod lines;
mod messages;
mod pair;
mod preference;
mod preferences;
mod prompts;
mod published;
mod query;
mod record;
mod rendered;
mod samples;
mod scores;
mod source;
mod text;
mod wrapped;

pub use answers::{Answer, AnsweredQuery};
pub use columns::{Columns, Renamed};
pub use comparison::{Asked, Scored, ScoredAnswers};
pub use documentation::documentation;
pub use extra::{Extra, Unused};
pub use fault::{Fault, reason};
pub use forms::{ANSWER_FIELDS, PREFERENCE_FIELDS, PREFERENCE_FORMS, QUERY_FIELDS, QUERY_FORMS};
pub use messages::{Conversation, Message, Text};
pub use pair::{ReadPair, pairs};
pub use preference::Preference;
pub use preferences::Preferences;
pub use prompts::{ReadQuery, query};
pub use record::{Record, parse};
pub use rendered::Rendered;
pub use samples::evidence_of_samples;
pub use source::{Source, is_parquet};
