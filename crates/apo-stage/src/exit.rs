//! How a stage ends: its exit code and its one error message.

use std::error;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use anyhow::{Error, Result};
use apo_hub::HubError;
use apo_tables::TableError;

use crate::error::{BadInput, Conflict, Stopped};
use crate::panics;
use crate::print::warn;
use crate::printable::brief;
use crate::signals;
use crate::times::{start_clock, times_file, write_times};

/// The stage failed while working.
pub const FAILED: u8 = 1;
/// Bad input. 2 is wrong usage, for which `clap` exits by itself.
pub const BAD_INPUT: u8 = 3;
/// The output exists and was made with different arguments or inputs.
pub const CONFLICT: u8 = 4;
/// A number that was computed is not finite: a training diverged.
pub const NOT_FINITE: u8 = 5;

/// The exit codes as `--help` describes them, as a string literal. Commands that
/// have no `--out` use `exit_status!(no output)`.
#[macro_export]
macro_rules! exit_status {
    () => {
        "Exit status: 0 done, 1 failed while working, 2 wrong usage, 3 bad input,\n\
         4 the output exists and was made with different arguments or inputs,\n\
         5 a computed number is not finite, 130 or 143 stopped by a signal."
    };
    (no output) => {
        "Exit status: 0 done, 1 failed while working, 2 wrong usage, 3 bad input,\n\
         5 a computed number is not finite, 130 or 143 stopped by a signal."
    };
}

/// Tells errors of one kind, as a cause of the error that ends a stage, and their exit code.
pub type KnownCause = (fn(&(dyn error::Error + 'static)) -> bool, u8);

/// The errors that every stage may meet.
const KNOWN: [KnownCause; 3] = [
    (|cause| cause.is::<BadInput>(), BAD_INPUT),
    (
        |cause| downcast_is(cause, TableError::is_bad_input),
        BAD_INPUT,
    ),
    (
        |cause| downcast_is(cause, HubError::is_bad_input),
        BAD_INPUT,
    ),
];

/// Whether a cause is an error of type `E` for which `holds`.
pub fn downcast_is<E: error::Error + 'static>(
    cause: &(dyn error::Error + 'static),
    holds: fn(&E) -> bool,
) -> bool {
    cause.downcast_ref().is_some_and(holds)
}

fn exit_code(error: &Error, others: &[KnownCause]) -> u8 {
    for cause in error.chain() {
        if let Some(stopped) = cause.downcast_ref::<Stopped>() {
            return stopped.exit_code();
        }
        if cause.is::<Conflict>() {
            return CONFLICT;
        }
        let mut known = KNOWN.iter().chain(others);
        if let Some((_, code)) = known.find(|(is_known, _)| is_known(cause)) {
            return *code;
        }
    }
    FAILED
}

/// Runs a stage and returns its exit code. An error goes to stderr, one line for
/// each cause, the outermost first.
pub fn run(stage: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    run_with(stage, &[], work)
}

/// Runs a stage as [`run`] does; `others` are among the errors of libraries that this crate
/// does not know.
pub fn run_with(stage: &str, others: &[KnownCause], work: impl FnOnce() -> Result<()>) -> ExitCode {
    start_clock();
    panics::install(stage);
    signals::install();
    let work = || times_file().and_then(|_| work());
    let found = panic::catch_unwind(AssertUnwindSafe(work));
    let error = match found {
        Err(payload) => {
            panics::report_caught(stage, &*payload);
            return ExitCode::from(FAILED);
        }
        Ok(Ok(())) => {
            if let Err(error) = write_times(stage) {
                warn(&error.to_string());
            }
            return ExitCode::SUCCESS;
        }
        Ok(Err(error)) => error,
    };
    let mut text = format!("{stage}: {error}");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text += "\n  because: ";
            text += &cause;
        }
    }
    let _ = writeln!(io::stderr(), "{}", brief(&text));
    ExitCode::from(exit_code(&error, others))
}
