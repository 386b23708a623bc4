//! `judge`: rewards of responses, and how far a reward model can be trusted.

mod accuracy;
mod args;
mod claims;
mod data;
mod kl;
mod rewards;
mod score;
mod scorer;
mod table;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = apo_stage::read(Args::check);
    apo_stage::run("judge", || match &args.command {
        Command::Score(args) => score::run(args),
        Command::Accuracy(args) => accuracy::run(args),
        Command::Kl(args) => kl::run(args),
        Command::Data(args) => data::run(args),
        Command::Table(args) => table::run(args),
        Command::Claims(args) => claims::run(args),
    })
}
