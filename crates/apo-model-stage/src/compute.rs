//! Where and how models compute.

use std::path::Path;

use anyhow::{Error, Result, anyhow};
use apo_llama::{Compute, Head, ModelDirectory, ModelError, Precision, device};
use apo_provenance::Provenance;
use apo_stage::{ReportArgs, note, threads, warn};
use burn::tensor::Device;
use clap::ValueEnum;

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

    /// Operands of matrix products
    ///
    /// Weights in training, sums, norms and losses are always f32.
    #[arg(long, value_name = "PRECISION", value_enum, default_value = "auto")]
    pub precision: PrecisionArg,
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

/// Parameters of the smallest model for which `auto` takes the fastest precision. Smaller
/// ones are fast anyway, and their numbers are then the same on every machine.
const LARGE: usize = 64_000_000;

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
    /// Sets the threads and returns the device.
    ///
    /// # Errors
    ///
    /// When the device is unknown or not there.
    pub fn device(&self) -> Result<Device> {
        threads::start(self.threads)?;
        memory::keep_freed();
        device::choose(&self.device).map_err(with_flag)
    }

    /// Adds to a provenance the precision of the model in a directory, on which the
    /// results depend.
    ///
    /// # Errors
    ///
    /// When the device is unknown or not there, or the model's config cannot be read.
    pub fn with_precision(&self, provenance: Provenance, model: &Path) -> Result<Provenance> {
        Ok(provenance.argument("precision", self.precision(model)?.name()))
    }

    /// Returns the type of the matrix products' operands for the model in a directory.
    fn precision(&self, model: &Path) -> Result<Precision> {
        let device = || device::choose(&self.device).map_err(with_flag);
        match self.precision {
            PrecisionArg::Auto if is_large(model)? => Ok(device::fastest_precision(&device()?)),
            PrecisionArg::Auto | PrecisionArg::F32 => Ok(Precision::F32),
            PrecisionArg::Bf16 => Ok(Precision::Bf16),
        }
    }

    /// Resolves how the model in a directory computes on the device. Reports it if `auto`
    /// chose bf16, and warns if bf16 was asked for where it is not faster.
    ///
    /// # Errors
    ///
    /// When the device does not multiply in the precision asked for, or the model's config
    /// cannot be read.
    pub fn resolve(&self, model: &Path, device: &Device, report: &ReportArgs) -> Result<Compute> {
        let compute = Compute {
            precision: self.precision(model)?,
            ..Compute::default()
        };
        compute.check(device).map_err(with_flag)?;
        if compute.precision == Precision::Bf16 {
            if self.precision == PrecisionArg::Auto {
                note(
                    report,
                    "matrix products use bf16; pass `--precision f32` to compute everything in \
                     f32",
                );
            } else if device::fastest_precision(device) != Precision::Bf16 {
                warn("this device does not multiply bf16 faster than f32");
            }
        }
        Ok(compute)
    }
}

/// Whether a model has so many parameters that its precision matters for its speed.
fn is_large(model: &Path) -> Result<bool> {
    let config = ModelDirectory::open(model)?.config;
    Ok(config.n_parameters(Head::LanguageModel) >= LARGE)
}

/// Adds to an error of a device the argument with which the stage works.
fn with_flag(error: ModelError) -> Error {
    let flag = match &error {
        ModelError::NoSuchGpu(_) => "use `--device cpu`".to_owned(),
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
    fn auto_takes_the_fastest_precision_for_large_models_alone() {
        let args = |precision: &str| ComputeArgs {
            device: "cpu".into(),
            threads: None,
            precision: PrecisionArg::from_str(precision, false).expect("a precision"),
        };
        let fastest = device::fastest_precision(&device::cpu());
        for (layers, auto) in [(1, Precision::F32), (30, fastest)] {
            let dir = std::env::temp_dir().join(format!("apo-{layers}-{}", std::process::id()));
            std::fs::create_dir_all(&dir).expect("a folder");
            let config = format!(
                r#"{{"model_type": "llama", "architectures": ["LlamaForCausalLM"],
                "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
                "num_hidden_layers": {layers}, "num_attention_heads": 9,
                "num_key_value_heads": 3, "max_position_embeddings": 8192,
                "rms_norm_eps": 1e-5, "tie_word_embeddings": true}}"#
            );
            std::fs::write(dir.join("config.json"), config).expect("a file");
            for (asked, expected) in [
                ("auto", auto),
                ("f32", Precision::F32),
                ("bf16", Precision::Bf16),
            ] {
                let found = args(asked).precision(&dir).expect("a config");
                assert_eq!(found, expected, "{asked}, {layers} layers");
            }
            std::fs::remove_dir_all(&dir).expect("a folder");
        }
        assert!(PrecisionArg::from_str("f16", false).is_err());
    }

    #[test]
    fn a_fault_of_a_device_is_told_with_the_argument_that_helps() {
        for (error, argument) in [
            (ModelError::NoSuchGpu("cuda:7".into()), "`--device cpu`"),
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
