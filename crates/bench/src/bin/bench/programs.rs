//! The programs that run in turn: this one, and the peers' scripts.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use apo_decoder::Precision;
use bench::child::last_line;
use bench::work::{Run, Task};
use clap::ValueEnum as _;
use serde::Deserialize;

use crate::args::Args;

/// This program, a process for each task.
pub struct Ours<'a> {
    program: PathBuf,
    args: &'a Args,
    /// The pairs as JSON lines.
    pairs: &'a Path,
}

impl<'a> Ours<'a> {
    pub fn new(args: &'a Args, pairs: &'a Path) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        Ok(Self {
            program,
            args,
            pairs,
        })
    }

    pub fn run(&self, task: Task, precision: Precision) -> Result<Run> {
        let mut command = Command::new(&self.program);
        command.arg("--model").arg(&self.args.model);
        command.arg("--pairs").arg(self.pairs);
        command.args(["--threads", &self.args.threads.to_string()]);
        command.args(["--steps", &self.args.steps.to_string()]);
        command.args(["--tasks", &name(task)]);
        command.args(["--here", precision.name()]);
        if self.args.checkpointing {
            command.arg("--recompute");
        }
        last_line(&mut command)
    }
}

fn name(task: Task) -> String {
    let value = task.to_possible_value().expect("no task is skipped");
    value.get_name().to_owned()
}

/// What a peer's script reports.
#[derive(Clone, Debug, Deserialize)]
pub struct PeerRun {
    /// Seconds of one step, or of everything if there are no steps.
    pub seconds: f64,
    /// Its peak memory, MiB.
    pub peak_rss_mib: f64,
    /// Its name and version.
    pub version: String,
    /// Losses of its training steps.
    #[serde(default)]
    pub losses: Vec<f64>,
}

/// PyTorch's script.
pub struct PyTorch<'a> {
    python: &'a Path,
    script: &'a Path,
}

impl<'a> PyTorch<'a> {
    /// Returns the script that the arguments name, if they do.
    pub fn of(args: &'a Args) -> Option<Self> {
        match args.pytorch.as_slice() {
            [python, script] => Some(Self { python, script }),
            _ => None,
        }
    }

    /// Lets it do a task. With bf16, training uses autocast and the rest uses weights in
    /// bf16, as PyTorch's users would.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn run(
        &self,
        args: &Args,
        pairs: &Path,
        task: Task,
        precision: Precision,
    ) -> Result<PeerRun> {
        let (name, trains) = match task {
            Task::Score => ("score", false),
            Task::Rm => ("rm", true),
            Task::Dpo | Task::DpoInStep => ("dpo", true),
            Task::Sample => ("sample", false),
        };
        let dtype = match precision {
            Precision::F32 => "f32",
            Precision::Bf16 if trains => "autocast",
            Precision::Bf16 => "bf16",
        };
        let mut command = python(self.python);
        command.arg(self.script).arg(name);
        with_work(&mut command, args, pairs, dtype);
        if trains {
            command.args(["--steps", &args.steps.to_string()]);
        }
        if task == Task::Dpo {
            command.arg("--keep-reference");
        }
        last_line(&mut command)
    }
}

/// Another program that samples, with a type of its weights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sampler {
    python: String,
    script: String,
    /// The type of its weights.
    pub dtype: String,
}

impl Sampler {
    /// Returns the programs that the arguments name, each with each of its types.
    pub fn all(args: &Args) -> Vec<Self> {
        let (programs, _) = args.samplers.as_chunks::<3>();
        let each = programs.iter().flat_map(|[python, script, dtypes]| {
            let of = |dtype: &str| Self {
                python: python.clone(),
                script: script.clone(),
                dtype: dtype.to_owned(),
            };
            dtypes.split(',').map(of).collect::<Vec<_>>()
        });
        each.collect()
    }

    /// Lets it sample from the pairs' prompts.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn run(&self, args: &Args, pairs: &Path) -> Result<PeerRun> {
        let mut command = python(&self.python);
        command.arg(&self.script);
        with_work(&mut command, args, pairs, &self.dtype);
        last_line(&mut command)
    }
}

/// Adds what every script takes.
fn with_work(command: &mut Command, args: &Args, pairs: &Path, dtype: &str) {
    command.arg("--model").arg(&args.model);
    command.arg("--data").arg(pairs);
    command.args(["--threads", &args.threads.to_string()]);
    command.args(["--dtype", dtype]);
}

/// Returns a command for Python without what is set for other programs, and would slow
/// down `NumPy` and PyTorch.
fn python(python: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(python);
    for variable in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS"] {
        command.env_remove(variable);
    }
    command
}
