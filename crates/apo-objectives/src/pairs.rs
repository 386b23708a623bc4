//! Which responses an objective uses, with their weights.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Comparisons of responses by their index in the batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// The chosen response of each pair.
    pub chosen: Vec<usize>,
    /// The rejected response of each pair.
    pub rejected: Vec<usize>,
    /// The weight of each pair.
    pub weights: Vec<f32>,
}

impl Pairs {
    /// Adds a comparison.
    pub fn push(&mut self, chosen: usize, rejected: usize, weight: f32) {
        self.chosen.push(chosen);
        self.rejected.push(rejected);
        self.weights.push(weight);
    }

    /// Whether there are no comparisons.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Returns the values of the chosen and of the rejected responses.
    ///
    /// # Shapes
    ///
    /// - `values`: `[response]`
    /// - results: `[pair]` each
    pub fn select(&self, values: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        (gather(values, &self.chosen), gather(values, &self.rejected))
    }
}

/// Responses by their index in the batch, with weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weighted {
    /// The responses.
    pub responses: Vec<usize>,
    /// The weight of each response.
    pub weights: Vec<f32>,
}

impl Weighted {
    /// Adds a response.
    pub fn push(&mut self, response: usize, weight: f32) {
        self.responses.push(response);
        self.weights.push(weight);
    }

    /// Returns the same responses, each with this weight.
    #[must_use]
    pub fn with_weight(&self, weight: f32) -> Self {
        Self {
            responses: self.responses.clone(),
            weights: vec![weight; self.weights.len()],
        }
    }
}

/// Returns the values at some indices.
///
/// # Shapes
///
/// - `values`: `[response]`
/// - result: `[index]`
pub(crate) fn gather(values: &Tensor<1>, indices: &[usize]) -> Tensor<1> {
    let data: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
    let shape = [data.len()];
    let indices = Tensor::<1, Int>::from_data(TensorData::new(data, shape), &values.device());
    values.clone().select(0, indices)
}

/// Returns `Σ weight · loss`.
///
/// # Shapes
///
/// - `losses`: `[pair]` or `[response]`, with as many `weights`
/// - result: `[1]`
pub(crate) fn weighted_sum(losses: Tensor<1>, weights: &[f32]) -> Tensor<1> {
    let device = losses.device();
    // The sum of a whole tensor has no fixed order on a GPU; along a dimension, each kernel
    // has one.
    (losses * constant(weights, &device)).sum_dim(0)
}

/// Returns a constant tensor: no gradient flows through it.
///
/// # Shapes
///
/// - result: `[value]`, one for each of `values`
pub(crate) fn constant(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// Returns a loss of 0 whose graph still reaches `values`.
///
/// # Shapes
///
/// - `values`: `[response]`
/// - result: `[1]`
pub(crate) fn zero(values: &Tensor<1>) -> Tensor<1> {
    values.clone().sum_dim(0).mul_scalar(0.0)
}
