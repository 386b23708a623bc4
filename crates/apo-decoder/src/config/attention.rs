//! What a config says of attention: its sizes, and windows, which are refused.

use apo_kernels::Positions;
use serde_json::{Value, json};

use super::architecture::Defaults;
use super::fields::{Fields, MOST_SIZE, shown};
use super::keys::WINDOWS;

/// Sizes of the attention, as [`super::ModelConfig`] has them.
pub(super) struct Attention {
    pub(super) hidden_size: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_key_value_heads: usize,
    pub(super) head_dim: usize,
}

impl Fields<'_> {
    /// Reads the sizes of the attention, and checks that they go together.
    pub(super) fn attention(&mut self) -> Attention {
        let n_faults = self.n_faults();
        let hidden_size = self.size("hidden_size", MOST_SIZE);
        let num_attention_heads = self.size("num_attention_heads", MOST_SIZE);
        let defaults = &self.architecture.defaults;
        // As in `transformers`, null means as many as query heads.
        let kv_heads = defaults
            .kv_heads
            .filter(|_| !self.has("num_key_value_heads"));
        let own_default = defaults.head_dim;
        let num_key_value_heads = self
            .optional_size("num_key_value_heads", MOST_SIZE)
            .or(kv_heads)
            .unwrap_or(num_attention_heads);
        let head_dim = self.optional_size("head_dim", MOST_SIZE).or(own_default);
        let is_share = head_dim.is_none();
        let head_dim = head_dim.unwrap_or(hidden_size / num_attention_heads);
        // Faults that follow from a wrong size would only repeat it.
        if self.n_faults() == n_faults {
            if is_share && !hidden_size.is_multiple_of(num_attention_heads) {
                self.fault(format!(
                    "`hidden_size` {hidden_size} is not a multiple of `num_attention_heads` \
                     {num_attention_heads}, and there is no `head_dim`"
                ));
            } else if head_dim == 0 || head_dim % 2 == 1 {
                self.fault(format!("`head_dim` is {head_dim}, expected an even number"));
            }
            if !num_attention_heads.is_multiple_of(num_key_value_heads) {
                self.fault(format!(
                    "`num_attention_heads` {num_attention_heads} is not a multiple of \
                     `num_key_value_heads` {num_key_value_heads}"
                ));
            }
        }
        Attention {
            hidden_size,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
        }
    }

    /// Refuses attention to a window of the context, in all the ways that
    /// configs express it.
    pub(super) fn windows(&mut self, num_hidden_layers: usize) {
        let Defaults {
            uses_window,
            window,
            ..
        } = self.architecture.defaults;
        // A class whose windows are on by default does not read the flag.
        let slides = self.flag("use_sliding_window", uses_window) || window.is_some();
        if slides {
            if let Some(window) = window
                && !self.has("sliding_window")
            {
                let name = self.architecture.name;
                self.fault(format!(
                    "`sliding_window` is missing, which means {window} in {name}; attention to a \
                     window is not supported (only null)"
                ));
            }
            let names = WINDOWS.split_whitespace();
            for name in std::iter::once("use_sliding_window").chain(names) {
                if let Some(value) = self.get(name).filter(|it| **it != json!(false)) {
                    self.fault(format!(
                        "`{name}` is {}, which is not supported (only null, or \
                         `use_sliding_window` false)",
                        shown(value)
                    ));
                }
            }
        }
        let Some(value) = self.get("layer_types") else {
            return;
        };
        let full = value.as_array().is_some_and(|types| {
            types.len() == num_hidden_layers && types.iter().all(|it| it == "full_attention")
        });
        if !full {
            self.fault(format!(
                "`layer_types` is {}, which is not supported (only \"full_attention\" for each \
                 of the {num_hidden_layers} layers)",
                shown(value)
            ));
        }
    }

    /// Reads which layers do not rotate queries and keys.
    pub(super) fn positions(&mut self, num_hidden_layers: usize) -> Vec<Positions> {
        let all = vec![Positions::Rotated; num_hidden_layers];
        if !self.architecture.has_unrotated_layers {
            return all;
        }
        let interval = self.optional_size("no_rope_layer_interval", MOST_SIZE);
        let Some(value) = self.get("no_rope_layers") else {
            let interval = interval.unwrap_or(4);
            let layers = 1..=num_hidden_layers;
            let of_layer = |layer: usize| {
                if layer.is_multiple_of(interval) {
                    Positions::Unknown
                } else {
                    Positions::Rotated
                }
            };
            return layers.map(of_layer).collect();
        };
        let read = |value: &Value| match value.as_u64() {
            Some(1) => Some(Positions::Rotated),
            Some(0) => Some(Positions::Unknown),
            _ => None,
        };
        let layers = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let found: Option<Vec<Positions>> = layers.iter().map(read).collect();
        found
            .filter(|it| it.len() == num_hidden_layers)
            .unwrap_or_else(|| {
                self.fault(format!(
                    "`no_rope_layers` is {}, expected 1 or 0 for each of the {num_hidden_layers} \
                     layers",
                    shown(value)
                ));
                all
            })
    }
}
