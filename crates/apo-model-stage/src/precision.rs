//! The precision in which the model in a directory computes.

use std::path::Path;

use anyhow::Result;
use apo_decoder::{Compute, Head, ModelDirectory, Precision, device};
use apo_provenance::Provenance;
use apo_stage::{ReportArgs, note, warn};
use burn::tensor::Device;

use crate::compute::{ComputeArgs, PrecisionArg, with_flag};

/// Parameters of the smallest model for which `auto` takes the fastest precision. Smaller
/// ones are fast anyway, and their numbers are then the same on every machine.
const LARGE: usize = 64_000_000;

/// Adds to a provenance the precision of the model in a directory, on which the
/// results depend.
///
/// # Errors
///
/// When the device is unknown or not there, or the model's config cannot be read.
pub fn with_precision(
    provenance: Provenance,
    args: &ComputeArgs,
    model: &Path,
) -> Result<Provenance> {
    Ok(provenance.argument("precision", precision(args, model)?.name()))
}

/// Resolves how the model in a directory computes on the device. Reports it if `auto`
/// chose bf16, and warns if bf16 was asked for where it is not faster.
///
/// # Errors
///
/// When the device does not multiply in the precision asked for, or the model's config
/// cannot be read.
pub fn resolve(
    args: &ComputeArgs,
    model: &Path,
    device: &Device,
    report: &ReportArgs,
) -> Result<Compute> {
    let compute = Compute {
        precision: precision(args, model)?,
        ..Compute::default()
    };
    compute.check(device).map_err(with_flag)?;
    if compute.precision == Precision::Bf16 {
        if args.precision == PrecisionArg::Auto {
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

/// Returns the type of the matrix products' operands for the model in a directory.
fn precision(args: &ComputeArgs, model: &Path) -> Result<Precision> {
    let device = || device::choose(&args.device).map_err(with_flag);
    match args.precision {
        PrecisionArg::Auto if is_large(model)? => Ok(device::fastest_precision(&device()?)),
        PrecisionArg::Auto | PrecisionArg::F32 => Ok(Precision::F32),
        PrecisionArg::Bf16 => Ok(Precision::Bf16),
    }
}

/// Whether a model has so many parameters that its precision matters for its speed.
fn is_large(model: &Path) -> Result<bool> {
    let config = ModelDirectory::open(model)?.config;
    Ok(config.n_parameters(Head::LanguageModel) >= LARGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn auto_takes_the_fastest_precision_for_large_models_alone() {
        let args = |precision: &str| ComputeArgs {
            device: "cpu".into(),
            threads: None,
            precision: PrecisionArg::from_str(precision, false).expect("a precision"),
            tuning: None,
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
                let found = precision(&args(asked), &dir).expect("a config");
                assert_eq!(found, expected, "{asked}, {layers} layers");
            }
            std::fs::remove_dir_all(&dir).expect("a folder");
        }
        assert!(PrecisionArg::from_str("f16", false).is_err());
    }
}
