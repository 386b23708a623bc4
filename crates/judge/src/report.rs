//! `judge report`: a run's folder as one page, for someone who was not there.

mod page;
mod paper;
mod plots;
mod run;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use apo_stage::bad_input;
use apo_stage::output::write_whole;
use apo_stage::report::result;

use crate::args::RunReportArgs;
use run::Run;

/// Reads a run, and writes the page, or prints what it would show.
///
/// # Errors
///
/// When the folder is no run, or the page cannot be written.
pub fn run(args: &RunReportArgs) -> Result<()> {
    if let Some(out) = &args.out {
        check_replaceable(out)?;
    }
    let run = Run::read(&args.run)?;
    let mut written = String::new();
    if let Some(out) = &args.out {
        write_whole(out, page::page(&run)?.as_bytes())?;
        written = out.display().to_string();
    }
    result(&args.report, &run, || written)
}

/// Checks that nothing but an earlier page is replaced.
fn check_replaceable(out: &Path) -> Result<()> {
    let begins = match fs::read(out) {
        Ok(bytes) => bytes.starts_with(page::BEGIN.as_bytes()),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    if begins {
        return Ok(());
    }
    Err(bad_input(format!(
        "--out {} is there, and is no page of this command; choose another place",
        out.display()
    )))
}
