//! Dialogues as a model reads them: chat templates, token ids, and where prompt
//! and response meet.

mod ends;
mod error;
mod files;
mod fit;
mod generation;
mod loader;
mod named_tokens;
mod prefix_space;
mod quoted;
mod sources;
mod template;
mod tokenizer;
mod window;

pub use error::DialogueError;
pub use fit::{Fitted, Truncation, TruncationCounts, fit, fit_prompt};
pub use generation::generation_note;
pub use template::{Message, Template};
pub use tokenizer::{DialogueTokenizer, chat_template_file};
