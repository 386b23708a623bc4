//! Dialogues: HH's text form, chat templates, token ids, and where prompt and
//! response meet.

pub mod codec;
pub mod error;
pub mod fit;
pub mod hh;
pub mod model_file;
pub mod template;
mod train;

pub use codec::Codec;
pub use error::DialogueError;
pub use fit::{Fitted, fit};
pub use template::Template;
pub use train::train_bpe;
