//! Names of tensors: prefixes that libraries add, and what tensors belong to
//! that are not parameters of the model.

use std::collections::BTreeSet;

/// Longest name shown in a message, characters.
const MOST_SHOWN: usize = 120;

/// Parts of a name that a wrapper around a module adds anywhere in it.
const WRAPPERS: [(&str, &str); 5] = [
    ("_orig_mod", "torch.compile"),
    ("module", "data parallelism or DeepSpeed"),
    ("_fsdp_wrapped_module", "FSDP"),
    ("_checkpoint_wrapped_module", "activation checkpointing"),
    ("_forward_module", "Lightning"),
];

/// Prefixes that PEFT adds to the names of the model that it adapts, and to
/// those of its inner module.
const PEFT: [&str; 2] = ["base_model.model.", "base_model."];

/// The trunk's parts, as a bare `LlamaModel` names them.
const TRUNK: [&str; 3] = ["embed_tokens.", "layers.", "norm."];

/// Formats a name for a message: without control characters, shortened.
pub(super) fn quoted(name: &str) -> String {
    crate::quoted::quoted(name, MOST_SHOWN)
}

/// Returns names as `transformers` has them, in the same order, what was removed
/// from them, and whether `model.` was added, because the base class was saved.
pub(super) fn plain(names: &[String]) -> (Vec<String>, BTreeSet<String>, bool) {
    let mut left_out = BTreeSet::new();
    let mut plain: Vec<String> = names
        .iter()
        .map(|name| unwrapped(name, &mut left_out))
        .collect();
    // A module that holds the whole model as its `model`.
    let doubled = "model.model.";
    if plain.iter().any(|name| name.starts_with(doubled))
        && plain.iter().all(|name| name.starts_with("model."))
    {
        left_out.insert("`model.`".into());
        for name in &mut plain {
            name.drain(.."model.".len());
        }
    }
    let bare = |name: &String| TRUNK.iter().any(|part| name.starts_with(part));
    let is_bare = plain.iter().any(bare) && !plain.iter().any(|name| name.starts_with("model."));
    if is_bare {
        for name in plain.iter_mut().filter(|name| bare(name)) {
            name.insert_str(0, "model.");
        }
    }
    (plain, left_out, is_bare)
}

fn unwrapped(name: &str, left_out: &mut BTreeSet<String>) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('.') {
        match WRAPPERS.iter().find(|(wrapper, _)| *wrapper == part) {
            None => parts.push(part),
            Some((_, by)) => {
                left_out.insert(format!("`{part}.` ({by})"));
            }
        }
    }
    let mut plain = parts.join(".");
    while let Some(prefix) = PEFT.into_iter().find(|it| plain.starts_with(it)) {
        left_out.insert(format!("`{prefix}` (PEFT)"));
        plain.drain(..prefix.len());
    }
    plain
}

/// What tensors that are not a parameter of the model belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Foreign {
    /// Layers beyond those of the config.
    Layers,
    /// A head other than a linear one with one label.
    Head,
    /// Another reason, as the end of a sentence.
    Other(&'static str),
    /// Unknown.
    Unknown,
}

/// Parts of names, and the feature of tensors that have them.
const FOREIGN: &[(&[&str], &str)] = &[
    (
        &[
            "lora_",
            ".base_layer.",
            "modules_to_save",
            "original_module",
            "ia3_l",
        ],
        "an adapter that is not merged: call PEFT's `merge_and_unload()` and save the model",
    ),
    (
        &[
            ".qweight",
            ".qzeros",
            ".scales",
            ".g_idx",
            ".absmax",
            ".quant_map",
            "quant_state",
            ".SCB",
            ".weight_format",
            ".weight_packed",
            ".weight_shape",
            "_scale",
            "zero_point",
        ],
        "quantised weights, which are not read: call transformers' `dequantize()` and save the \
         model",
    ),
    (
        &[
            "vision_tower",
            "vision_model",
            "visual.",
            "multi_modal_projector",
            "mm_projector",
            "audio_tower",
            "image_newline",
        ],
        "a model of images or sound: save its language model alone",
    ),
    (
        &["q_norm.", "k_norm.", "q_layernorm.", "k_layernorm."],
        "norms of queries and keys, which the config's `model_type` does not have",
    ),
    (
        &["feedforward_layernorm."],
        "norms around the feed-forward network, which the config's `model_type` does not have",
    ),
    (
        &[".experts.", "block_sparse_moe", ".router.", ".mlp.gate."],
        "a mixture of experts, which is not supported",
    ),
    (&["exp_avg", "optimizer"], "an optimiser's state"),
];

