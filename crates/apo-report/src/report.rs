//! `judge report`: a run as one page.

mod files;
mod lineage;
mod measurements;
mod page;
mod plots;
mod policies;
mod run;
mod times;
mod trainings;

use std::path::Path;

use anyhow::Result;
use apo_provenance::Provenance;
use apo_stage::{pages, print_result};

use crate::args::RunReportArgs;
use run::Run;

/// A model's digest and what made it.
#[derive(Clone, Debug)]
pub struct ModelOrigin {
    /// Digest of the files that make the model.
    pub digest: String,
    /// `None` if another program made it.
    pub provenance: Option<Provenance>,
}

/// Reads a model directory. The caller passes it in, so that this crate does not depend
/// on one that computes with models.
pub type ReadModel = fn(&Path) -> Result<ModelOrigin>;

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
