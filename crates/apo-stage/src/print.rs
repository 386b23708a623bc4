//! Prints what stages tell: results on stdout, notes and warnings on stderr.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::args::ReportArgs;
use crate::printable::{brief, escape_controls};
use crate::times;

/// Prints a note on stderr, unless `--quiet` is given.
pub fn note(report: &ReportArgs, text: &str) {
    if !report.quiet {
        let _ = writeln!(io::stderr(), "{}", escape_controls(text));
    }
}

/// Prints a warning on stderr.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {}", brief(text));
}

/// Prints a warning on stderr, but each text only once in a run.
pub fn warn_once(text: &str) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    if let Ok(mut told) = TOLD.lock()
        && !told.iter().any(|it| it == text)
    {
        told.push(text.to_owned());
        warn(text);
    }
}

/// Warns of the parts of a table that have no rows.
pub fn warn_of_empty_parts(table: &Path) {
    for part in apo_tables::folder::empty_parts(table) {
        warn_once(&format!(
            "{} is empty: no row was read from it",
            part.display()
        ));
    }
}

/// Prints a stage's result on stdout, for people or as one JSON object, and its time
/// and memory on stderr.
///
/// # Errors
///
/// When stdout cannot be written. A closed pipe is not an error.
pub fn print_result(
    report: &ReportArgs,
    value: &impl Serialize,
    for_people: impl FnOnce() -> String,
) -> Result<()> {
    let mut text = if report.json {
        serde_json::to_string(value)?
    } else {
        escape_controls(&for_people()).into_owned()
    };
    note(report, &times::time_and_memory());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let made = times::output();
            let made = made.map_or(String::new(), |out| format!("{} is made; ", out.display()));
            Err(error).context(format!("{made}the result cannot be printed on stdout"))
        }
        _ => Ok(()),
    }
}

/// Prints as the result that the output is up to date.
///
/// # Errors
///
/// As [`print_result`].
pub fn print_up_to_date(report: &ReportArgs, out: &Path) -> Result<()> {
    let value = serde_json::json!({ "up_to_date": true, "out": out.to_string_lossy() });
    print_result(report, &value, || {
        format!("{} is up to date", out.display())
    })
}
