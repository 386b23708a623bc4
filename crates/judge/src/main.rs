//! `judge`: rewards of responses, and how far a reward model can be trusted.

mod accuracy;
mod args;
mod claims;
mod compare;
mod data;
mod figure;
mod kl;
mod log_probs;
mod score;
mod scorer;
mod table;
mod tally;
mod values;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = apo_stage::read(Args::check);
    apo_stage::run("judge", || match &args.command {
        Command::Score(args) => score::run(args),
        Command::Accuracy(args) => accuracy::run(args),
        Command::LogProbs(args) => log_probs::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Tally(args) => tally::run(args),
        Command::Kl(args) => kl::run(args),
        Command::Data(args) => data::run(args),
        Command::Figure(args) => figure::run(args),
        Command::Table(args) => table::run(args),
        Command::Claims(args) => claims::run(args),
    })
}
