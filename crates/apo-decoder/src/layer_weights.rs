//! A decoder layer's weights as tensors: as the composition of Burn's operators takes
//! them, and as this crate's own operators take them on one backend.

use std::{array, iter};

use apo_kernels::{LayerWeights, N_WEIGHTS};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Backend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    ExtensionType,
};
use burn::tensor::Tensor;

/// A layer's weights as Burn's tensors.
pub(crate) type LayerTensors = LayerWeights<Tensor<2>, Tensor<1>>;

/// A layer's weights as the tensors of a backend, whose type does not tell how
/// many dimensions they have.
#[derive(Clone, Debug)]
pub struct BackendWeights<B: Backend>(pub(crate) LayerWeights<FloatTensor<B>>);

impl BackendWeights<Dispatch> {
    /// Makes them of Burn's tensors.
    pub(crate) fn new(weights: LayerTensors) -> Self {
        Self(weights.map_each(Tensor::into_dispatch, Tensor::into_dispatch))
    }
}

/// Inputs of a layer's operator that have gradients: `x` and the weights.
pub(crate) const N_INPUTS: usize = 1 + N_WEIGHTS;

/// Puts `x` before the weights: the order of an operator's inputs. Weights that the layer
/// lacks are `None`.
pub(crate) fn inputs<T>(x: T, weights: LayerWeights<T>) -> [Option<T>; N_INPUTS] {
    let mut all = iter::once(Some(x)).chain(weights.into_array());
    array::from_fn(|_| all.next().expect("as many as `N_INPUTS`"))
}

/// What `derive(ExtensionType)` would write if each weight were a field.
impl<B: Backend> ExtensionType<B> for BackendWeights<B> {
    type Target = BackendWeights<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        BackendWeights(self.0.map(|weight| DispatchTensor {
            kind: map_kind(BackendTensor::Float(weight)),
            autodiff,
        }))
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        Self(target.0.map(|weight| unwrap_kind(weight).float()))
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        Some(&target.0.attention_norm)
    }

    fn routing_float_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        Self::routing_tensor(target)
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        let weights = target.0.as_ref().into_array();
        weights
            .iter()
            .flatten()
            .fold(DispatchAutodiffContext::Disabled, |context, weight| {
                context.merge(weight.autodiff)
            })
    }
}
