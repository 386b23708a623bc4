//! The sizes and settings of a decoder layer.

use crate::attention::Heads;
use crate::precision::Precision;

/// Where a sublayer, attention or the feed-forward network, has its RMS norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormPlacement {
    /// At its input: `x + f(norm(x))`, as in LLaMA.
    Input,
    /// At its output: `x + norm(f(x))`, as in OLMo 2.
    Output,
}

/// How a layer's queries and keys know their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// They are rotated by them.
    Rotated,
    /// They do not: attention sees only which tokens came before.
    Unknown,
}

/// Sizes and settings of a layer.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward network.
    pub intermediate: usize,
    /// Sizes of the attention.
    pub heads: Heads,
    /// Where the sublayers have their norms.
    pub norms: NormPlacement,
    /// How queries and keys know their positions.
    pub positions: Positions,
    /// Added to the mean square of a norm.
    pub rms_norm_eps: f32,
    /// The type of the matrix products' operands.
    pub precision: Precision,
    /// Whether a row's result is the same whatever other rows there are. Generation
    /// needs this, because its rows come and go. Projections by weights in f32 are then
    /// computed in f32; those by packed weights do not depend on other rows anyway.
    pub batch_invariant: bool,
}
