//! The supported architectures: the names of their configs and classes, and the
//! meaning of an absent field. To support another one, begin here.

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
