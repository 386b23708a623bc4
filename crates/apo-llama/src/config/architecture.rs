//! The architectures that are done: what their configs and classes are called,
//! and what an absent field means. A further architecture begins here.

/// A family of models, as `transformers` knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Architecture {
    /// `model_type`
    pub model_type: &'static str,
    /// The class with a language model's head.
    pub policy_class: &'static str,
    /// The class whose head with one label is a reward.
    pub reward_class: &'static str,
    /// Other names in `architectures` that stand for a policy, or for the
    /// trunk alone.
    pub aliases: &'static [&'static str],
    /// Whether the head is the embedding where `tie_word_embeddings` is absent.
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

/// All that are done.
pub const ALL: [&Architecture; 1] = [&LLAMA];
