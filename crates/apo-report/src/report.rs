//! `judge report`: a run as one page.

mod files;
mod lineage;
mod measurements;
mod model_origin;
mod page;
mod plots;
mod policies;
mod run;
mod times;
mod trainings;

pub use self::model_origin::{ModelOrigin, ReadModel};

use anyhow::Result;
use apo_stage::{pages, print_result};

use self::run::Run;
use crate::args::RunReportArgs;

/// Reads a run and writes the page, or prints its content as JSON.
///
/// # Errors
///
/// When the folder is not a run, or the page cannot be written.
pub fn run(args: &RunReportArgs, read_model: ReadModel) -> Result<()> {
    if let Some(out) = &args.out {
        pages::check(out, &page::MARKS, [])?;
    }
    let run = Run::read(&args.run, read_model)?;
    let mut written = String::new();
    if let Some(out) = &args.out {
        pages::write(out, &page::page(&run)?)?;
        written = out.display().to_string();
    }
    print_result(&args.report, &run, || written)
}
