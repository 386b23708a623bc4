//! What tests of models share.
#![allow(dead_code, reason = "each test takes what it needs of it")]

pub mod safetensors;

use std::path::{Path, PathBuf};

use apo_llama::device;
use burn::tensor::Device;

/// A small model's directory.
pub fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/tiny")
        .join(name)
}

/// The CPU, or what `APO_DEVICE` names, as `--device` does.
pub fn device() -> Device {
    let name = std::env::var("APO_DEVICE");
    device::choose(name.as_deref().unwrap_or("cpu")).unwrap()
}
