//! The supported architectures: the names of their configs and classes, and the
//! meaning of an absent field. To support another one, begin here.

use serde_json::Value;

use super::fields::{Fields, shown};

/// A family of models, as `transformers` knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Architecture {
    /// `model_type`
    pub model_type: &'static str,
    /// The class with a language model's head.
    pub policy_class: &'static str,
    /// The class with a head of one label: a reward model.
    pub reward_class: &'static str,
    /// Other names in `architectures` of a policy, or of only the trunk.
    pub aliases: &'static [&'static str],
    /// Whether the head is tied to the embedding if `tie_word_embeddings` is
    /// absent.
    pub ties: bool,
}

/// `models/llama` of `transformers`.
pub const LLAMA: Architecture = Architecture {
    model_type: "llama",
    policy_class: "LlamaForCausalLM",
    reward_class: "LlamaForSequenceClassification",
    aliases: &["LLaMAForCausalLM", "LlamaModel"],
    ties: false,
};

/// All supported architectures.
pub const ALL: [&Architecture; 1] = [&LLAMA];

impl Fields<'_> {
    /// Returns the family of models, or LLaMA after a fault.
    pub(super) fn architecture(&mut self) -> &'static Architecture {
        let of_type = |name: &str| ALL.into_iter().find(|it| it.model_type == name);
        let all = ALL.map(|it| format!("`{}`", it.model_type)).join(" or ");
        let found = match self.get("model_type") {
            None => {
                self.fault(format!("`model_type` is missing, expected {all}"));
                None
            }
            Some(value) => {
                let found = value.as_str().and_then(of_type);
                if found.is_none() {
                    self.fault(format!(
                        "`model_type` is {}, which is not supported (only {all})",
                        shown(value)
                    ));
                }
                found
            }
        };
        let architecture = found.unwrap_or(&LLAMA);
        let Some(value) = self.get("architectures") else {
            return architecture;
        };
        let one = match value {
            Value::Array(names) if names.len() == 1 => names[0].as_str(),
            _ => None,
        };
        let known = one.is_some_and(|name| {
            [architecture.policy_class, architecture.reward_class].contains(&name)
                || architecture.aliases.contains(&name)
        });
        if !known {
            self.fault(format!(
                "`architectures` is {}, which is not supported (only [\"{}\"] or [\"{}\"])",
                shown(value),
                architecture.policy_class,
                architecture.reward_class
            ));
        }
        architecture
    }
}