/// Parts of names of heads, on top of a trunk or instead of it.
const HEADS: [&str; 9] = [
    "v_head",
    "value_head",
    "reward_head",
    "regression_head",
    "regression_layer",
    "rm_head",
    "gating",
    "qa_outputs",
    "classifier",
];

/// Says what a tensor that is not a parameter of the model belongs to.
pub(super) fn foreign(name: &str, num_hidden_layers: usize) -> Foreign {
    let layer = name
        .strip_prefix("model.layers.")
        .and_then(|rest| rest.split('.').next())
        .and_then(|layer| layer.parse::<usize>().ok());
    if layer.is_some_and(|layer| layer >= num_hidden_layers) {
        return Foreign::Layers;
    }
    let has = |part: &&str| name.contains(part);
    if let Some((_, what)) = FOREIGN.iter().find(|(parts, _)| parts.iter().any(has)) {
        return Foreign::Other(what);
    }
    let is_of_score = name.strip_prefix("score.");
    let is_of_score = is_of_score.is_some_and(|it| !["weight", "bias"].contains(&it));
    if HEADS.iter().any(has) || is_of_score {
        return Foreign::Head;
    }
    if name.rsplit('.').next() == Some("bias") {
        return Foreign::Other(
            "biases, which a model of this config does not have here (`attention_out_bias`, \
             `mlp_bias` and LLaMA's `attention_bias` are not supported)",
        );
    }
    if name.starts_with("encoder.") || name.starts_with("decoder.") {
        return Foreign::Other("an encoder or a decoder of another architecture");
    }
    Foreign::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_left_out_wherever_they_stand() {
        for (name, expected) in [
            ("model.norm.weight", "model.norm.weight"),
            ("_orig_mod.model.norm.weight", "model.norm.weight"),
            ("module.lm_head.weight", "lm_head.weight"),
            ("module._orig_mod.model.norm.weight", "model.norm.weight"),
            ("base_model.model.model.norm.weight", "model.norm.weight"),
            ("_orig_mod.base_model.model.score.weight", "score.weight"),
            ("base_model.lm_head.weight", "lm_head.weight"),
            (
                "model.layers.0._orig_mod.mlp.up_proj.weight",
                "model.layers.0.mlp.up_proj.weight",
            ),
            (
                "_fsdp_wrapped_module.model.layers.1._checkpoint_wrapped_module.input_layernorm.weight",
                "model.layers.1.input_layernorm.weight",
            ),
        ] {
            let mut left_out = BTreeSet::new();
            assert_eq!(unwrapped(name, &mut left_out), expected);
            assert_eq!(
                left_out.is_empty(),
                name == expected,
                "{name}: {left_out:?}"
            );
        }
    }

    #[test]
    fn a_bare_trunk_and_a_doubled_model_get_their_names() {
        let names = |of: &[&str]| of.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let whole = [
            "model.embed_tokens.weight",
            "model.layers.0.x",
            "model.norm.weight",
        ];
        let bare = names(&["embed_tokens.weight", "layers.0.x", "norm.weight"]);
        assert_eq!(plain(&bare).0, whole);
        let doubled = names(&[
            "model.model.embed_tokens.weight",
            "model.model.layers.0.x",
            "model.lm_head.weight",
        ]);
        let expected = [
            "model.embed_tokens.weight",
            "model.layers.0.x",
            "lm_head.weight",
        ];
        assert_eq!(plain(&doubled).0, expected);
    }
}
