//! `bench`: speed and memory of model compute, beside PyTorch's.

mod args;
mod programs;
mod report;

use std::io::Write as _;

use anyhow::Result;
use apo_model_stage::memory::MiMalloc;
use apo_stage::threads;
use bench::rows::Texts;
use bench::work::{self, Settings, Task};
use clap::{Parser as _, ValueEnum as _};

use args::Args;
use programs::{Ours, Peers};

// Every training or decoding step allocates and frees the same large buffers.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<()> {
    let args = Args::parse();
    let tasks = match args.tasks.as_slice() {
        [] => Task::value_variants().to_vec(),
        tasks => tasks.to_vec(),
    };
    if let Some(precision) = args.here {
        threads::start(Some(args.threads))?;
        let texts = match &args.peers {
            Some(peers) => Texts::read(&args.model, &peers.join("pairs.jsonl"))?,
            None => Texts::of_the_mini_world(&args.model)?,
        };
        let settings = Settings {
            model: &args.model,
            scratch: false,
            precision,
            checkpointing: args.checkpointing,
            steps: args.steps,
        };
        for task in tasks {
            let run = work::run(task, &settings, &texts)?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&run)?)?;
        }
        return Ok(());
    }
    let ours = Ours::new(&args)?;
    let peers = args.peers.as_ref().map(|folder| Peers::new(folder, &args));
    threads::start(Some(args.threads))?;
    report::compare(&args, &tasks, &ours, peers.as_ref())
}
