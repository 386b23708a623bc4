//! The arithmetic of a layer and of the heads, composed of Burn's own operators: the
//! definition, and what runs on devices without our kernels.

use std::fmt;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation};

use crate::config::ModelConfig;
use crate::layer_weights::LayerTensors;
use crate::matmul::{cast_operand, matmul, matmul_transposed};
use crate::rope::{both_halves, rotate};
use crate::rows::reorder;
use apo_kernels::layout::Layout;
use apo_kernels::{NormPlacement, Positions, Precision};

/// Attention's view of a batch on a device without kernels: trees padded to the
/// longest one.
struct PaddedTrees {
    /// The row of each padded place, `[trees · longest]`; for padding, row 0.
    rows: Tensor<1, Int>,
    /// The padded place of each row, `[tokens]`.
    places: Tensor<1, Int>,
    /// True where a key is masked from a query, for all query heads that share
    /// it, `[trees, 1, group · longest, longest]`.
    masked: Tensor<4, Bool>,
    /// `[tokens, 1, head_dim]`
    cos: Tensor<3>,
    /// `[tokens, 1, head_dim]`
    sin: Tensor<3>,
    n_trees: usize,
    longest: usize,
}

impl PaddedTrees {
    fn new(layout: &Layout, config: &ModelConfig, device: &Device) -> Self {
        let lengths = layout.trees.iter().map(ExactSizeIterator::len);
        // Devices read several numbers at once if their count divides the row.
        let longest = lengths.max().unwrap_or(0).next_multiple_of(8);
        let n_trees = layout.trees.len();
        let n_tokens = layout.trees.last().map_or(0, |rows| rows.end);
        let mut rows = vec![0_i32; n_trees * longest];
        let mut places = vec![0_i32; n_tokens];
        for (tree, range) in layout.trees.iter().enumerate() {
            for (i, row) in range.clone().enumerate() {
                rows[tree * longest + i] = row as i32;
                places[row] = (tree * longest + i) as i32;
            }
        }
        let mut masked = vec![true; n_trees * longest * longest];
        for tree in 0..n_trees {
            for i in 0..longest {
                // Padding attends to itself, so that its softmax stays finite.
                masked[(tree * longest + i) * longest + i] = false;
            }
        }
        for segment in &layout.segments {
            let first = layout.trees[segment.tree].start;
            for row in segment.rows.clone() {
                let seen = segment.prompt.clone().into_iter().flatten();
                for key in seen.chain(segment.rows.start..=row) {
                    let query = segment.tree * longest + (row - first);
                    masked[query * longest + (key - first)] = false;
                }
            }
        }
        let shape = [n_trees, 1, longest, longest];
        let masked = Tensor::<4, Bool>::from_data(TensorData::new(masked, shape), device);
        let group = config.num_attention_heads / config.num_key_value_heads;
        Self {
            rows: Tensor::from_data(TensorData::new(rows, [n_trees * longest]), device),
            places: Tensor::from_data(TensorData::new(places, [n_tokens]), device),
            masked: masked.repeat_dim(2, group),
            cos: both_halves(&layout.cos, config, device),
            sin: both_halves(&layout.sin, config, device),
            n_trees,
            longest,
        }
    }

    /// Pads rows to trees of equal length.
    ///
    /// # Shapes
    ///
    /// - `x`: `[tokens, heads, head_dim]`
    /// - result: `[trees, heads, longest, head_dim]`
    fn pad(&self, x: Tensor<3>) -> Tensor<4> {
        let [_, heads, head_dim] = x.dims();
        reorder(x, self.rows.clone(), self.places.clone())
            .reshape([self.n_trees, self.longest, heads, head_dim])
            .swap_dims(1, 2)
    }

    /// Takes the rows out of padded trees.
    ///
    /// The backward pass gives padding a gradient. Padding attends only to
    /// itself and nothing else attends to it, so this gradient ends where
    /// [`Self::pad`] leaves padding out.
    ///
    /// # Shapes
    ///
    /// - `x`: `[trees, heads, longest, head_dim]`
    /// - result: `[tokens, heads · head_dim]`
    fn unpad(&self, x: Tensor<4>) -> Tensor<2> {
        let [_, heads, _, head_dim] = x.dims();
        let x = x
            .swap_dims(1, 2)
            .reshape([self.n_trees * self.longest, heads * head_dim]);
        reorder(x, self.places.clone(), self.rows.clone())
    }
}

/// Returns the RMS norm of each row.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, hidden]`
/// - `weight`: `[hidden]`
pub(crate) fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    let scale = x
        .clone()
        .square()
        .mean_dim(1)
        .add_scalar(eps)
        .sqrt()
        .recip(); // [tokens, 1]
    x * scale * weight.unsqueeze()
}

