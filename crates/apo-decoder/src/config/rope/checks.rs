//! Checks a rotary embedding's settings together, after they are read.

use super::{ORIGINAL, Rope, Scaling};
use crate::config::fields::Fields;

impl Rope {
    /// Checks that every frequency is usable.
    pub(in crate::config) fn check(&self, fields: &mut Fields, head_dim: usize) {
        let frequencies = self.inverse_frequencies(head_dim);
        let computed = |&it: &f64| (it as f32).is_finite() && it as f32 >= f32::MIN_POSITIVE;
        if let Some(other) = frequencies.into_iter().find(|it| !computed(it)) {
            fields.fault(format!(
                "the rope settings give a frequency of {other:e}, which is unusable"
            ));
        }
    }

    /// Returns what `transformers` warns of: usable settings that contradict
    /// each other.
    pub(in crate::config) fn notes(&self, max_position_embeddings: usize) -> Vec<String> {
        let most = max_position_embeddings as f64;
        match &self.scaling {
            Scaling::Llama3(it) if it.original_max_position_embeddings >= most => vec![format!(
                "the rope's `{ORIGINAL}` {} is not below `max_position_embeddings` {most}",
                it.original_max_position_embeddings
            )],
            Scaling::Yarn(it) => {
                let stretched = most / it.original_max_position_embeddings;
                if stretched == it.factor || stretched == 1.0 {
                    return Vec::new();
                }
                vec![format!(
                    "the rope's `factor` is {}, but `max_position_embeddings` {most} is \
                     {stretched} times its `{ORIGINAL}` {}; the factor is used",
                    it.factor, it.original_max_position_embeddings
                )]
            }
            _ => Vec::new(),
        }
    }
}
