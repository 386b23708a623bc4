//! The keys that configs are known to have: which of them change what a model
//! computes, which do not and why, and which are done only where they are off.
//!
//! The names are those of `transformers`' configs, of the tools that write
//! configs, and of published models. A key that stands in none of these tables
//! is told to the user.

use serde_json::{Map, Value};

use super::fields::{Fields, shown};

/// Keys that [`super::LlamaConfig`] reads.
const READ: &[&str] = &[
    "architectures",
    "bos_token_id",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "original_max_position_embeddings",
    "pad_token_id",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "value_head_prefix",
    "vocab_size",
];

/// Keys that change nothing that is computed here, by the reason.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "names and versions of what wrote the file",
        &[
            "_commit_hash",
            "_name_or_path",
            "finetuning_task",
            "is_llama_config",
            "license",
            "model_name",
            "name_or_path",
            "task_specific_params",
            "transformers.js_config",
            "transformers_version",
            "unsloth_fixed",
            "unsloth_version",
        ],
    ),
    (
        "the numbers that weights are stored in: each tensor says it itself",
        &["dtype", "torch_dtype", "use_bfloat16"],
    ),
    (
        "how a library computes, not what",
        &[
            "_attn_implementation",
            "_attn_implementation_autoset",
            "_attn_implementation_internal",
            "_experts_implementation",
            "_flash_attn_2_enabled",
            "attn_implementation",
            "chunk_size_feed_forward",
            "gradient_checkpointing",
            "output_attentions",
            "output_hidden_states",
            "return_dict",
            "tie_last_hidden_states",
            "torchscript",
            "use_cache",
            "use_flash_attention",
            "use_flash_attn",
            "use_return_dict",
        ],
    ),
    (
        "into how many slices older versions cut a product, whose sum is the same",
        &["pretraining_tp"],
    ),
    (
        "a role within encoder-decoder models, without effect on a decoder alone",
        &["is_decoder"],
    ),
    (
        "labels of a classifier: how many there are is seen in `score.weight`",
        &["id2label", "label2id", "num_labels", "problem_type"],
    ),
    (
        "the tokenizer's, which has files of its own",
        &[
            "add_bos_token",
            "add_eos_token",
            "decoder_start_token_id",
            "max_sequence_length",
            "model_max_length",
            "prefix",
            "sep_token_id",
            "tokenizer_class",
            "tokenizer_model_max_length",
            "tokenizer_padding_side",
            "unk_token_id",
        ],
    ),
    (
        "settings of generation, which stages take from their arguments",
        &[
            "bad_words_ids",
            "begin_suppress_tokens",
            "diversity_penalty",
            "do_sample",
            "early_stopping",
            "encoder_no_repeat_ngram_size",
            "exponential_decay_length_penalty",
            "forced_bos_token_id",
            "forced_eos_token_id",
            "length_penalty",
            "max_length",
            "max_new_tokens",
            "min_length",
            "no_repeat_ngram_size",
            "num_beam_groups",
            "num_beams",
            "num_return_sequences",
            "output_scores",
            "remove_invalid_values",
            "repetition_penalty",
            "return_dict_in_generate",
            "suppress_tokens",
            "temperature",
            "top_k",
            "top_p",
            "typical_p",
        ],
    ),
    (
        "losses and modes of libraries that are not used here",
        &["keys_to_ignore_at_inference", "loss_type", "tf_legacy_loss"],
    ),
    (
        "from which layer on windows slide, where `use_sliding_window` says that they do",
        &["max_window_layers"],
    ),
];

/// The value with which a key changes nothing, beside null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    /// None but null, and what is empty.
    Empty,
    False,
    Zero,
    One,
}

/// Keys of what is not done: refused unless they are off.
const REFUSED: &[(Off, &[&str])] = &[
    (
        Off::False,
        &[
            "add_bias_linear",
            "add_cross_attention",
            "alibi",
            "attention_bias",
            "attention_out_bias",
            "attention_qkv_bias",
            "attn_bias",
            "attn_temperature_tuning",
            "bias",
            "is_encoder_decoder",
            "lm_head_bias",
            "load_in_4bit",
            "load_in_8bit",
            "mlp_bias",
            "normalize_reward",
            "parallel_attn",
            "parallel_residual",
            "post_norm",
            "qk_layernorm",
            "qk_norm",
            "qkv_bias",
            "rope_interleave",
            "rope_interleaved",
            "rotary_interleaved",
            "sandwich_norm",
            "tie_encoder_decoder",
            "use_alibi",
            "use_bias",
            "use_mrope",
            "use_mup",
            "use_parallel_residual",
            "use_post_norm",
            "use_qk_norm",
            "use_qkv_bias",
        ],
    ),
    (
        Off::Zero,
        &[
            "attention_dropout",
            "attention_probs_dropout_prob",
            "attn_dropout",
            "attn_pdrop",
            "embd_pdrop",
            "embedding_dropout",
            "hidden_dropout",
            "hidden_dropout_prob",
            "mlp_dropout",
            "num_mtp_layers",
            "num_nextn_predict_layers",
            "resid_pdrop",
            "residual_dropout",
        ],
    ),
    (
        Off::One,
        &[
            "embedding_multiplier",
            "embedding_scale",
            "lm_head_multiplier",
            "logit_scale",
            "logits_scaling",
            "partial_rotary_factor",
            "residual_multiplier",
            "rope_ratio",
            "rotary_pct",
            "scale_emb",
        ],
    ),
    (
        Off::Empty,
        &[
            "attention_chunk_size",
            "attention_multiplier",
            "attn_logit_softcapping",
            "audio_config",
            "clip_qkv",
            "compression_config",
            "cross_attention_hidden_size",
            "dim_model_base",
            "final_logit_softcapping",
            "hidden_size_per_layer_input",
            "kv_lora_rank",
            "language_config",
            "llm_config",
            "logit_soft_cap",
            "logits_soft_cap",
            "mm_vision_tower",
            "moe_intermediate_size",
            "n_routed_experts",
            "no_rope_layer_interval",
            "no_rope_layers",
            "num_experts",
            "num_experts_per_tok",
            "num_kv_shared_layers",
            "num_local_experts",
            "per_layer_config",
            "pruned_heads",
            "q_lora_rank",
            "quant_config",
            "quantization",
            "quantization_config",
            "query_pre_attn_scalar",
            "rotary_dim",
            "scale_depth",
            "text_config",
            "vision_config",
        ],
    ),
];