/// Applies a weight to rows.
///
/// # Shapes
///
/// - `x`: `[rows, in]`
/// - `weight`: `[out, in]`
/// - result: `[rows, out]`
fn linear(x: Tensor<2>, weight: &Tensor<2>, precision: Precision) -> Tensor<2> {
    let weight = cast_operand(weight.clone(), precision);
    matmul_transposed(cast_operand(x, precision), weight)
}

/// Attention with a mask.
///
/// # Shapes
///
/// - `query` and the result: `[batch, heads, queries, head_dim]`
/// - `key`, `value`: `[batch, kv_heads, keys, head_dim]`
/// - `masked`, true where a key is masked:
///   `[batch, 1, heads / kv_heads · queries or 1, keys]`
pub(crate) fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    masked: &Tensor<4, Bool>,
    precision: Precision,
) -> Tensor<4> {
    let [batch, heads, queries, head_dim] = query.dims();
    let [_, kv_heads, _, _] = key.dims();
    let [query, key, value] = [query, key, value].map(|it| cast_operand(it, precision));
    // Query heads that share a key head are adjacent: they become rows of it.
    let rows = heads / kv_heads * queries;
    let query = query.reshape([batch, kv_heads, rows, head_dim]);
    let score = matmul_transposed(query, key) / (head_dim as f64).sqrt();
    let prob = activation::softmax(score.mask_fill(masked.clone(), -1e30), 3);
    matmul(cast_operand(prob, precision), value).reshape([batch, heads, queries, head_dim])
}

/// Returns a sublayer's input: `x`, normed if the norms are there.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, hidden]`
/// - `norm`: `[hidden]`
fn input(x: Tensor<2>, norm: &Tensor<1>, config: &ModelConfig) -> Tensor<2> {
    match config.architecture.norms {
        NormPlacement::Input => rms_norm(x, norm.clone(), config.rms_norm_eps),
        NormPlacement::Output => x,
    }
}

/// Adds a sublayer's output to `x`, normed if the norms are there.
///
/// # Shapes
///
/// - `x`, `output` and the result: `[tokens, hidden]`
/// - `norm`: `[hidden]`
fn add(x: Tensor<2>, output: Tensor<2>, norm: &Tensor<1>, config: &ModelConfig) -> Tensor<2> {
    match config.architecture.norms {
        NormPlacement::Input => x + output,
        NormPlacement::Output => x + rms_norm(output, norm.clone(), config.rms_norm_eps),
    }
}

/// The feed-forward network.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, hidden]`
fn feed_forward(x: Tensor<2>, weights: &LayerTensors, precision: Precision) -> Tensor<2> {
    let x = cast_operand(x, precision);
    let gate = linear(x.clone(), &weights.gate, precision);
    let up = linear(x, &weights.up, precision);
    linear(activation::silu(gate) * up, &weights.down, precision)
}

/// Norms queries or keys: each head by itself, or all together, as the norm is wide.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, heads · head_dim]`
/// - `norm`: `[head_dim]` or `[heads · head_dim]`
fn norm_heads(x: Tensor<2>, norm: Option<&Tensor<1>>, eps: f64) -> Tensor<2> {
    let Some(norm) = norm else {
        return x;
    };
    let [tokens, all] = x.dims();
    let [width] = norm.dims();
    let rows = x.reshape([tokens * all / width, width]);
    rms_norm(rows, norm.clone(), eps).reshape([tokens, all])
}

/// A layer's queries, keys and values of flat tokens, as attention takes them:
/// `[tokens, heads or kv_heads, head_dim]`.
pub(crate) struct Qkv {
    pub(crate) query: Tensor<3>,
    pub(crate) key: Tensor<3>,
    pub(crate) value: Tensor<3>,
}

/// Begins a layer: returns the queries, keys and values of `x`.
///
/// # Shapes
///
/// - `x`: `[tokens, hidden]`
/// - `cos`, `sin`: `[tokens, 1, head_dim]`
pub(crate) fn project(
    x: Tensor<2>,
    weights: &LayerTensors,
    config: &ModelConfig,
    layer: usize,
    [cos, sin]: [&Tensor<3>; 2],
    precision: Precision,
) -> Qkv {
    let [tokens, _] = x.dims();
    let x = cast_operand(input(x, &weights.attention_norm, config), precision);
    let project = |weight, bias: &Option<Tensor<1>>| {
        let projected = linear(x.clone(), weight, precision);
        match bias {
            Some(bias) => projected + bias.clone().unsqueeze(),
            None => projected,
        }
    };
    let query = project(&weights.query, &weights.query_bias);
    let key = project(&weights.key, &weights.key_bias);
    let value = project(&weights.value, &weights.value_bias);
    let eps = config.rms_norm_eps;
    let query = norm_heads(query, weights.query_norm.as_ref(), eps);
    let key = norm_heads(key, weights.key_norm.as_ref(), eps);
    let apart = |x: Tensor<2>, heads| x.reshape([tokens, heads, config.head_dim]);
    let placed = |x| match config.positions[layer] {
        Positions::Rotated => rotate(x, cos, sin),
        Positions::Unknown => x,
    };
    Qkv {
        query: placed(apart(query, config.num_attention_heads)),
        key: placed(apart(key, config.num_key_value_heads)),
        value: apart(value, config.num_key_value_heads),
    }
}

