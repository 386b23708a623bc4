//! `gold-collect`: golden answers to queries, from a chat endpoint, files, or
//! the HH data (Appendix A of the paper).
//!
//! The stage first asks for every answer that no file has, several at once, and
//! keeps each outcome in the journal. Then it writes the table from files, journal
//! and HH data, in the order of the queries. A replay of the journal thus takes the
//! same path. The rules are in `apo-golden`.

mod answers;
mod args;
mod ask;
mod better;
mod inputs;
mod queries;
mod summary;
mod tally;
mod write;

use std::collections::HashSet;
use std::process::ExitCode;

use anyhow::Result;
use apo_endpoint::Endpoint;
use apo_endpoint_stage::{check_again, check_journal, open};
use apo_golden::Collector;
use apo_provenance::Provenance;
use apo_stage::hub::{self, Usual};
use apo_stage::{Claim, Output, OutputKind, bad_input, print_result, print_up_to_date};
use clap::Parser as _;

use crate::answers::Answers;
use crate::args::Args;
use crate::better::{Better, Lacking};
use crate::inputs::Tables;
use crate::queries::Keys;
use crate::summary::Summary;
use crate::write::Sources;

fn main() -> ExitCode {
    let mut args = Args::parse();
    apo_stage::run("gold-collect", || run(&mut args))
}

/// Runs the stage from its tables, files and endpoint to the golden table.
///
/// # Errors
///
/// When an input is malformed, when the hub does not give it, when the endpoint takes no
/// requests, when a signal arrives, or when the table cannot be written.
fn run(args: &mut Args) -> Result<()> {
    let tables = Tables::open(args)?;
    hub::files(&mut args.answers, Usual::default(), &args.report)?;
    let args = &*args;
    let collector = inputs::collector(args)?;
    let provenance = inputs::provenance(args, &tables, collector.as_ref())?;
    if args.journal() == args.output.out {
        return Err(bad_input(
            "--journal and --out are the same file; choose another place for the journal",
        ));
    }
    check_again(&args.endpoint, &args.output.out)?;
    check_journal(&args.endpoint.asking, args.inputs())?;
    answers::refuse_samples(&args.answers)?;
    let keys = Keys::read(&args.queries)?;
    let answers = Answers::read(&args.answers, &keys, args.fallback())?;

    let journal = args.journal();
    Output::check_outside(&args.output, "--journal", &journal)?;
    let inputs = args.inputs().into_iter().chain([journal.as_path()]);
    let claim = Output::claim(&args.output, &provenance, OutputKind::Table, inputs)?;
    let Claim::Work(output) = claim else {
        return print_up_to_date(&args.report, &args.output.out);
    };
    let (url, from) = (args.base_url.as_deref(), args.from_journal.as_deref());
    let endpoint = open(&args.endpoint, url, from, &args.output.out)?;
    let model = collector.as_ref().zip(endpoint.as_ref());
    let summary = make(args, model, &keys, &answers, &output, &provenance)?;
    output.publish(write::TABLE)?;
    summary.warn();
    print_result(&args.report, &summary, || summary.text())
}

/// Asks for answers, and writes the table into the working folder.
fn make(
    args: &Args,
    model: Option<(&Collector, &Endpoint)>,
    keys: &Keys,
    answers: &Answers,
    output: &Output,
    provenance: &Provenance,
) -> Result<Summary> {
    let lacking = match model {
        Some((collector, endpoint)) => {
            if let Some(pairs) = &args.pairs {
                better::check(pairs)?;
            }
            Lacking::Some(ask::all(args, collector, endpoint, keys, answers)?)
        }
        None if args.hh_best => Lacking::All,
        None => Lacking::Some(HashSet::new()),
    };
    let better = args
        .pairs
        .as_deref()
        .map(|path| Better::read(path, &lacking))
        .transpose()?;
    let sources = Sources {
        answers,
        model,
        better: better.as_ref(),
    };
    let tally = write::table(&args.queries, &sources, output.dir(), provenance)?;
    let counts = model.map(|(_, endpoint)| endpoint.counts());
    Ok(Summary::new(tally, answers, counts, args.endpoint.prices()))
}
