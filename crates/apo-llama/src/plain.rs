//! The model's arithmetic as a plain composition of Burn's operators: the
//! definition, and what runs on every device without kernels of ours.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation};

use crate::config::LlamaConfig;
use crate::model::{DecoderLayer, Norm};
use crate::tree::Layout;

/// Attention's view of a batch on a device without kernels: trees padded to
/// the longest.
pub(crate) struct PaddedTrees {
    /// The row of each padded place, `[trees · longest]`; padding names row 0.
    rows: Tensor<1, Int>,
    /// The padded place of each row, `[tokens]`.
    places: Tensor<1, Int>,
    /// True where a key is hidden from a query, `[trees, 1, longest, longest]`.
    hidden: Tensor<4, Bool>,
    /// `[tokens, 1, head_dim]`
    cos: Tensor<3>,
    /// `[tokens, 1, head_dim]`
    sin: Tensor<3>,
    n_trees: usize,
    longest: usize,
}

impl PaddedTrees {
    pub(crate) fn new(layout: &Layout, config: &LlamaConfig, device: &Device) -> Self {
        let longest = layout
            .trees
            .iter()
            .map(ExactSizeIterator::len)
            .max()
            .unwrap_or(0);
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
        let mut hidden = vec![true; n_trees * longest * longest];
        for tree in 0..n_trees {
            for i in 0..longest {
                // Padding sees itself, so that its softmax stays finite.
                hidden[(tree * longest + i) * longest + i] = false;
            }
        }
        for segment in &layout.segments {
            let first = layout.trees[segment.tree].start;
            for row in segment.rows.clone() {
                let seen = segment.prompt.clone().into_iter().flatten();
                for key in seen.chain(segment.rows.start..=row) {
                    let query = segment.tree * longest + (row - first);
                    hidden[query * longest + (key - first)] = false;
                }
            }
        }
        Self {
            rows: Tensor::from_data(TensorData::new(rows, [n_trees * longest]), device),
            places: Tensor::from_data(TensorData::new(places, [n_tokens]), device),
            hidden: Tensor::from_data(
                TensorData::new(hidden, [n_trees, 1, longest, longest]),
                device,
            ),
            cos: both_halves(&layout.cos, config, device),
            sin: both_halves(&layout.sin, config, device),
            n_trees,
            longest,
        }
    }

    /// `[tokens, heads, head_dim]` to `[trees, heads, longest, head_dim]`.
    fn pad(&self, x: Tensor<3>) -> Tensor<4> {
        let [_, heads, head_dim] = x.dims();
        x.select(0, self.rows.clone())
            .reshape([self.n_trees, self.longest, heads, head_dim])
            .swap_dims(1, 2)
    }
}

/// Repeats rotations `[positions, head_dim / 2]` for both halves of a head:
/// `[positions, 1, head_dim]`.
pub(crate) fn both_halves(of: &[f32], config: &LlamaConfig, device: &Device) -> Tensor<3> {
    let half = config.head_dim / 2;
    let rows = of.chunks_exact(half);
    let shape = [rows.len(), 1, config.head_dim];
    let data: Vec<f32> = rows
        .flat_map(|row| row.iter().chain(row).copied())
        .collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// RMS norm of each row of `[tokens, hidden]`.
pub(crate) fn rms_norm(x: Tensor<2>, norm: &Norm, eps: f64) -> Tensor<2> {
    let scale = x
        .clone()
        .square()
        .mean_dim(1)
        .add_scalar(eps)
        .sqrt()
        .recip(); // [tokens, 1]
    x * scale * norm.weight.val().unsqueeze()
}

/// Turns `[tokens, heads, head_dim]` by each row's position.
fn rotate(x: Tensor<3>, cos: &Tensor<3>, sin: &Tensor<3>) -> Tensor<3> {
    let [_, _, head_dim] = x.dims();
    let first = x.clone().narrow(2, 0, head_dim / 2);
    let second = x.clone().narrow(2, head_dim / 2, head_dim / 2);
    x * cos.clone() + Tensor::cat(vec![second.neg(), first], 2) * sin.clone()
}

/// Repeats key or value heads for the query heads that share them.
pub(crate) fn repeat_heads(x: Tensor<4>, group: usize) -> Tensor<4> {
    let [batch, kv_heads, time, head_dim] = x.dims();
    x.reshape([batch, kv_heads, 1, time, head_dim])
        .expand([batch, kv_heads, group, time, head_dim])
        .reshape([batch, kv_heads * group, time, head_dim])
}

/// Attention with a mask of what is hidden: query, key and value are
/// `[batch, heads, time, head_dim]`.
pub(crate) fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    hidden: &Tensor<4, Bool>,
) -> Tensor<4> {
    let [_, _, _, head_dim] = query.dims();
    let score = query.matmul(key.transpose()) / (head_dim as f64).sqrt();
    let prob = activation::softmax(score.mask_fill(hidden.clone(), -1e30), 3);
    prob.matmul(value)
}

