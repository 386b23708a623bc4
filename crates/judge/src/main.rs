//! `judge`: measures policies and reward models, has policies judged, and reports the
//! results. The work is done in `apo-scoring`, `apo-judging` and `apo-report`.

mod args;
mod fetch;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use apo_decoder::{ModelManifest, directory};
use apo_judging::args::HumanCommand;
use apo_judging::{compare, human, tally};
use apo_model_stage::memory::MiMalloc;
use apo_report::report::ModelOrigin;
use apo_report::{claims, data, describe, figure, map, report, seeds, table};
use apo_scoring::{accuracy, kl, log_probs, score};

use crate::args::{Args, Command};

// Every training or decoding step allocates and frees the same large buffers.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut args = apo_stage::parse_args(Args::check);
    apo_model_stage::run("judge", || match &mut args.command {
        Command::Score(args) => score::run(args),
        Command::Accuracy(args) => accuracy::run(args),
        Command::LogProbs(args) => log_probs::run(args),
        Command::Kl(args) => kl::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Human { command } => match command {
            HumanCommand::Sheet(args) => human::sheet(args),
            HumanCommand::Tally(args) => human::tally(args),
        },
        Command::Tally(args) => tally::run(args),
        Command::Fetch(args) => fetch::run(args),
        Command::Data(args) => data::run(args),
        Command::Table(args) => table::run(args),
        Command::Figure(args) => figure::run(args),
        Command::Seeds(args) => seeds::run(args),
        Command::Claims(args) => claims::run(args),
        Command::Map(args) => map::run(args),
        Command::Describe(args) => describe::run(args),
        Command::Report(args) => report::run(args, model_origin),
    })
}

/// Reads the origin of a model: its digest, and the command that made it.
fn model_origin(dir: &Path) -> Result<ModelOrigin> {
    Ok(ModelOrigin {
        digest: directory::input(dir)?.digest,
        provenance: ModelManifest::read(dir)?.map(|it| it.output.provenance),
    })
}
