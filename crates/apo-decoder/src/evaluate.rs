//! What every form of a model's parameters computes.

use burn::tensor::{Device, Tensor};

use crate::compute::Compute;
use crate::config::ModelConfig;
use crate::tree::TreeBatch;

/// Parameters in a form that computes values.
pub trait Evaluate {
    /// Returns the device of the parameters.
    fn device(&self) -> Device;

    /// Returns the reward of every response of a batch.
    ///
    /// # Shapes
    ///
    /// - result: `[response]`
    ///
    /// # Panics
    ///
    /// When the model has no reward head.
    fn reward_values(&self, config: &ModelConfig, compute: Compute, batch: &TreeBatch) -> Vec<f32>;

    /// Returns the log-prob of every response token of a batch, nats.
    ///
    /// # Shapes
    ///
    /// - result: `[response tokens]`
    ///
    /// # Panics
    ///
    /// When the model has no language head.
    fn log_prob_values(
        &self,
        config: &ModelConfig,
        compute: Compute,
        batch: &TreeBatch,
    ) -> Vec<f32>;
}

/// Reads the values of a tensor from its device.
///
/// # Shapes
///
/// - `tensor`: any
/// - result: `[elements]`, in the order of rows
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_into_vec().expect("converted to f32")
}
