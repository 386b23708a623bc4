//! `hh-split`: turns raw dialogue pairs into the tables of a run.
//!
//! The stage reads all rows once, cleans them, and writes the training and test
//! pairs. Then it draws the splits from the keys, and assigns the training pairs to
//! them.

mod args;
mod fetch;
mod rejects;
mod sources;
mod split;
mod tools;
mod write;

use std::process::ExitCode;

use anyhow::Result;
use apo_stage::{
    Claim, Output, OutputKind, format_table, names, print_result, print_up_to_date, threads,
};

use crate::args::Args;
use crate::sources::Sources;
use crate::tools::Tools;

fn main() -> ExitCode {
    let mut args = apo_stage::parse_args(|args: &Args| args.named_columns().check());
    apo_stage::exit::run_with("hh-split", &[tools::OF_MODELS], || run(&mut args))
}

/// Runs the stage from raw files to a folder of tables.
///
/// # Errors
///
/// When files are missing or unreadable, when the hub does not give them, when there
/// are fewer rows than the sizes ask for, or when the folder cannot be written.
fn run(args: &mut Args) -> Result<()> {
    fetch::fetch(args)?;
    let args = &*args;
    let sources = Sources::find(args)?;
    rejects::keep_apart(&args.output.out, sources.paths())?;
    let provenance = sources::provenance(args, &sources)?;
    let tools = Tools::open(args.tools_for.as_deref())?;
    let claim = Output::claim(&args.output, &provenance, OutputKind::Folder, args.inputs())?;
    let Claim::Work(output) = claim else {
        return print_up_to_date(&args.report, &args.output.out);
    };
    threads::start(None)?;
    let counts = write::tables(args, &sources, &tools, &provenance, output.dir())?;
    output.publish(names::TABLES)?;
    rejects::remove_earlier_list(&args.output.out);
    print_result(&args.report, &counts, || format_table(&counts.rows()))
}
