//! `judge`: rewards of responses, and how far a reward model can be trusted.

mod accuracy;
mod args;
mod claims;
mod compare;
mod data;
mod describe;
mod figure;
mod human;
mod kl;
mod log_probs;
mod measures;
mod pairing;
mod report;
mod run_file;
mod score;
mod scorer;
mod table;
mod tally;
mod values;
mod verdicts;

use std::process::ExitCode;

use apo_model_stage::memory::MiMalloc;

use crate::args::{Args, Command, HumanCommand};

// A training or a decoding step takes and frees the same large buffers again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = apo_stage::read(Args::check);
    apo_model_stage::run("judge", || match &args.command {
        Command::Score(args) => score::run(args),
        Command::Accuracy(args) => accuracy::run(args),
        Command::LogProbs(args) => log_probs::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Human { command } => match command {
            HumanCommand::Sheet(args) => human::sheet(args),
            HumanCommand::Tally(args) => human::tally(args),
        },
        Command::Tally(args) => tally::run(args),
        Command::Kl(args) => kl::run(args),
        Command::Data(args) => data::run(args),
        Command::Figure(args) => figure::run(args),
        Command::Table(args) => table::run(args),
        Command::Claims(args) => claims::run(args),
        Command::Describe(args) => describe::run(args),
        Command::Report(args) => report::run(args),
    })
}
