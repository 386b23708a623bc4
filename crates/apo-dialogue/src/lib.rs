//! Dialogues as a model reads them: chat templates, token ids, and where prompt
//! and response meet.

mod boundary;
pub mod codec;
mod ends;
pub mod error;
mod files;
pub mod fit;
mod loader;
mod named;
mod quoted;
mod sources;
pub mod template;
mod window;

pub use codec::{Codec, chat_template_file};
pub use error::DialogueError;
pub use fit::{Fitted, fit};
pub use template::{Message, Template};
