//! Where and how models compute.

use anyhow::Result;
use apo_llama::{Compute, Precision, device};
use apo_stage::threads;
use burn::tensor::Device;

use crate::memory;

/// Where and how models compute.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Compute")]
pub struct ComputeArgs {
    /// auto, cpu, cuda, cuda:N, wgpu or wgpu:N; auto is CUDA if it is compiled
    /// in and present, else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device_name)]
    pub device: String,

    /// CPU threads [default: all]
    #[arg(long, value_name = "N", value_parser = n_threads)]
    pub threads: Option<usize>,

    /// f32, or bf16 for the operands of matrix products on devices that
    /// multiply bf16 natively; weights in training, sums, norms and losses are
    /// always f32 [default: bf16 on CUDA, f32 elsewhere]
    #[arg(long, value_name = "PRECISION", value_parser = precision)]
    pub precision: Option<Precision>,
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
        memory::keep_freed();
        Ok(device::choose(&self.device)?)
    }

    /// Returns the type of the matrix products' operands: the one asked for,
    /// else the device's default.
    ///
    /// # Errors
    ///
    /// When the device is unknown or not there.
    pub fn precision(&self) -> Result<Precision> {
        match self.precision {
            Some(precision) => Ok(precision),
            None => Ok(device::default_precision(&device::choose(&self.device)?)),
        }
    }

    /// Returns how models compute on the device.
    pub fn compute(&self, device: &Device) -> Compute {
        let default = || device::default_precision(device);
        Compute {
            precision: self.precision.unwrap_or_else(default),
            ..Compute::default()
        }
    }
}
