//! What can be wrong with a tokenizer or a template.

use std::io;
use std::path::PathBuf;

use apo_files::model_file::FileError;

/// Why a model directory's tokenizer cannot be used as requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialogueError {
    /// A file of the model directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),

    /// A folder could not be read.
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
        "the tokenizer in {} has no end-of-text token: tokenizer_config.json needs an `eos_token`, or \
         generation_config.json an `eos_token_id`",
        dir.display()
    )]
    NoEos {
        /// The directory.
        dir: PathBuf,
    },

    /// The template `chat` was requested, but the model has no chat template.
    #[error(
        "the model in {} has no chat template (chat_template.jinja, or `chat_template` in \
         tokenizer_config.json); use `--template hh`",
        dir.display()
    )]
    NoChatTemplate {
        /// The directory.
        dir: PathBuf,
    },

    /// Messages were to be rendered without a chat template.
    #[error("messages are rendered by the template `chat`, not `hh`")]
    NotChat,

    /// A chat template is broken.
    #[error(
        "the chat template of {} fails{}: {problem}; repair it, or use `--template hh`",
        path.display(),
        line.map_or(String::new(), |line| format!(" at line {line}"))
    )]
    Render {
        /// The file that holds it.
        path: PathBuf,
        /// The line of the template, from 1.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },

    /// A chat template refuses a dialogue, by `raise_exception`.
    #[error(
        "the chat template of {} refuses the dialogue: {message}; leave it out, or use \
         `--template hh`",
        path.display()
    )]
    Refused {
        /// The file that holds it.
        path: PathBuf,
        /// What it says.
        message: String,
    },

    /// A chat template leaves out the results of tools, or writes them as words of the human
    /// or the assistant.
    #[error(
        "the chat template of {} does not render a tool's result as such; leave the dialogue \
         out, as `hh-split --tools-for` does, or use `--template hh`",
        path.display()
    )]
    LeavesToolsOut {
        /// The file that holds it.
        path: PathBuf,
    },

    /// Prompt and response cannot be joined so that they decode to their text.
    #[error(
        "the tokenizer in {} joins prompt and response as {joined:?} instead of {expected:?}: \
         {cause}; a tokenizer must give back the text that it was given",
        dir.display()
    )]
    Boundary {
        /// The directory.
        dir: PathBuf,
        /// Why.
        cause: String,
        /// What it makes of them.
        joined: String,
        /// What it should make.
        expected: String,
    },

    /// The tokenizer failed on a text.
    #[error("the tokenizer in {} fails: {problem}", path.display())]
    Tokenizer {
        /// Its file.
        path: PathBuf,
        /// What it says.
        problem: String,
    },

    /// A text is too long to be read at once, and cannot be cut.
    #[error(
        "a text of {bytes} bytes is too long to be read as a whole (the limit is {most}), and nothing \
         in it shows where the tokens of {} begin: it has no blank after a letter or a digit, and \
         no word whose parts give the same tokens whatever comes before them",
        path.display()
    )]
    TooLong {
        /// The tokenizer's file.
        path: PathBuf,
        /// How long the text is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
}

impl DialogueError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::File(error) => error.is_bad_input(),
            Self::Io { .. } => false,
            _ => true,
        }
    }
}