/// Ends a layer: applies the output projection and the feed-forward network.
///
/// # Shapes
///
/// - `x` and the result: `[tokens, hidden]`
/// - `attended`: `[tokens, heads · head_dim]`
pub(crate) fn finish(
    x: Tensor<2>,
    attended: Tensor<2>,
    weights: &LayerTensors,
    config: &ModelConfig,
    precision: Precision,
) -> Tensor<2> {
    let output = linear(attended, &weights.output, precision);
    let x = add(x, output, &weights.attention_norm, config);
    let norm = &weights.feed_forward_norm;
    let output = feed_forward(input(x.clone(), norm, config), weights, precision);
    add(x, output, norm, config)
}

/// What composed layers need beside tensors, and how they run over the flat tokens of
/// a batch.
pub struct ComposedPlan {
    config: ModelConfig,
    precision: Precision,
    trees: PaddedTrees,
}

impl ComposedPlan {
    pub(crate) fn new(
        layout: &Layout,
        config: &ModelConfig,
        precision: Precision,
        device: &Device,
    ) -> Self {
        // Masks and positions are constants: no gradient flows through them.
        let device = device.clone().without_autodiff();
        Self {
            config: config.clone(),
            precision,
            trees: PaddedTrees::new(layout, config, &device),
        }
    }

    /// Runs one decoder layer over flat tokens.
    ///
    /// # Shapes
    ///
    /// - `x` and the result: `[tokens, hidden]`
    pub(crate) fn decoder_layer(
        &self,
        x: Tensor<2>,
        weights: &LayerTensors,
        layer: usize,
    ) -> Tensor<2> {
        self.decoder_layer_with_keys_and_values(x, weights, layer).0
    }

    /// Runs one decoder layer; also returns its keys and values.
    ///
    /// # Shapes
    ///
    /// - `x` and the first result: `[tokens, hidden]`
    /// - keys, values: `[tokens, kv_heads, head_dim]`
    pub(crate) fn decoder_layer_with_keys_and_values(
        &self,
        x: Tensor<2>,
        weights: &LayerTensors,
        layer: usize,
    ) -> (Tensor<2>, Tensor<3>, Tensor<3>) {
        let (config, precision, trees) = (&self.config, self.precision, &self.trees);
        let rotation = [&trees.cos, &trees.sin];
        let Qkv { query, key, value } =
            project(x.clone(), weights, config, layer, rotation, precision);
        let attended = attend(
            trees.pad(query),
            trees.pad(key.clone()),
            trees.pad(value.clone()),
            &trees.masked,
            precision,
        );
        let attended = trees.unpad(attended);
        let out = finish(x, attended, weights, config, precision);
        (out, key, value)
    }
}

impl fmt::Debug for ComposedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComposedPlan").finish_non_exhaustive()
    }
}

/// Returns the logits of rows.
///
/// # Shapes
///
/// - `hidden`: `[rows, hidden]`
/// - `head`: `[vocab, hidden]`
/// - result: `[rows, vocab]`
pub(crate) fn logits(hidden: Tensor<2>, head: Tensor<2>, precision: Precision) -> Tensor<2> {
    matmul_transposed(
        cast_operand(hidden, precision),
        cast_operand(head, precision),
    )
}

/// Returns the reward of each row.
///
/// # Shapes
///
/// - `hidden`: `[rows, hidden]`
/// - `score`: `[1, hidden]`
/// - result: `[rows]`
pub(crate) fn rewards(hidden: Tensor<2>, score: Tensor<2>) -> Tensor<1> {
    let [n_rows, _] = hidden.dims();
    matmul(hidden, score.transpose()).reshape([n_rows])
}

/// Returns the log-prob of each row's target, nats.
///
/// # Shapes
///
/// - `hidden`: `[rows, hidden]`
/// - `head`: `[vocab, hidden]`
/// - result: `[rows]`
pub(crate) fn log_probs(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[usize],
    precision: Precision,
) -> Tensor<1> {
    let n_rows = targets.len();
    let ids = integers(targets, &hidden.device()).reshape([n_rows, 1]);
    activation::log_softmax(logits(hidden, head, precision), 1)
        .gather(1, ids)
        .reshape([n_rows])
}

/// Makes a tensor of indices, `[indices]`.
pub(crate) fn integers(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}
