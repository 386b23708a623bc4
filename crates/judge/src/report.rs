//! `judge report`: a run's folder as one page, for someone who was not there.

mod lineage;
mod page;
mod paper;
mod plots;
mod policies;
mod run;
mod times;

use anyhow::Result;
use apo_stage::pages;
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
        pages::check(out, &page::MARKS, [])?;
    }
    let run = Run::read(&args.run)?;
    let mut written = String::new();
    if let Some(out) = &args.out {
        pages::write(out, &page::page(&run)?)?;
        written = out.display().to_string();
    }
    result(&args.report, &run, || written)
}
