//! `judge describe`: writes down what a run's folder holds.

use anyhow::Result;
use apo_stage::report::result;

use crate::args::DescribeArgs;
use crate::run_file::{RunFile, lock};

/// Writes the run's file, which names all things that are there.
///
/// # Errors
///
/// When the folder is not there, or the file cannot be written.
pub fn run(args: &DescribeArgs) -> Result<()> {
    let _lock = lock(&args.run)?;
    let run = RunFile::describe(
        &args.run,
        args.settings.as_deref(),
        &args.arms,
        &args.tables,
        &args.things,
    )?;
    let path = run.write()?;
    result(&args.report, &run, || path.display().to_string())
}
