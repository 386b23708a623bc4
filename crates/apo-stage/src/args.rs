//! Arguments that stages share.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;
use apo_llama::{Compute, Precision, device};
use burn::tensor::Device;
use clap::builder::{PathBufValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

use crate::threads;
use crate::working::{DISCARDED, PARTIAL};

/// Where the output goes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// What to write; it appears whole or not at all
    #[arg(long, value_name = "PATH", value_parser = PathBufValueParser::new().try_map(output_path))]
    pub out: PathBuf,

    /// Replace an output that was made with other arguments or inputs
    #[arg(long)]
    pub overwrite: bool,
}

/// Where and how models compute.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Compute")]
pub struct ComputeArgs {
    /// auto, cpu, cuda, cuda:N, wgpu or wgpu:N; auto is CUDA where it is
    /// compiled in and present, else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device_name)]
    pub device: String,

    /// Threads of the CPU [default: all]
    #[arg(long, value_name = "N", value_parser = n_threads)]
    pub threads: Option<usize>,

    /// f32, or bf16 for the operands of matrix products where the device
    /// multiplies them natively; weights in training, sums, norms and losses
    /// are f32 always [default: bf16 on CUDA, f32 elsewhere]
    #[arg(long, value_name = "PRECISION", value_parser = precision)]
    pub precision: Option<Precision>,
}

/// Reads the command line; one whose options do not fit together ends the
/// program as wrong usage, with what `check` says of it.
pub fn read<A: Parser>(check: impl FnOnce(&A) -> Result<(), String>) -> A {
    let args = A::parse();
    if let Err(problem) = check(&args) {
        let mut command = A::command();
        command.error(ErrorKind::ArgumentConflict, problem).exit();
    }
    args
}

/// Returns how a value is named on the command line.
///
/// # Panics
///
/// When it is one that the command line hides.
pub fn value_name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.expect("a value has a name").get_name().to_owned()
}

/// Reads a finite number, 0 or more, as a weight or a rate.
///
/// # Errors
///
/// What was expected.
pub fn not_negative(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|it: &f64| it.is_finite() && *it >= 0.0);
    number.ok_or("expected a finite number, 0 or more")
}

/// Reads a path that names a file or folder to be made, a slash at its end left
/// out.
fn output_path(path: PathBuf) -> Result<PathBuf, &'static str> {
    let path: PathBuf = path.components().collect();
    let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else {
        return Err("expected the name of a file or folder to be made");
    };
    let is_taken = |ending: &str| name.ends_with(ending.as_bytes());
    if is_taken(PARTIAL) || is_taken(DISCARDED) {
        return Err("expected another name: what ends so is the folder in which an output is made");
    }
    Ok(path)
}

fn device_name(text: &str) -> Result<String, &'static str> {
    let known = match text.split_once(':') {
        None => ["auto", "cpu", "cuda", "wgpu"].contains(&text),
        Some((kind, index)) => ["cuda", "wgpu"].contains(&kind) && index.parse::<usize>().is_ok(),
    };
    let name = known.then(|| text.to_owned());
    name.ok_or("expected auto, cpu, cuda, cuda:N, wgpu or wgpu:N")
}

fn n_threads(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|it| (1..=1024).contains(it));
    number.ok_or("expected a number from 1 to 1024")
}

fn precision(text: &str) -> Result<Precision, &'static str> {
    match text {
        "f32" => Ok(Precision::F32),
        "bf16" => Ok(Precision::Bf16),
        _ => Err("expected f32 or bf16"),
    }
}

impl ComputeArgs {
    /// Sets the threads and returns the device.
    ///
    /// # Errors
    ///
    /// When the device is unknown or not there.
    pub fn device(&self) -> Result<Device> {
        threads::start(self.threads)?;
        Ok(device::choose(&self.device)?)
    }

    /// Returns in what products' operands are held: what was asked for, else
    /// the device's default.
    ///
    /// # Errors
    ///
    /// When the device is unknown or not there.
    pub fn precision(&self) -> Result<Precision> {
        match self.precision {
            Some(precision) => Ok(precision),
            None => Ok(Precision::default_on(&device::choose(&self.device)?)),
        }
    }

    /// Returns how models compute on the device.
    pub fn compute(&self, device: &Device) -> Compute {
        let default = || Precision::default_on(device);
        Compute {
            precision: self.precision.unwrap_or_else(default),
            ..Compute::default()
        }
    }
}

/// How a stage reports.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// No progress and no notes; warnings and the result stay
    #[arg(long, short)]
    pub quiet: bool,

    /// The result as one JSON object
    #[arg(long)]
    pub json: bool,
}
