//! The command line of `bench`.

use std::path::PathBuf;

use apo_decoder::Precision;
use bench::work::Task;
use clap::Parser;

/// Measure scoring, training steps and sampling, ours and PyTorch's in turn
///
/// Without --pytorch and --sampler, only ours is measured.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Model directory with its tokenizer
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Pairs to work on, the first 32: a `pairs` table, or JSON lines with `prompt`, `chosen`
    /// and `rejected` [default: pairs of the mini world]
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
    /// PyTorch's side: a Python that has PyTorch and transformers, and the script
    #[arg(long, num_args = 2, value_names = ["FILE", "SCRIPT"])]
    pub pytorch: Vec<PathBuf>,
    /// Another program that samples: a Python, a script and its types of weights, such as
    /// `f32,bf16` (repeatable)
    #[arg(long = "sampler", num_args = 3, value_names = ["FILE", "SCRIPT", "TYPES"],
        action = clap::ArgAction::Append)]
    pub samplers: Vec<String>,
    /// Threads of each side
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub threads: usize,
    /// Training steps to time, after one to warm up
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub steps: usize,
    /// How often to run everything; the fastest run of each side counts
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub runs: usize,
    /// Only these tasks
    #[arg(long, value_name = "TASK", value_enum, num_args = 1..)]
    pub tasks: Vec<Task>,
    /// Do one task in this process and print what it took as JSON
    #[arg(long, value_name = "PRECISION", hide = true)]
    pub here: Option<Precision>,
    /// Ours: keep only the inputs of layers, and compute layers again in the backward
    /// pass
    #[arg(long = "recompute")]
    pub checkpointing: bool,
}
