//! Where the arithmetic runs, chosen at run time.

use std::path::Path;

use apo_kernels::Precision;
use burn::backend::{Backend as _, DTypeUsage, Dispatch, DispatchDevice};
use burn::tensor::{DType, Device};

use crate::error::ModelError;

/// Returns the precision in which a device multiplies fastest: bf16 on CUDA GPUs with
/// units for it, and on the CPU as [`apo_kernels::bf16::is_faster`] says, else f32.
pub fn fastest_precision(device: &Device) -> Precision {
    let is_faster = if has_kernels(device) {
        apo_kernels::bf16::is_faster()
    } else {
        is_cuda(device) && multiplies_bf16(device)
    };
    if is_faster {
        Precision::Bf16
    } else {
        Precision::F32
    }
}

/// Whether a device runs the CPU's own kernels.
pub(crate) fn has_kernels(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

fn multiplies_bf16(device: &Device) -> bool {
    let usage = Dispatch::dtype_usage(device.as_dispatch(), DType::BF16);
    usage.contains(DTypeUsage::Accelerated)
}

#[cfg(feature = "cuda")]
fn is_cuda(device: &Device) -> bool {
    let gpus = Device::enumerate(burn::tensor::DeviceType::Cuda);
    gpus.into_vec().contains(device)
}

#[cfg(not(feature = "cuda"))]
fn is_cuda(_: &Device) -> bool {
    false
}

/// Chooses a device by name: `auto`, `cpu`, `cuda`, `cuda:1`, `wgpu`, `wgpu:1`.
///
/// `auto` is CUDA if it is compiled in and the machine has a GPU for it, else the CPU.
///
/// # Errors
///
/// When the name is unknown, the device is not compiled in or absent, or a GPU is there but
/// lacks what models need.
pub fn choose(name: &str) -> Result<Device, ModelError> {
    let (kind, index) = match name.split_once(':') {
        None => (name, 0),
        Some((kind, index)) => match index.parse::<usize>() {
            Ok(index) => (kind, index),
            Err(_) => return Err(unknown(name)),
        },
    };
    match kind {
        "cpu" if !name.contains(':') => Ok(cpu()),
        "auto" if !name.contains(':') => auto(),
        "cuda" => cuda(index),
        "wgpu" => wgpu(index),
        _ => Err(unknown(name)),
    }
}

/// Keeps what tuning decides for a GPU in a folder, and takes the decisions that are there, so
/// that a stopped run goes on with the same kernels. Without a folder, nothing is kept. The CPU
/// tunes nothing.
///
/// # Errors
///
/// When the folder cannot be written.
#[cfg_attr(
    not(feature = "gpu"),
    expect(unused_variables, reason = "no GPU is compiled in")
)]
pub fn keep_tuning(device: &Device, dir: Option<&Path>) -> Result<(), ModelError> {
    #[cfg(feature = "gpu")]
    if !has_kernels(device) {
        return crate::tuning::keep(device, dir);
    }
    Ok(())
}

/// Returns the CPU.
pub fn cpu() -> Device {
    Device::flex()
}

fn unknown(name: &str) -> ModelError {
    ModelError::UnknownDevice(name.to_owned())
}

#[cfg(feature = "cuda")]
fn auto() -> Result<Device, ModelError> {
    let gpus = crate::cuda::gpus()?;
    Ok(gpus.into_iter().next().unwrap_or_else(cpu))
}

#[cfg(not(feature = "cuda"))]
#[expect(clippy::unnecessary_wraps, reason = "with CUDA it may fail")]
fn auto() -> Result<Device, ModelError> {
    Ok(cpu())
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device, ModelError> {
    let gpus = crate::cuda::gpus()?;
    let gpu = gpus.into_iter().nth(index);
    gpu.ok_or_else(|| ModelError::NoSuchGpu(format!("cuda:{index}")))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device, ModelError> {
    Err(ModelError::NotCompiledIn("cuda"))
}

#[cfg(feature = "wgpu")]
fn wgpu(index: usize) -> Result<Device, ModelError> {
    let found = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec();
    let found = found.into_iter().nth(index);
    found.ok_or_else(|| ModelError::NoSuchGpu(format!("wgpu:{index}")))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(_: usize) -> Result<Device, ModelError> {
    Err(ModelError::NotCompiledIn("wgpu"))
}
