//! The programs that run in turn: this one, and the peers' scripts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use apo_llama::Precision;
use clap::ValueEnum as _;
use serde::Deserialize;

use bench::child::last_line;
use bench::work::{Run, Task};

use crate::args::Args;

/// This program, a process for each task.
pub struct Ours<'a> {
    program: PathBuf,
    args: &'a Args,
}

impl<'a> Ours<'a> {
    pub fn new(args: &'a Args) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        Ok(Self { program, args })
    }

    pub fn run(&self, task: Task, precision: Precision) -> Result<Run> {
        let mut command = Command::new(&self.program);
        command.arg("--model").arg(&self.args.model);
        if let Some(peers) = &self.args.peers {
            command.arg("--peers").arg(peers);
        }
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

/// PyTorch's scripts.
pub struct Peers<'a> {
    folder: &'a Path,
    args: &'a Args,
}

/// What a script reports.
#[derive(Clone, Debug, Deserialize)]
pub struct PeerRun {
    seconds: f64,
    steps: Option<f64>,
    pub peak_rss_mib: f64,
    pub torch: String,
    pub transformers: String,
}

impl PeerRun {
    /// Seconds of one step, or of everything if there are no steps.
    pub fn seconds(&self) -> f64 {
        self.seconds / self.steps.unwrap_or(1.0)
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

/// What such a program reports.
#[derive(Clone, Debug, Deserialize)]
pub struct SamplerRun {
    /// Seconds of all samples.
    pub seconds: f64,
    /// Its peak memory, MiB.
    pub peak_rss_mib: f64,
    /// Its name and version.
    pub version: String,
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

    /// Lets it sample from the peers' prompts.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn run(&self, args: &Args, peers: &Path) -> Result<SamplerRun> {
        let mut command = python(&self.python);
        command.arg(&self.script).arg("--model").arg(&args.model);
        command.arg("--data").arg(peers.join("pairs.jsonl"));
        command.args(["--threads", &args.threads.to_string()]);
        command.args(["--dtype", &self.dtype]);
        last_line(&mut command)
    }
}

/// Returns a command for Python without what is set for other programs, and would slow
/// down `NumPy` and PyTorch.
fn python(python: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(python);
    for variable in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS"] {
        command.env_remove(variable);
    }
    command
}

impl<'a> Peers<'a> {
    pub fn new(folder: &'a Path, args: &'a Args) -> Self {
        Self { folder, args }
    }

    /// Runs the script of a task. With bf16, training uses autocast and the rest uses
    /// weights in bf16, as PyTorch's users would.
    pub fn run(&self, task: Task, precision: Precision) -> Result<PeerRun> {
        let trains = matches!(task, Task::Rm | Task::Dpo | Task::DpoInStep);
        let script = match task {
            Task::Score => "score.py",
            Task::Rm => "rm_step.py",
            Task::Dpo | Task::DpoInStep => "dpo_step.py",
            Task::Sample => "sample.py",
        };
        let mut command = python(&self.args.python);
        command
            .arg(self.folder.join(script))
            .arg("--model")
            .arg(&self.args.model);
        command.args(["--threads", &self.args.threads.to_string()]);
        command.args([
            "--dtype",
            match precision {
                Precision::F32 => "f32",
                Precision::Bf16 if trains => "bf16",
                Precision::Bf16 => "bf16w",
            },
        ]);
        if trains {
            command.args(["--steps", &self.args.steps.to_string()]);
        }
        if task == Task::Dpo {
            command.arg("--precomputed");
        }
        last_line(&mut command)
    }
}
