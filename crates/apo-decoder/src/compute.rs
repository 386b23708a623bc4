//! How a model computes: precision, gradient checkpointing, kernels or not.

use burn::tensor::{Device, FloatDType};

use apo_kernels::Precision;

use crate::device::has_kernels;
use crate::error::ModelError;

/// How a forward pass is computed; its values are the same up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compute {
    /// The type of the matrix products' operands.
    pub precision: Precision,
    /// Gradient checkpointing: keep only the layers' inputs and compute each
    /// layer again in the backward pass. Takes less memory and a third more
    /// arithmetic.
    pub checkpointing: bool,
    /// Use the CPU's own kernels on devices that have them. `false` runs the
    /// composition of Burn's operators, which defines what the kernels compute.
    pub kernels: bool,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            checkpointing: false,
            kernels: true,
        }
    }
}

impl Compute {
    /// Checks that a device multiplies natively in the precision.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn check(&self, device: &Device) -> Result<(), ModelError> {
        let is_native = match self.precision {
            Precision::F32 => true,
            Precision::Bf16 if self.runs_kernels_on(device) => apo_kernels::bf16::is_native(),
            Precision::Bf16 => device.supports_dtype(FloatDType::BF16),
        };
        if is_native {
            Ok(())
        } else {
            Err(ModelError::NoBf16)
        }
    }

    /// Whether a model on the device runs the CPU's own kernels.
    pub(crate) fn runs_kernels_on(self, device: &Device) -> bool {
        self.kernels && has_kernels(device)
    }
}
