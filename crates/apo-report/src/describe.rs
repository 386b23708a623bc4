//! `judge describe`: writes a run's `run.json`.

use anyhow::Result;

use crate::args::DescribeArgs;
use crate::run_file::{RunFile, lock};
use apo_stage::print_result;

/// Writes the run's file, which names everything that is there.
///
/// # Errors
///
/// When the folder does not exist, a name is ambiguous, a path leaves the run, or the
/// file cannot be written.
pub fn run(args: &DescribeArgs) -> Result<()> {
    let _lock = lock(&args.run)?;
    let run = RunFile::describe(
        &args.run,
        args.settings.as_deref(),
        &args.arms,
        &args.tables,
        &args.artifacts,
    )?;
    let path = run.write()?;
    print_result(&args.report, &run, || path.display().to_string())
}
