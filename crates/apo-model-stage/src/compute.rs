//! Where and how models compute.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, anyhow};
use apo_decoder::{ModelError, device};
use apo_stage::{Output, OutputArgs, names, threads};
use burn::tensor::Device;
use clap::ValueEnum;

use crate::memory;

/// Where and how models compute.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Compute")]
pub struct ComputeArgs {
    /// auto, cpu, cuda, cuda:N, wgpu or wgpu:N; auto is CUDA if it is compiled
    /// in and there is a GPU, else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device_name)]
    pub device: String,

    /// CPU threads [default: all]
    #[arg(long, value_name = "N", value_parser = n_threads)]
    pub threads: Option<usize>,

    /// Operands of matrix products
    ///
    /// Weights in training, sums, norms and losses are always f32.
    #[arg(long, value_name = "PRECISION", value_enum, default_value = "auto")]
    pub precision: PrecisionArg,

    /// Folder that keeps which of its kernels a GPU runs fastest
    ///
    /// Runs on GPUs of one kind give the same bits if they run the same kernels. Pass the same
    /// folder to resume a stopped run. [default: in the output's working folder]
    #[arg(long, value_name = "DIR")]
    pub tuning: Option<PathBuf>,
}

/// The type of the products' operands, as a user asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// bf16 for models of 64 million parameters or more on devices that multiply it
    /// faster (CUDA, AMX, AMD's AVX512-BF16), else f32; what it chose is recorded with
    /// the output
    Auto,
    /// 32-bit floats
    F32,
    /// bfloat16
    Bf16,
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

impl ComputeArgs {
    /// Checks that `--tuning` is not inside the output or its working folder.
    ///
    /// # Errors
    ///
    /// When it is.
    pub fn keep_apart(&self, output: &OutputArgs) -> Result<()> {
        let folder = self.tuning.as_deref();
        folder.map_or(Ok(()), |it| Output::check_outside(output, "--tuning", it))
    }
}

/// Starts the threads and returns the device. What tuning decides for a GPU is kept where
/// the user says, or else in the working folder of the output; without one, not at all.
///
/// # Errors
///
/// When the device is unknown or not there, or the folder cannot be written.
pub fn start_device(args: &ComputeArgs, working: Option<&Path>) -> Result<Device> {
    threads::start(args.threads)?;
    memory::keep_freed();
    let device = device::choose(&args.device).map_err(with_flag)?;
    let own = working.map(|it| it.join(names::TUNING));
    device::keep_tuning(&device, args.tuning.as_deref().or(own.as_deref()))?;
    Ok(device)
}

/// Adds to an error of a device the argument with which the stage works.
pub(crate) fn with_flag(error: ModelError) -> Error {
    let flag = match &error {
        ModelError::NoSuchGpu(_) => "use `--device cpu`".to_owned(),
        ModelError::GpuUnusable(_) => "or use `--device cpu`".to_owned(),
        ModelError::NotCompiledIn(feature) => {
            format!("build it with `--features {feature}`, or use `--device cpu`")
        }
        ModelError::NoBf16 => "use `--precision f32`".to_owned(),
        _ => return error.into(),
    };
    anyhow!("{error}; {flag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_device_is_told_with_the_argument_that_helps() {
        for (error, argument) in [
            (ModelError::NoSuchGpu("cuda:7".into()), "`--device cpu`"),
            (
                ModelError::GpuUnusable("an old driver".into()),
                "`--device cpu`",
            ),
            (ModelError::NotCompiledIn("cuda"), "`--features cuda`"),
            (ModelError::NotCompiledIn("wgpu"), "`--device cpu`"),
            (ModelError::NoBf16, "`--precision f32`"),
        ] {
            let alone = error.to_string();
            assert!(
                !alone.contains("--"),
                "a library knows no argument: {alone}"
            );
            let told = with_flag(error).to_string();
            assert!(
                told.starts_with(&alone) && told.contains(argument),
                "{told}"
            );
        }
    }
}
