//! The forms in which the kernels read a layer's weights: in f32, or rounded to bf16 and
//! packed; each projection by itself, or several stacked.

use crate::bf16::Packed;
use crate::layer_weights::LayerWeights;

/// A layer's weights in f32, as the backward pass reads them.
pub type Weights<'a> = LayerWeights<&'a [f32]>;

/// A layer's weights as the forward pass reads them.
#[derive(Clone, Copy)]
pub struct ForwardWeights<'a> {
    /// RMS norm of the attention's input or output, `[hidden]`
    pub attention_norm: &'a [f32],
    /// Queries, keys and values, `[(heads + 2 · kv_heads) · head_dim, hidden]`
    pub qkv: Stacked<'a, 3>,
    /// What becomes of their outputs.
    pub heads: HeadWeights<'a>,
    /// `[hidden, heads · head_dim]`
    pub output: Weight<'a>,
    /// RMS norm of the feed-forward network's input or output, `[hidden]`
    pub feed_forward_norm: &'a [f32],
    /// Gate and up projections, `[2 · intermediate, hidden]`
    pub gate_up: Stacked<'a, 2>,
    /// `[hidden, intermediate]`
    pub down: Weight<'a>,
}

/// Vectors that some architectures apply to queries, keys and values before attention.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadWeights<'a> {
    /// Added to queries, keys and values: `[heads · head_dim]`, and
    /// `[kv_heads · head_dim]` twice.
    pub biases: Option<[&'a [f32]; 3]>,
    /// RMS norms of queries and keys: of each head, `[head_dim]`, or of all,
    /// `[heads · head_dim]` and `[kv_heads · head_dim]`.
    pub norms: Option<[&'a [f32]; 2]>,
}

/// Weights with the same input, whose outputs lie side by side.
#[derive(Clone, Copy)]
pub enum Stacked<'a, const N: usize> {
    /// Each by itself, as a model's files and the optimiser have them.
    Apart([Weight<'a>; N]),
    /// All as one weight, so that one product computes them.
    Together(Weight<'a>),
}

impl<'a, const N: usize> Stacked<'a, N> {
    /// Returns the weights, one for each product.
    pub(crate) fn weights(&self) -> &[Weight<'a>] {
        match self {
            Self::Apart(weights) => weights,
            Self::Together(weight) => std::slice::from_ref(weight),
        }
    }
}

/// A projection's weight.
#[derive(Clone, Copy)]
pub enum Weight<'a> {
    /// `[n_out, n_in]`
    F32(&'a [f32]),
    /// Its transpose `[n_in, n_out]`, rounded to bf16 and packed.
    Packed(&'a Packed),
}

impl Weight<'_> {
    /// Returns the number of its outputs, given that of its inputs.
    pub(crate) fn n_out(self, n_in: usize) -> usize {
        match self {
            Self::F32(weight) => weight.len() / n_in,
            Self::Packed(weight) => weight.cols(),
        }
    }
}

impl<'a> From<&Weights<'a>> for HeadWeights<'a> {
    fn from(weights: &Weights<'a>) -> Self {
        let biases = (weights.query_bias, weights.key_bias, weights.value_bias);
        let norms = (weights.query_norm, weights.key_norm);
        Self {
            biases: match biases {
                (Some(query), Some(key), Some(value)) => Some([query, key, value]),
                _ => None,
            },
            norms: norms.0.zip(norms.1).map(Into::into),
        }
    }
}

impl<'a> From<&Weights<'a>> for ForwardWeights<'a> {
    fn from(weights: &Weights<'a>) -> Self {
        let LayerWeights {
            attention_norm,
            query,
            key,
            value,
            output,
            feed_forward_norm,
            gate,
            up,
            down,
            ..
        } = *weights;
        Self {
            attention_norm,
            qkv: Stacked::Apart([query, key, value].map(Weight::F32)),
            heads: weights.into(),
            output: Weight::F32(output),
            feed_forward_norm,
            gate_up: Stacked::Apart([gate, up].map(Weight::F32)),
            down: Weight::F32(down),
        }
    }
}