impl Off {
    fn is(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => true,
            (Self::Empty, Value::Array(it)) => it.is_empty(),
            (Self::Empty, Value::Object(it)) => it.is_empty(),
            (Self::False, Value::Bool(it)) => !it,
            (Self::Zero, Value::Number(it)) => it.as_f64() == Some(0.0),
            (Self::One, Value::Number(it)) => it.as_f64() == Some(1.0),
            _ => false,
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Empty => "null",
            Self::False => "false",
            Self::Zero => "0",
            Self::One => "1",
        }
    }
}

/// Why a refused key needs more than to be named.
fn advice(name: &str) -> &'static str {
    match name {
        "quantization_config"
        | "quantization"
        | "quant_config"
        | "compression_config"
        | "load_in_4bit"
        | "load_in_8bit" => {
            "; quantised weights are not read: load the model with transformers, call \
             `dequantize()` and save it"
        }
        "text_config" | "language_config" | "llm_config" | "vision_config" | "audio_config"
        | "mm_vision_tower" => {
            "; only a language model by itself is read: save that part of the model alone"
        }
        "normalize_reward" => "; rewards would not be what the model was trained to give",
        _ if name.contains("dropout") || name.contains("pdrop") => {
            "; no dropout is done in training: write 0 to go on without"
        }
        _ => "",
    }
}

/// Refuses every key of what is not done, unless it is off.
pub(super) fn refuse(fields: &mut Fields, raw: &Map<String, Value>) {
    for (off, names) in REFUSED {
        for name in *names {
            if let Some(value) = raw.get(*name).filter(|value| !off.is(value)) {
                fields.fault(format!(
                    "`{name}` is {}, which is not supported (only {}){}",
                    shown(value),
                    off.shown(),
                    advice(name)
                ));
            }
        }
    }
}

/// Returns the keys that are not known here and say something.
pub(super) fn unknown(raw: &Map<String, Value>) -> Vec<String> {
    let known = |name: &str| {
        READ.contains(&name)
            || HARMLESS.iter().any(|(_, names)| names.contains(&name))
            || REFUSED.iter().any(|(_, names)| names.contains(&name))
    };
    let unknown = raw
        .iter()
        .filter(|(name, value)| !value.is_null() && !known(name));
    unknown.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::super::LlamaConfig;
    use super::super::tests::{object, small};
    use super::*;

    #[test]
    fn a_key_stands_in_one_table_once() {
        let harmless = HARMLESS.iter().flat_map(|(_, names)| *names);
        let refused = REFUSED.iter().flat_map(|(_, names)| *names);
        let all: Vec<&str> = READ
            .iter()
            .chain(harmless)
            .chain(refused)
            .copied()
            .collect();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn every_key_of_what_is_not_done_is_refused_with_its_value() {
        for (off, names) in REFUSED {
            for name in *names {
                let on = match off {
                    Off::False => json!(true),
                    Off::Zero => json!(0.5),
                    Off::One => json!(2.5),
                    Off::Empty => json!({"a": 16}),
                };
                let mut raw = small();
                raw.insert((*name).into(), on.clone());
                let told = LlamaConfig::from_json(raw).expect_err(name).join("; ");
                assert!(told.contains(&format!("`{name}` is {on}")), "{told}");
                for harmless in [
                    Value::Null,
                    match off {
                        Off::False => json!(false),
                        Off::Zero => json!(0.0),
                        Off::One => json!(1.0),
                        Off::Empty => json!({}),
                    },
                ] {
                    let mut raw = small();
                    raw.insert((*name).into(), harmless);
                    LlamaConfig::from_json(raw).expect(name);
                }
                // A value of another type is never taken for off.
                let mut raw = small();
                raw.insert((*name).into(), json!("none"));
                LlamaConfig::from_json(raw).expect_err(name);
            }
        }
    }

    #[test]
    fn keys_that_nobody_knows_are_named() {
        let mut raw = small();
        raw.extend(object(json!({
            "use_cache": true, "warp_factor": 9, "tokenizer_class": "A", "unset": null,
            "pretraining_tp": 2, "is_decoder": true, "another\u{9b}": [],
        })));
        let config = LlamaConfig::from_json(raw).expect("nothing is refused");
        assert_eq!(config.unknown_keys(), ["warp_factor", "another\u{9b}"]);
    }
}
