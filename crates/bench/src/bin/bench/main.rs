//! `bench`: speed and memory of model compute, compared with PyTorch's.

mod args;
mod programs;
mod report;

use std::io::Write as _;

use anyhow::{Context as _, Result};
use apo_model_stage::memory::MiMalloc;
use apo_stage::threads;
use bench::rows::{self, Texts};
use bench::work::{self, Settings, Task};
use clap::{Parser as _, ValueEnum as _};

use args::Args;
use programs::Ours;

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
        let texts = Texts::of(&args.model, args.pairs.as_deref())?;
        let settings = Settings {
            model: &args.model,
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
    // Every program reads the same lines.
    let folder = tempfile::tempdir().context("cannot make a folder for the pairs")?;
    let pairs = folder.path().join("pairs.jsonl");
    rows::write(args.pairs.as_deref(), &pairs)?;
    let ours = Ours::new(&args, &pairs)?;
    threads::start(Some(args.threads))?;
    report::compare(&args, &tasks, &ours, &pairs)
}
