//! How a stage ends: exit codes and the one error message.

use std::error;
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use anyhow::{Error, Result};
use apo_dialogue::DialogueError;
use apo_tables::TableError;

use crate::output::Conflict;
use crate::plain::brief;
use crate::report;
use crate::signals::{self, Stopped};

/// Failed while working.
pub const FAILED: u8 = 1;
/// Wrong usage; `clap` exits with it.
pub const USAGE: u8 = 2;
/// Bad input.
pub const BAD_INPUT: u8 = 3;
/// The output exists and was made otherwise.
pub const CONFLICT: u8 = 4;

/// What `--help` says of exit codes, a literal; `no output` where a command makes
/// none that could be there already.
#[macro_export]
macro_rules! exit_status {
    () => {
        "Exit status: 0 done, 1 failed while working, 2 wrong usage, 3 bad input,\n\
         4 the output exists and was made otherwise, 130 or 143 stopped by a signal."
    };
    (no output) => {
        "Exit status: 0 done, 1 failed while working, 2 wrong usage, 3 bad input,\n\
         130 or 143 stopped by a signal."
    };
}

/// Bad input that no library found, but a stage itself.
#[derive(Debug)]
pub struct BadInput(String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for BadInput {}

/// Makes the error of bad input: what, where, what to do.
pub fn bad_input(message: impl Into<String>) -> Error {
    Error::new(BadInput(message.into()))
}

fn code(error: &Error, is_bad_input: IsBadInput) -> u8 {
    for cause in error.chain() {
        if let Some(stopped) = cause.downcast_ref::<Stopped>() {
            return stopped.exit_code();
        }
        if cause.is::<Conflict>() {
            return CONFLICT;
        }
        let bad = cause.is::<BadInput>()
            || cause
                .downcast_ref::<TableError>()
                .is_some_and(TableError::is_bad_input)
            || cause
                .downcast_ref::<DialogueError>()
                .is_some_and(DialogueError::is_bad_input)
            || is_bad_input(cause);
        if bad {
            return BAD_INPUT;
        }
    }
    FAILED
}

/// Tells whether an error of a library that this crate does not know is bad input.
pub type IsBadInput = fn(&(dyn error::Error + 'static)) -> bool;

/// Runs a stage and gives its exit code; an error is told on stderr as one
/// line a cause, from outside to inside.
pub fn run(stage: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    run_with(stage, |_| false, work)
}

/// Runs a stage, as [`run`], whose libraries have errors of their own.
pub fn run_with(
    stage: &str,
    is_bad_input: IsBadInput,
    work: impl FnOnce() -> Result<()>,
) -> ExitCode {
    report::begin();
    let name = stage.to_owned();
    panic::set_hook(Box::new(move |info| {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(
            stderr,
            "{name}: a bug in this program, not in your input: {info}\n\
             Nothing half-written was left in an output's place. Please report this with the \
             command line and the text above."
        );
    }));
    signals::install();
    let work = || report::times().and_then(|_| work());
    let found = panic::catch_unwind(AssertUnwindSafe(work));
    let error = match found {
        Err(_) => return ExitCode::from(FAILED),
        Ok(Ok(())) => {
            report::end(stage);
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
    ExitCode::from(code(&error, is_bad_input))
}
