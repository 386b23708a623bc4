//! What can be wrong with a model, a device, or tokens given to a model.

use std::io;
use std::path::PathBuf;

/// Why a model cannot be used as it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A model directory lacks a file.
    #[error("{} is not a model directory: it has no {missing}", dir.display())]
    MissingFile {
        /// The directory.
        dir: PathBuf,
        /// What it lacks.
        missing: String,
    },

    /// `config.json` is malformed, or asks for what is not done here; all of it.
    #[error("{}: {}", path.display(), faults.join("; "))]
    Config {
        /// The file.
        path: PathBuf,
        /// Every fault found.
        faults: Vec<String>,
    },

    /// The weights do not fit the config; all mismatches.
    #[error("the weights in {} do not fit its config.json: {}", dir.display(), listed(faults))]
    Weights {
        /// The directory.
        dir: PathBuf,
        /// Every mismatch found.
        faults: Vec<String>,
    },

    /// A weights file is not whole, or no safetensors file.
    #[error("{} is not a whole safetensors file: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },

    /// A value is not a finite number.
    #[error("{what} is {found}; expected a finite number")]
    NotFinite {
        /// Which value.
        what: String,
        /// What it is.
        found: f32,
    },

    /// A token id that the model has no embedding of.
    #[error(
        "token id {id} is beyond the model's vocabulary of {vocab_size}; \
         do tokenizer and model belong together?"
    )]
    TokenBeyondVocabulary {
        /// The id.
        id: u32,
        /// The model's number of ids.
        vocab_size: usize,
    },

    /// A device is unknown, absent, or cannot do what was asked.
    #[error("{0}")]
    Device(String),
}

/// Joins faults, the first twenty of them.
fn listed(faults: &[String]) -> String {
    const MOST: usize = 20;
    let mut text = faults
        .iter()
        .take(MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if faults.len() > MOST {
        text.push_str(&format!("; and {} more", faults.len() - MOST));
    }
    text
}

impl ModelError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Device(_))
    }
}
