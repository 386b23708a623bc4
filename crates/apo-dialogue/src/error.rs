//! What can be wrong with a tokenizer or a template.

use std::io;
use std::path::PathBuf;

/// Why a model directory's tokenizer cannot be used as it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialogueError {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The directory lacks a file.
    #[error("{} is not a model directory: it has no {missing}", dir.display())]
    MissingFile {
        /// The directory.
        dir: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },

    /// A file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },

    /// Without an end of text no response would ever end.
    #[error(
        "the tokenizer in {} names no end of text: tokenizer_config.json needs an `eos_token` \
         that tokenizer.json knows",
        dir.display()
    )]
    NoEos {
        /// The directory.
        dir: PathBuf,
    },

    /// The template `chat` was asked of a model that has none.
    #[error(
        "the model in {} has no chat template (chat_template.jinja, or `chat_template` in \
         tokenizer_config.json); use `--template hh`",
        dir.display()
    )]
    NoChatTemplate {
        /// The directory.
        dir: PathBuf,
    },

    /// A template refused a dialogue, or is broken.
    #[error("the chat template fails: {0}")]
    Render(String),

    /// Prompt and response cannot be joined so that they decode to their text.
    #[error(
        "the tokenizer in {} joins prompt and response as {joined:?} instead of {expected:?}; \
         only byte-level BPE and Metaspace tokenizers are supported",
        dir.display()
    )]
    Boundary {
        /// The directory.
        dir: PathBuf,
        /// What it makes of them.
        joined: String,
        /// What it should.
        expected: String,
    },

    /// The tokenizer failed on a text.
    #[error("the tokenizer fails: {0}")]
    Tokenizer(String),
}

impl DialogueError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }
}
