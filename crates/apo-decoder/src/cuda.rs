//! What CUDA needs of a machine, checked before a model is loaded: a driver that is new
//! enough, a GPU, and libdevice.

use std::env;
use std::path::PathBuf;

use burn::tensor::{Device, DeviceType};
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, DriverError};

use crate::error::ModelError;

/// The oldest CUDA whose driver has all functions that CubeCL calls, as the driver says it.
const OLDEST_DRIVER: i32 = 12_000;

/// Folders in which CubeCL looks for CUDA's files if `CUDA_PATH` names none.
const ROOTS: [&str; 4] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"];

/// The exponentials and logarithms of CUDA's kernels, in one of these folders.
const LIBDEVICE: &str = "nvvm/libdevice/libdevice.10.bc";

/// Returns the GPUs that the driver offers; none if there is no driver.
///
/// # Errors
///
/// When there is a driver, but models cannot use it.
pub(crate) fn gpus() -> Result<Vec<Device>, ModelError> {
    if n_gpus()? == 0 {
        return Ok(Vec::new());
    }
    let driver = driver_version().map_err(driver_fails)?;
    if driver < OLDEST_DRIVER {
        return Err(ModelError::GpuUnusable(format!(
            "the NVIDIA driver is too old: it has CUDA {}, and {} or later is needed; install \
             a newer driver",
            version(driver),
            version(OLDEST_DRIVER)
        )));
    }
    let roots = roots();
    if !has_libdevice(&roots) {
        let roots: Vec<_> = roots.iter().map(|it| it.display().to_string()).collect();
        return Err(ModelError::GpuUnusable(format!(
            "{LIBDEVICE} is missing in {}, which CUDA's exponentials need; install a CUDA \
             toolkit, or the Python package nvidia-nvvm, and set CUDA_PATH to the folder that \
             holds `nvvm`",
            roots.join(", ")
        )));
    }
    Ok(Device::enumerate(DeviceType::Cuda).into_vec())
}

/// Returns the number of GPUs.
fn n_gpus() -> Result<usize, ModelError> {
    if !has_driver() {
        return Ok(0);
    }
    match CudaContext::device_count() {
        Ok(n) => Ok(usize::try_from(n).unwrap_or(0)),
        // A machine without a GPU may still have the driver's library, or a stub of it.
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE | CUresult::CUDA_ERROR_STUB_LIBRARY)) => {
            Ok(0)
        }
        Err(error) => Err(driver_fails(error)),
    }
}

#[expect(unsafe_code, reason = "loading a library runs code of it")]
fn has_driver() -> bool {
    // SAFETY: NVIDIA's driver may be loaded at any time.
    unsafe { sys::is_culib_present() }
}

#[expect(unsafe_code, reason = "the driver writes through a pointer")]
fn driver_version() -> Result<i32, DriverError> {
    let mut version = 0;
    // SAFETY: the pointer is to a number of our own.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(version)
}

fn driver_fails(error: DriverError) -> ModelError {
    ModelError::GpuUnusable(format!("the NVIDIA driver fails with {:?}", error.0))
}

/// Returns a version of CUDA as people write it, given as the driver says it.
fn version(driver: i32) -> String {
    format!("{}.{}", driver / 1000, driver % 1000 / 10)
}

/// Returns the folders in which CubeCL looks for CUDA's files.
fn roots() -> Vec<PathBuf> {
    let others = |_| ROOTS.map(PathBuf::from).into();
    env::var("CUDA_PATH").map_or_else(others, |root| vec![root.into()])
}

/// Whether CubeCL will find libdevice: it takes the first folder that has one for it.
fn has_libdevice(roots: &[PathBuf]) -> bool {
    let found = roots.iter().find(|it| it.join("nvvm/libdevice").is_dir());
    found.is_some_and(|it| it.join(LIBDEVICE).is_file())
}
