//! What a config says of attention: its sizes, and windows, which are refused.

use super::fields::{Fields, MOST_SIZE, shown};
use super::keys::WINDOWS;

/// Sizes of the attention, as [`super::LlamaConfig`] has them.
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
        let num_key_value_heads = self
            .optional_size("num_key_value_heads", MOST_SIZE)
            .unwrap_or(num_attention_heads);
        let head_dim = self
            .optional_size("head_dim", MOST_SIZE)
            .unwrap_or(hidden_size / num_attention_heads);
        // Faults that follow from a wrong size would only repeat it.
        if self.n_faults() == n_faults {
            if self.get("head_dim").is_none() && !hidden_size.is_multiple_of(num_attention_heads) {
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
        let slides = self.flag("use_sliding_window", true);
        if slides {
            let names = WINDOWS.split_whitespace();
            for name in std::iter::once("use_sliding_window").chain(names) {
                if let Some(value) = self.get(name) {
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
}
