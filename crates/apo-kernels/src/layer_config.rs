//! The sizes and settings of a decoder layer.

use crate::attention::Heads;
use crate::precision::Precision;

/// Sizes and settings of a layer.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward network.
    pub intermediate: usize,
    /// Sizes of the attention.
    pub heads: Heads,
    /// Added to the mean square of a norm.
    pub rms_norm_eps: f32,
    /// The type of the matrix products' operands.
    pub precision: Precision,
    /// Whether a row's result is the same whatever other rows there are. Generation
    /// needs this, because its rows come and go. Projections by weights in f32 are then
    /// computed in f32; those by packed weights do not depend on other rows anyway.
    pub batch_invariant: bool,
}
