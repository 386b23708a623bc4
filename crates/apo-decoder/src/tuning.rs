//! What tuning decides on a GPU: which of several kernels is the fastest for a shape.
//!
//! Decisions come from measured times, and each kernel adds up in an order of its own. So a
//! run gives the same bits after a kill only if it keeps what it has decided.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use cubecl_environment::environment;
use cubecl_environment::persistence::{Access, Database};

use crate::error::{ModelError, io_error};

/// A path at which there can be no file. What CubeCL cannot write, it keeps in memory; its own
/// default is a file in a cache folder, or in `target` of whatever project is around.
const NOWHERE: &str = "/dev/null/tuning.db";

/// Keeps decisions for a GPU in a folder, if there is one, and takes those that are there.
/// Each kind of GPU has a file of its own, and each GPU its own part of it.
///
/// # Errors
///
/// When the folder cannot be written, or its file cannot be read.
pub(crate) fn keep(device: &Device, dir: Option<&Path>) -> Result<(), ModelError> {
    let Some((dir, file)) = dir.and_then(|dir| Some((dir, file(device, dir)?))) else {
        environment::load(NOWHERE);
        return Ok(());
    };
    fs::create_dir_all(dir).map_err(io_error("write", dir))?;
    environment::load(&file);
    // CubeCL itself would silently keep decisions in memory if it could not use the file.
    match Database::open_at(&file, Access::ReadWrite) {
        Ok(_) => Ok(()),
        Err(reason) => Err(ModelError::Tuning { path: file, reason }),
    }
}

/// Returns the file of a GPU's kind; `None` for a device that has no name.
fn file(device: &Device, dir: &Path) -> Option<PathBuf> {
    let identity = device.clone().without_autodiff().identity()?;
    let name = format!("{} {}", identity.name, identity.fingerprint);
    let name = name.replace(|it: char| !it.is_ascii_alphanumeric(), "-");
    Some(dir.join(name).with_extension("db"))
}
