//! Arguments and value parsers that stages share.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

use crate::place::{DISCARDED, PARTIAL};

/// Where the output goes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Output path, written atomically
    #[arg(long, value_name = "PATH", value_parser = PathBufValueParser::new().try_map(output_path))]
    pub out: PathBuf,

    /// Replace an output that was made with other arguments or inputs
    #[arg(long)]
    pub overwrite: bool,
}

/// How a stage reports.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// Hide progress and notes
    #[arg(long, short)]
    pub quiet: bool,

    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Parses the path of a new file or folder, without a slash at its end.
fn output_path(path: PathBuf) -> Result<PathBuf, &'static str> {
    let path: PathBuf = path.components().collect();
    let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else {
        return Err("expected a path that ends in the name of a file or folder");
    };
    let is_taken = |ending: &str| name.ends_with(ending.as_bytes());
    if is_taken(PARTIAL) || is_taken(DISCARDED) {
        return Err(
            "names that end in .partial or .partial.discarded are reserved; choose another",
        );
    }
    Ok(path)
}

/// Reads the command line. If `check` says that the options do not fit together,
/// the program ends with that message, as wrong usage.
pub fn parse_args<A: Parser>(check: impl FnOnce(&A) -> Result<(), String>) -> A {
    let args = A::parse();
    if let Err(problem) = check(&args) {
        let mut command = A::command();
        command.error(ErrorKind::ArgumentConflict, problem).exit();
    }
    args
}

/// Returns the name of a value on the command line.
///
/// # Panics
///
/// When the command line hides the value.
pub fn value_name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.expect("a value has a name").get_name().to_owned()
}

/// Parses a finite number that is at least 0, such as a weight or a rate.
///
/// # Errors
///
/// When it is something else; the error says what was expected.
pub fn not_negative(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|it: &f64| it.is_finite() && *it >= 0.0);
    number.ok_or("expected a finite number, 0 or more")
}
