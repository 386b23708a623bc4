//! `hh-split`: raw dialogue pairs to the tables of a run.
//!
//! Reads everything once, cleans it and writes the training and test pairs;
//! then draws the splits from the keys and deals the training pairs out.

mod args;
mod raw;
mod rejects;
mod sources;
mod split;
mod write;

use std::process::ExitCode;

use anyhow::Result;
use apo_stage::report::{format_table, result};
use apo_stage::{Claim, Kind, threads, up_to_date};
use clap::Parser as _;

use crate::args::Args;
use crate::sources::Sources;

fn main() -> ExitCode {
    let args = Args::parse();
    apo_stage::run("hh-split", || run(&args))
}

/// Runs the stage from raw files to a folder of tables.
///
/// # Errors
///
/// When files are missing or unreadable, when the sizes asked for are more
/// than there is, or when the folder cannot be written.
fn run(args: &Args) -> Result<()> {
    let sources = Sources::find(args)?;
    rejects::keep_apart(&args.output.out, sources.paths())?;
    let provenance = sources::provenance(args, &sources)?;
    let claim = args
        .output
        .claim(&provenance, Kind::Folder, args.inputs())?;
    let Claim::Work(output) = claim else {
        return up_to_date(&args.report, &args.output.out);
    };
    threads::start(None)?;
    let counts = write::tables(args, &sources, &provenance, output.dir())?;
    output.publish(write::FOLDER)?;
    rejects::clear_beside(&args.output.out);
    result(&args.report, &counts, || format_table(&counts.rows()))
}