/// The feed-forward half of a layer, its residual added.
fn feed_forward(x: Tensor<2>, layer: &DecoderLayer, eps: f64) -> Tensor<2> {
    let normed = rms_norm(x.clone(), &layer.post_attention_layernorm, eps);
    let gate = activation::silu(layer.mlp.gate_proj.project(normed.clone()));
    x + layer
        .mlp
        .down_proj
        .project(gate * layer.mlp.up_proj.project(normed))
}

/// A layer's queries, keys and values of flat tokens, turned by position:
/// `[tokens, heads or kv_heads, head_dim]`.
pub(crate) struct Projected {
    pub(crate) query: Tensor<3>,
    pub(crate) key: Tensor<3>,
    pub(crate) value: Tensor<3>,
}

pub(crate) fn project(
    x: Tensor<2>,
    layer: &DecoderLayer,
    config: &LlamaConfig,
    cos: &Tensor<3>,
    sin: &Tensor<3>,
) -> Projected {
    let [tokens, _] = x.dims();
    let normed = rms_norm(x, &layer.input_layernorm, config.rms_norm_eps);
    let split = |x: Tensor<2>, heads| x.reshape([tokens, heads, config.head_dim]);
    let attention = &layer.self_attn;
    let query = split(
        attention.q_proj.project(normed.clone()),
        config.num_attention_heads,
    );
    let key = split(
        attention.k_proj.project(normed.clone()),
        config.num_key_value_heads,
    );
    let value = split(attention.v_proj.project(normed), config.num_key_value_heads);
    Projected {
        query: rotate(query, cos, sin),
        key: rotate(key, cos, sin),
        value,
    }
}

/// Ends a layer: the output projection of what was attended,
/// `[tokens, heads · head_dim]`, and the feed-forward network.
pub(crate) fn finish(
    x: Tensor<2>,
    attended: Tensor<2>,
    layer: &DecoderLayer,
    eps: f64,
) -> Tensor<2> {
    feed_forward(x + layer.self_attn.o_proj.project(attended), layer, eps)
}

/// One decoder layer over flat tokens, `[tokens, hidden]`; gives its keys and
/// values too.
pub(crate) fn decoder_layer(
    x: Tensor<2>,
    layer: &DecoderLayer,
    config: &LlamaConfig,
    trees: &PaddedTrees,
) -> (Tensor<2>, Tensor<3>, Tensor<3>) {
    let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
    let Projected { query, key, value } = project(x.clone(), layer, config, &trees.cos, &trees.sin);
    let group = heads / kv_heads;
    let attended = attend(
        trees.pad(query),
        repeat_heads(trees.pad(key.clone()), group),
        repeat_heads(trees.pad(value.clone()), group),
        &trees.hidden,
    );
    let attended = attended
        .swap_dims(1, 2)
        .reshape([trees.n_trees * trees.longest, heads * config.head_dim])
        .select(0, trees.places.clone());
    (finish(x, attended, layer, config.rms_norm_eps), key, value)
}

/// Log-probs of targets, `[rows]`, from `hidden` `[rows, hidden]` and `head`
/// `[vocab, hidden]`, in slices of rows.
pub(crate) fn log_probs(hidden: Tensor<2>, head: Tensor<2>, targets: &[usize]) -> Tensor<1> {
    const ROWS: usize = 256;
    let device = hidden.device();
    let slices = targets
        .chunks(ROWS)
        .enumerate()
        .map(|(i, targets)| {
            let rows = hidden.clone().narrow(0, i * ROWS, targets.len());
            let logits = rows.matmul(head.clone().transpose());
            let ids: Vec<i32> = targets.iter().map(|&id| id as i32).collect();
            let ids =
                Tensor::<2, Int>::from_data(TensorData::new(ids, [targets.len(), 1]), &device);
            activation::log_softmax(logits, 1)
                .gather(1, ids)
                .reshape([targets.len()])
        })
        .collect();
    Tensor::cat(slices, 0)
}
