//! Dialogues as a model reads them: chat templates, token ids, and where prompt
//! and response meet.

mod continuing;
mod ends;
pub mod error;
mod files;
pub mod fit;
mod generation;
mod loader;
mod named;
mod quoted;
mod sources;
pub mod template;
pub mod tokenizer;
mod window;

pub use error::DialogueError;
pub use fit::{Fitted, Truncation, TruncationCounts, fit};
pub use generation::generation_note;
pub use template::{Message, Template};
pub use tokenizer::{DialogueTokenizer, chat_template_file};
