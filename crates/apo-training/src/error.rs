//! What can stop a training.

use std::io;
use std::path::{Path, PathBuf};

use apo_decoder::ModelError;
use apo_spool::SpoolError;

/// Why a training stopped before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// A working file could not be read or written, or is damaged.
    #[error(transparent)]
    Spool(#[from] SpoolError),

    /// A loss or gradient was not finite.
    #[error(
        "step {step}: {problem}; its queries are {}. {}",
        queries.join(", "),
        match checkpoint {
            Some(name) => format!("The last whole checkpoint is {name}"),
            None => "There is no checkpoint yet".into(),
        }
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// What was not finite.
        problem: String,
        /// Ids of the step's first queries.
        queries: Vec<String>,
        /// Name of the last checkpoint.
        checkpoint: Option<String>,
    },

    /// The responses to a query do not fit together.
    #[error("query {query} has {found}, expected {expected}")]
    Responses {
        /// The query's id.
        query: String,
        /// What its responses are.
        found: String,
        /// What they should be.
        expected: &'static str,
    },

    /// There is nothing to learn from.
    #[error("there is nothing to train on: {0}")]
    NoExamples(String),

    /// The observer asked to stop; a checkpoint was written.
    #[error("stopped; run the same command again to continue from the last checkpoint")]
    Interrupted,
}

impl TrainingError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Responses { .. } | Self::NoExamples(_) => true,
            Self::Model(error) => error.is_bad_input(),
            _ => false,
        }
    }

    /// Whether a computed number is not finite.
    pub fn is_not_finite(&self) -> bool {
        matches!(
            self,
            Self::NotFinite { .. } | Self::Model(ModelError::NotFinite { .. })
        )
    }

    pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io("read", path)
    }

    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io("write", path)
    }

    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}
