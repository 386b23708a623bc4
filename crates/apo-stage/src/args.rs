//! Arguments that stages share.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;
use clap::builder::{PathBufValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

use crate::working::{DISCARDED, PARTIAL};

/// Where the output goes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// What to write; it appears whole or not at all
    #[arg(long, value_name = "PATH", value_parser = PathBufValueParser::new().try_map(output_path))]
    pub out: PathBuf,

    /// Replace an output that was made with other arguments or inputs
    #[arg(long)]
    pub overwrite: bool,
}

/// Reads the command line; one whose options do not fit together ends the
/// program as wrong usage, with what `check` says of it.
pub fn read<A: Parser>(check: impl FnOnce(&A) -> Result<(), String>) -> A {
    let args = A::parse();
    if let Err(problem) = check(&args) {
        let mut command = A::command();
        command.error(ErrorKind::ArgumentConflict, problem).exit();
    }
    args
}

/// Returns how a value is named on the command line.
///
/// # Panics
///
/// When it is one that the command line hides.
pub fn value_name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.expect("a value has a name").get_name().to_owned()
}

/// Reads a finite number, 0 or more, as a weight or a rate.
///
/// # Errors
///
/// What was expected.
pub fn not_negative(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|it: &f64| it.is_finite() && *it >= 0.0);
    number.ok_or("expected a finite number, 0 or more")
}

/// Reads a path that names a file or folder to be made, a slash at its end left
/// out.
fn output_path(path: PathBuf) -> Result<PathBuf, &'static str> {
    let path: PathBuf = path.components().collect();
    let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else {
        return Err("expected the name of a file or folder to be made");
    };
    let is_taken = |ending: &str| name.ends_with(ending.as_bytes());
    if is_taken(PARTIAL) || is_taken(DISCARDED) {
        return Err("expected another name: what ends so is the folder in which an output is made");
    }
    Ok(path)
}

/// How a stage reports.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// No progress and no notes; warnings and the result stay
    #[arg(long, short)]
    pub quiet: bool,

    /// The result as one JSON object
    #[arg(long)]
    pub json: bool,
}
