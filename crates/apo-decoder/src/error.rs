//! What can be wrong with a model, a device, or tokens given to a model.

use std::io;
use std::path::{Path, PathBuf};

use apo_files::model_file::FileError;

/// Why a model cannot be used as requested.
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

    /// A file that should hold JSON or text does not.
    #[error(transparent)]
    File(#[from] FileError),

    /// A model directory lacks a file.
    #[error("{} is not a model directory: it has no {missing}{hint}", dir.display())]
    MissingFile {
        /// The directory.
        dir: PathBuf,
        /// The missing file.
        missing: String,
        /// What the directory has instead and what to do, as the end of the
        /// sentence; or empty.
        hint: String,
    },

    /// The path is not a model directory, or holds a model of another kind.
    #[error("{}: {problem}", dir.display())]
    Kind {
        /// The path.
        dir: PathBuf,
        /// What it is, and what to do.
        problem: String,
    },

    /// A model that we wrote has changed.
    #[error(
        "the model in {} has changed since it was written: {}. A disk or a copy has damaged it; if \
         you changed it on purpose, remove what you changed from `files` in its apo.json, and \
         remove `crc32`",
        dir.display(),
        faults.join(", ")
    )]
    Changed {
        /// The directory.
        dir: PathBuf,
        /// A sentence for each file.
        faults: Vec<String>,
    },

    /// The sizes in a config need more memory than there is.
    #[error(
        "{}: this config describes a model of {parameters} parameters, which needs at least {} of \
         memory{purpose}; {} are free",
        path.display(), size(*needed), size(*available)
    )]
    TooLarge {
        /// The config.
        path: PathBuf,
        /// The number of parameters.
        parameters: u64,
        /// The purpose, as the end of the sentence; or empty.
        purpose: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },

    /// `config.json` is malformed or needs something unsupported; all faults.
    #[error("{}: {}", path.display(), listed(faults))]
    Config {
        /// The file.
        path: PathBuf,
        /// Every fault found.
        faults: Vec<String>,
    },

    /// The weights do not match the config; all mismatches.
    #[error("the weights in {} do not fit its config.json: {}", dir.display(), listed(faults))]
    Weights {
        /// The directory.
        dir: PathBuf,
        /// Every mismatch found.
        faults: Vec<String>,
    },

    /// A weights file is incomplete, or not a safetensors file.
    #[error("{} is not a whole safetensors file: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },

    /// A value that was computed is not a finite number.
    #[error("{what} is {found}; expected a finite number")]
    NotFinite {
        /// Which value.
        what: String,
        /// The value.
        found: f32,
    },

    /// A stored number is not finite.
    #[error("{what} is {found}; expected a finite number")]
    NotFiniteStored {
        /// Which number.
        what: String,
        /// The number.
        found: f32,
    },

    /// A stored number is finite, but not as a 32-bit float.
    #[error(
        "{what} is {stored:e}; expected at most {:e}, the largest 32-bit float",
        f32::MAX
    )]
    TooLargeNumber {
        /// Which value.
        what: String,
        /// The value.
        stored: f64,
    },

    /// A token id beyond the model's embedding.
    #[error(
        "token id {id} is beyond the model's vocabulary of {vocab_size}; \
         do tokenizer and model belong together?"
    )]
    TokenBeyondVocabulary {
        /// The id.
        id: u32,
        /// The size of the model's vocabulary.
        vocab_size: usize,
    },

    /// No device has this name.
    #[error("no device is called `{0}`; expected auto, cpu, cuda, cuda:N, wgpu or wgpu:N")]
    UnknownDevice(String),

    /// The machine has no GPU of this name.
    #[error("`{0}`: there is no such GPU here")]
    NoSuchGpu(String),

    /// A GPU, its driver or a file that it needs does not serve: which, and what to install.
    #[error("{0}")]
    GpuUnusable(String),

    /// The file of what tuning has decided cannot be used.
    #[error("{} is no record of which kernels are fastest ({reason}); delete it", path.display())]
    Tuning {
        /// The file.
        path: PathBuf,
        /// Why, in its database's words.
        reason: String,
    },

    /// The program was built without a kind of device.
    #[error("this program was built without {0}")]
    NotCompiledIn(&'static str),

    /// The device does not multiply bf16.
    #[error("this device does not multiply bf16")]
    NoBf16,
}

/// Returns what makes an error of reading or writing a file.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ModelError {
    let path = path.to_owned();
    move |source| ModelError::Io {
        action,
        path,
        source,
    }
}

/// Joins the first twenty faults.
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

/// Formats bytes with a unit.
fn size(bytes: u64) -> String {
    let gib = bytes as f64 / (1_u64 << 30) as f64;
    match gib {
        ..0.1 => format!("{:.1} MiB", gib * 1024.0),
        ..10_000.0 => format!("{gib:.1} GiB"),
        _ => format!("{:.0} TiB", gib / 1024.0),
    }
}

impl ModelError {
    /// Whether the input is at fault, rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::File(error) => error.is_bad_input(),
            Self::Io { .. }
            | Self::UnknownDevice(_)
            | Self::NoSuchGpu(_)
            | Self::GpuUnusable(_)
            | Self::NotCompiledIn(_)
            | Self::NoBf16 => false,
            _ => true,
        }
    }
}
