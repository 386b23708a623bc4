//! Arguments and value parsers that stages share.

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

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
