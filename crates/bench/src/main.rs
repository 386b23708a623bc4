//! `bench`: speed and memory of model compute, beside PyTorch's.

mod peak;
mod programs;
mod report;
mod rows;
mod work;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use apo_llama::Precision;
use apo_model_stage::memory::MiMalloc;
use apo_stage::threads;
use clap::{Parser, ValueEnum};

use programs::{Ours, Peers};
use work::{Settings, Task};

/// Measure scoring, training steps and sampling, ours and PyTorch's in turn
///
/// A folder of scripts is PyTorch's side; without --peers, only ours is measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Model directory, a LLaMA with its tokenizer
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder of PyTorch scripts and their `pairs.jsonl`
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Python that has PyTorch and transformers
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// Another program that samples: a Python, a script and its types of weights, such as
    /// `f32,bf16` (repeatable)
    #[arg(long = "sampler", num_args = 3, value_names = ["FILE", "SCRIPT", "TYPES"],
        action = clap::ArgAction::Append, requires = "peers")]
    samplers: Vec<String>,
    /// Threads of each side
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Training steps to time, after one to warm up
    #[arg(long, value_name = "N", default_value_t = 3)]
    steps: usize,
    /// How often to run everything; the fastest run of each side counts
    #[arg(long, value_name = "N", default_value_t = 2)]
    runs: usize,
    /// Only these tasks
    #[arg(long, value_name = "TASK", value_enum, num_args = 1..)]
    tasks: Vec<Task>,
    /// Do one task in this process and print what it took as JSON
    #[arg(long, value_name = "PRECISION", hide = true)]
    here: Option<Precision>,
    /// Ours: keep only the inputs of layers, and compute layers again in the backward
    /// pass
    #[arg(long = "recompute")]
    checkpointing: bool,
}

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
        let pairs = match &args.peers {
            Some(peers) => rows::read(&peers.join("pairs.jsonl"))?,
            None => rows::of_the_mini_world()?,
        };
        let settings = Settings {
            model: &args.model,
            precision,
            checkpointing: args.checkpointing,
            steps: args.steps,
        };
        for task in tasks {
            let run = work::run(task, &settings, &pairs)?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&run)?)?;
        }
        return Ok(());
    }
    let ours = Ours::new(&args)?;
    let peers = args.peers.as_ref().map(|folder| Peers::new(folder, &args));
    threads::start(Some(args.threads))?;
    report::compare(&args, &tasks, &ours, peers.as_ref())
}
