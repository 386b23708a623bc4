//! The parameters that a config implies: their names, shapes and numbers.

use apo_kernels::{LayerWeights, NormPlacement};

use super::architecture::HeadNorms;
use super::{Head, ModelConfig};

/// A parameter's name and shape.
pub(crate) type Named<const D: usize> = (&'static str, [usize; D]);

impl ModelConfig {
    /// Returns the name within its layer and the shape of each weight of a
    /// decoder layer.
    pub(crate) fn layer_weights(&self) -> LayerWeights<Named<2>, Named<1>> {
        let (hidden, intermediate) = (self.hidden_size, self.intermediate_size);
        let query = self.num_attention_heads * self.head_dim;
        let key = self.num_key_value_heads * self.head_dim;
        let architecture = self.architecture;
        let bias = |name, size| self.has_biases.then_some((name, [size]));
        let head_norm = |name, all| {
            let size = |norms| match norms {
                HeadNorms::Each => self.head_dim,
                HeadNorms::Together => all,
            };
            architecture.head_norms.map(|it| (name, [size(it)]))
        };
        let [attention_norm, feed_forward_norm] = match architecture.norms {
            NormPlacement::Input => ["input_layernorm.weight", "post_attention_layernorm.weight"],
            NormPlacement::Output => [
                "post_attention_layernorm.weight",
                "post_feedforward_layernorm.weight",
            ],
        };
        LayerWeights {
            attention_norm: (attention_norm, [hidden]),
            query: ("self_attn.q_proj.weight", [query, hidden]),
            key: ("self_attn.k_proj.weight", [key, hidden]),
            value: ("self_attn.v_proj.weight", [key, hidden]),
            query_bias: bias("self_attn.q_proj.bias", query),
            key_bias: bias("self_attn.k_proj.bias", key),
            value_bias: bias("self_attn.v_proj.bias", key),
            query_norm: head_norm("self_attn.q_norm.weight", query),
            key_norm: head_norm("self_attn.k_norm.weight", key),
            output: ("self_attn.o_proj.weight", [hidden, query]),
            feed_forward_norm: (feed_forward_norm, [hidden]),
            gate: ("mlp.gate_proj.weight", [intermediate, hidden]),
            up: ("mlp.up_proj.weight", [intermediate, hidden]),
            down: ("mlp.down_proj.weight", [hidden, intermediate]),
        }
    }

    /// Returns every parameter's name and shape, ordered by name.
    pub fn parameters(&self, head: Head) -> Vec<(String, Vec<usize>)> {
        let embedding = vec![self.vocab_size, self.hidden_size];
        let mut parameters = vec![
            ("model.embed_tokens.weight".to_owned(), embedding.clone()),
            ("model.norm.weight".to_owned(), vec![self.hidden_size]),
        ];
        let layer = self.layer_shapes();
        for i in 0..self.num_hidden_layers {
            for (name, shape) in &layer {
                parameters.push((format!("model.layers.{i}.{name}"), shape.clone()));
            }
        }
        match head {
            Head::LanguageModel if self.tie_word_embeddings => {}
            Head::LanguageModel => parameters.push(("lm_head.weight".to_owned(), embedding)),
            Head::Reward => parameters.push(("score.weight".to_owned(), vec![1, self.hidden_size])),
        }
        parameters.sort();
        parameters
    }

    fn layer_shapes(&self) -> Vec<(&'static str, Vec<usize>)> {
        let weights = self.layer_weights().map_each(
            |(name, shape)| (name, shape.to_vec()),
            |(name, shape)| (name, shape.to_vec()),
        );
        weights.into_array().into_iter().flatten().collect()
    }

    /// Returns the number of parameters.
    pub fn n_parameters(&self, head: Head) -> usize {
        let parameters = self.parameters(head).into_iter();
        parameters.map(|(_, shape)| n_elements(&shape)).sum()
    }

    /// Returns the number of elements of the largest parameter.
    pub fn largest_parameter(&self, head: Head) -> usize {
        let parameters = self.parameters(head).into_iter();
        let sizes = parameters.map(|(_, shape)| n_elements(&shape));
        sizes.max().unwrap_or(0)
    }

    /// Returns the number of parameters, with an `lm_head` and a `score`, for
    /// sizes that may overflow.
    pub(super) fn n_parameters_unbounded(&self) -> u128 {
        let n = |shape: &[usize]| shape.iter().map(|&size| size as u128).product::<u128>();
        let layers = self.layer_shapes().into_iter();
        let layer: u128 = layers.map(|(_, shape)| n(&shape)).sum();
        let embedding = n(&[self.vocab_size, self.hidden_size]);
        let (norm, score) = (self.hidden_size as u128, self.hidden_size as u128);
        2 * embedding + self.num_hidden_layers as u128 * layer + norm + score
    }
}

fn n_elements(shape: &[usize]) -> usize {
    shape.iter().product()
}
