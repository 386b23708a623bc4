//! What tests of models share.
#![allow(dead_code, reason = "each test takes what it needs of it")]

pub mod directories;
mod drawn;
pub mod safetensors;

use std::fs;
use std::path::{Path, PathBuf};

use apo_decoder::{Head, device};
use burn::tensor::Device;
use serde_json::Value;

/// The small models whose values are PyTorch's, each with the entry of
/// [`reference`] that holds these.
pub const MODELS: [(&str, &str); 10] = [
    ("base", "base"),
    ("sharded", "base"),
    ("llama3", "llama3"),
    ("wide", "wide"),
    ("mistral", "mistral"),
    ("qwen2", "qwen2"),
    ("qwen3", "qwen3"),
    ("smollm3", "smollm3"),
    ("olmo2", "olmo2"),
    ("seed_oss", "seed_oss"),
];

/// Those of [`MODELS`] that are not kept as files, and of which there are reward models.
pub const DRAWN: [&str; 7] = [
    "wide", "mistral", "qwen2", "qwen3", "smollm3", "olmo2", "seed_oss",
];

/// A small reward model's directory; one of [`DRAWN`].
pub fn tiny_reward(name: &str) -> PathBuf {
    drawn::directory(name, Head::Reward)
}

/// A small policy's directory.
pub fn tiny(name: &str) -> PathBuf {
    if DRAWN.contains(&name) {
        return drawn::directory(name, Head::LanguageModel);
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/tiny")
        .join(name)
}

/// The CPU, or what `APO_DEVICE` names, as `--device` does; also `cubecl-cpu`, which runs
/// the kernels that GPUs run.
pub fn device() -> Device {
    #[cfg(feature = "cubecl-cpu")]
    if device_name() == "cubecl-cpu" {
        return Device::cpu();
    }
    device::choose(&device_name()).unwrap()
}

fn device_name() -> String {
    std::env::var("APO_DEVICE").unwrap_or_else(|_| "cpu".into())
}

/// Whether models run the CPU's own kernels: with and without on the CPU, without on
/// others, which have none.
pub fn kernels() -> &'static [bool] {
    if device_name() == "cpu" {
        &[true, false]
    } else {
        &[false]
    }
}

/// PyTorch's values of the small models.
pub fn reference() -> Value {
    let text = fs::read_to_string(tiny("reference.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Token ids of a fixture.
pub fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Numbers of a fixture.
pub fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}
