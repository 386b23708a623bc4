//! The known keys of configs: those that change what a model computes and are
//! supported, those that are not and why, and those that are accepted only
//! while they are off.
//!
//! The names come from `transformers`' configs, from tools that write configs,
//! and from published models. A key in none of these tables is reported to the
//! user.

mod harmless;
mod refused;

use serde_json::{Map, Value};

use super::fields::{Fields, quoted, shown};
use harmless::{HARMLESS, TOKENS};
pub(super) use refused::WINDOWS;
use refused::{BEGINNINGS, ENDS, REFUSED};

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
    "tie_word_embeddings",
    "use_sliding_window",
    "value_head_prefix",
    "vocab_size",
];

/// Settings, and their names in other architectures. `transformers` reads
/// LLaMA's own name, so another name beside it must not differ.
const SYNONYMS: &[(&str, &str)] = &[
    (
        "head_dim",
        "attention_head_dim attention_key_size d_head d_kv dim_head head_size kv_channels \
         qk_head_dim qk_rope_head_dim rope_head_dim v_head_dim",
    ),
    (
        "hidden_act",
        "act_fn activation activation_fn activation_function decoder_hidden_act ffn_act_fn \
         mlp_activation mlp_hidden_act",
    ),
    (
        "hidden_size",
        "attention_hidden_size backbone_hidden_size d_model dim embed_dim hidden_dim model_dim \
         n_embd",
    ),
    (
        "intermediate_size",
        "d_ff decoder_ffn_dim dim_ff ffn_dim ffn_hidden_size intermediate_dim mlp_hidden_size \
         n_inner",
    ),
    (
        "num_attention_heads",
        "attention_heads decoder_attention_heads decoder_num_attention_heads n_head n_heads \
         num_heads",
    ),
    (
        "num_hidden_layers",
        "decoder_layers decoder_num_hidden_layers layers n_layer n_layers num_blocks num_layers",
    ),
    (
        "num_key_value_heads",
        "decoder_num_key_value_heads kv_n_heads n_head_kv n_kv_heads num_kv_heads \
         num_query_groups",
    ),
    (
        "rms_norm_eps",
        "eps layer_norm_eps layer_norm_epsilon layernorm_eps layernorm_epsilon norm_eps \
         norm_epsilon rms_eps rms_norm_epsilon",
    ),
    (
        "rope_theta",
        "global_rope_theta layer_rope_theta local_rope_theta rope_base rope_freq_base \
         rope_local_base_freq rotary_base rotary_emb_base rotary_embedding_base",
    ),
    (
        "tie_word_embeddings",
        "share_embeddings share_input_output_embed tie_embedding tie_embeddings tie_lm_head \
         tie_weights tie_word_embedding tied_embeddings weight_tying",
    ),
    ("vocab_size", "n_vocab padded_vocab_size text_vocab_size"),
];

/// The value, beside null, with which a key changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    /// Only null and empty values.
    Empty,
    False,
    True,
    Zero,
    One,
    /// Null, false, 0 and empty values.
    Blank,
    /// One of these words, in any case.
    Word(&'static str),
}

impl Off {
    fn is(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => true,
            (Self::Empty | Self::Blank, Value::Array(it)) => it.is_empty(),
            (Self::Empty | Self::Blank, Value::Object(it)) => it.is_empty(),
            (Self::Blank, Value::String(it)) => it.is_empty(),
            (Self::False | Self::Blank, Value::Bool(it)) => !it,
            (Self::True, Value::Bool(it)) => *it,
            (Self::Zero | Self::Blank, Value::Number(it)) => it.as_f64() == Some(0.0),
            (Self::One, Value::Number(it)) => it.as_f64() == Some(1.0),
            // One number for each of several things.
            (Self::One, Value::Array(it)) => it.iter().all(|it| it.as_f64() == Some(1.0)),
            (Self::Word(words), Value::String(it)) => {
                let mut words = words.split_whitespace();
                words.any(|word| word.eq_ignore_ascii_case(it))
            }
            _ => false,
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Empty => "null",
            Self::False => "false",
            Self::True => "true",
            Self::Zero => "0",
            Self::One => "1",
            Self::Blank => "null, false, 0 or empty",
            Self::Word(words) => words.split_whitespace().next().unwrap_or_default(),
        }
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It is read, or checked together with a key that is read.
    Read,
    Harmless,
    /// Another name of this setting.
    Synonym(&'static str),
    /// It is refused unless it is off; it belongs to this feature, if known.
    Refused(Off, Option<&'static str>),
}

fn has(words: &str, name: &str) -> bool {
    words.split_whitespace().any(|word| word == name)
}

/// Looks up a key, by its whole name before its parts.
fn known(name: &str) -> Option<Known> {
    if READ.contains(&name) || has(WINDOWS, name) {
        return Some(Known::Read);
    }
    if HARMLESS.iter().any(|(_, names)| has(names, name)) {
        return Some(Known::Harmless);
    }
    if let Some((field, _)) = SYNONYMS.iter().find(|(_, names)| has(names, name)) {
        return Some(Known::Synonym(field));
    }
    if let Some((off, _)) = REFUSED.iter().find(|(_, names)| has(names, name)) {
        return Some(Known::Refused(*off, None));
    }
    if TOKENS.iter().any(|end| name.ends_with(end)) {
        return Some(Known::Harmless);
    }
    if is_dropout(name) {
        return Some(Known::Refused(Off::Zero, None));
    }
    let parts = |fits: fn(&str, &str) -> bool| {
        move |(_, _, parts): &&(&str, Off, &str)| {
            parts.split_whitespace().any(|part| fits(name, part))
        }
    };
    let begins = parts(|name, part| name.starts_with(part));
    let ends = parts(|name, part| name.ends_with(part));
    let found = ENDS
        .iter()
        .find(ends)
        .or_else(|| BEGINNINGS.iter().find(begins));
    found.map(|(what, off, _)| Known::Refused(*off, Some(what)))
}

fn is_dropout(name: &str) -> bool {
    ["dropout", "pdrop", "layerdrop", "drop_path"]
        .iter()
        .any(|part| name.contains(part))
}

/// Why a refused key needs an explanation.
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
        _ if is_dropout(name) => {
            "; training applies no dropout: set it to 0 to continue without it"
        }
        _ => "",
    }
}

/// Refuses every key of an unsupported feature, unless it is off.
pub(super) fn refuse(fields: &mut Fields, raw: &Map<String, Value>) {
    for (name, value) in raw {
        let Some(Known::Refused(off, what)) = known(name) else {
            continue;
        };
        if off.is(value) {
            continue;
        }
        let what = what.map_or(String::new(), |what| format!(": it belongs to {what}"));
        fields.fault(format!(
            "{} is {}, which is not supported (only {}){what}{}",
            quoted(name),
            shown(value),
            off.shown(),
            advice(name)
        ));
    }
}

/// Refuses other names of settings whose value differs from the one in use;
/// `used` gives a setting's value.
pub(super) fn refuse_synonyms(
    fields: &mut Fields,
    raw: &Map<String, Value>,
    used: impl Fn(&str) -> Value,
) {
    for (name, value) in raw {
        let Some(Known::Synonym(field)) = known(name) else {
            continue;
        };
        let used = used(field);
        let same = match (value, &used) {
            (Value::Null, _) => true,
            (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
            // Either of the names of `hidden_act`.
            (Value::String(one), Value::String(_)) => has("silu swish swiglu", one),
            (one, other) => one == other,
        };
        if !same {
            fields.fault(format!(
                "{} is {}, but `{field}`, which is the one that `transformers` reads, is {used}{}; \
                 set `{field}` to the value you mean and remove {}",
                quoted(name),
                shown(value),
                if raw.get(field).is_none_or(Value::is_null) {
                    " by default"
                } else {
                    ""
                },
                quoted(name)
            ));
        }
    }
}

/// Returns the unknown keys that are not empty.
pub(super) fn unknown(raw: &Map<String, Value>) -> Vec<String> {
    let unknown = raw
        .iter()
        .filter(|(name, value)| !value.is_null() && known(name).is_none());
    unknown.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::super::LlamaConfig;
    use super::super::tests::{object, small};
    use super::*;

    fn words<'a>(tables: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let words = tables.into_iter().flat_map(str::split_whitespace);
        words.collect()
    }

    #[test]
    fn a_key_stands_in_one_table_once() {
        let mut all = READ.to_vec();
        all.extend(words(HARMLESS.iter().map(|(_, names)| *names)));
        all.extend(words(REFUSED.iter().map(|(_, names)| *names)));
        all.extend(words(SYNONYMS.iter().map(|(_, names)| *names)));
        all.extend(words([WINDOWS]));
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        for name in &distinct {
            assert_eq!(all.iter().filter(|it| it == &name).count(), 1, "{name}");
        }
    }

    #[test]
    fn every_key_of_a_decoder_in_transformers_is_known() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/keys/keys.json");
        let page = std::fs::read_to_string(path).expect("a fixture");
        let page: Value = serde_json::from_str(&page).expect("JSON");
        let names = page["keys"].as_array().expect("a list");
        assert!(names.len() > 600, "{}", names.len());
        let unknown: Vec<&str> = names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| known(name).is_none())
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    /// Reads the small config with one more key.
    fn with(name: &str, value: &Value) -> Result<LlamaConfig, String> {
        let mut raw = small();
        raw.insert(name.into(), value.clone());
        LlamaConfig::from_json(raw).map_err(|faults| faults.join("; "))
    }

    #[test]
    fn every_key_of_what_is_not_done_is_refused_with_its_value() {
        let parts = BEGINNINGS.iter().flat_map(|(_, off, parts)| {
            let parts = parts.split_whitespace();
            parts.map(|part| (*off, format!("{part}x")))
        });
        let ends = ENDS.iter().flat_map(|(_, off, parts)| {
            let parts = parts.split_whitespace();
            parts.map(|part| (*off, format!("x{part}")))
        });
        let whole = REFUSED.iter().flat_map(|(off, names)| {
            let names = names.split_whitespace();
            names.map(|name| (*off, name.to_owned()))
        });
        for (off, name) in whole.chain(parts).chain(ends) {
            let (on, harmless) = match off {
                Off::False => (json!(true), json!(false)),
                Off::True => (json!(false), json!(true)),
                Off::Zero => (json!(0.5), json!(0.0)),
                Off::One => (json!(2.5), json!(1.0)),
                Off::Empty => (json!({"a": 16}), json!({})),
                Off::Blank => (json!(16), json!(0)),
                Off::Word(words) => (json!("other"), json!(words.split(' ').next())),
            };
            let told = with(&name, &on).expect_err(&name);
            assert!(told.contains(&format!("`{name}` is {on}")), "{told}");
            for harmless in [Value::Null, harmless] {
                with(&name, &harmless).unwrap_or_else(|told| panic!("{name}: {told}"));
            }
            // A value of another type never counts as off.
            with(&name, &json!("something")).expect_err(&name);
        }
    }

    #[test]
    fn another_name_of_a_setting_may_only_say_the_same() {
        for (name, same, other) in [
            ("n_embd", json!(32), json!(64)),
            ("n_layer", json!(2), json!(3)),
            ("num_heads", json!(4), json!(8)),
            ("num_kv_heads", json!(4), json!(1)),
            ("head_size", json!(8), json!(16)),
            ("v_head_dim", json!(8), json!(4)),
            ("ffn_dim", json!(88), json!(128)),
            ("padded_vocab_size", json!(128), json!(192)),
            ("rotary_emb_base", json!(10_000), json!(500_000)),
            ("rope_base", json!(1e4), json!(1e6)),
            ("rotary_base", json!(10_000.0), json!("10000")),
            ("norm_eps", json!(1e-6), json!(1e-5)),
            ("layer_norm_eps", json!(0.000_001), json!(1e-12)),
            ("tie_embeddings", json!(false), json!(true)),
            ("activation_function", json!("swish"), json!("gelu_new")),
            ("mlp_hidden_act", json!("silu"), json!("relu2")),
        ] {
            with(name, &same).unwrap_or_else(|told| panic!("{name}: {told}"));
            with(name, &Value::Null).unwrap_or_else(|told| panic!("{name}: {told}"));
            let told = with(name, &other).expect_err(name);
            assert!(
                told.contains(&format!("`{name}` is {other}, but `")),
                "{told}"
            );
        }
        let mut raw = small();
        raw.extend(object(
            json!({"rope_theta": 5e5, "rotary_emb_base": 500_000}),
        ));
        LlamaConfig::from_json(raw).expect("they are the same");
    }

    #[test]
    fn settings_of_other_attention_and_norms_are_refused_by_their_value() {
        for (name, off, on) in [
            ("position_embedding_type", json!("rope"), json!("alibi")),
            (
                "position_embedding_type",
                json!("rotary"),
                json!("absolute"),
            ),
            ("rope_type", json!("default"), json!("yarn")),
            ("norm_type", json!("RMSNorm"), json!("layernorm")),
            ("is_causal", json!(true), json!(false)),
            ("use_bidirectional_attention", json!(false), json!(true)),
            ("use_bidirectional_attention", json!(null), json!("vision")),
            ("window_size", json!(null), json!(4096)),
            ("interleaved_sliding_window", json!(null), json!([4096, 0])),
            ("sliding_window_pattern", json!(null), json!(4)),
            ("attention_scale", json!(null), json!(0.125)),
            ("embed_scale", json!(1), json!(5.65)),
            ("dropout", json!(0), json!(0.1)),
            ("attn_dropout_prob", json!(0.0), json!(0.1)),
            ("encoder_layerdrop", json!(0.0), json!(0.2)),
            ("attention_in_multiplier", json!(1.0), json!(0.5)),
            ("final_logit_softcap", json!(null), json!(30.0)),
            ("mamba_d_state", json!(0), json!(16)),
            ("moe_every_n", json!([]), json!([2])),
            ("tts_config", json!({}), json!({"model_type": "vits"})),
            ("red\u{1b}_config", json!(null), json!({"a": 1})),
        ] {
            with(name, &off).unwrap_or_else(|told| panic!("{name}: {told}"));
            let told = with(name, &on).expect_err(name);
            let named = format!("{} is {on}", quoted(name));
            assert!(told.contains(&named), "{named}: {told}");
            assert!(!told.contains('\u{1b}'), "a control character: {told}");
        }
        for (name, value) in [
            ("image_token_id", json!(128_256)),
            ("decoder_start_token_id", json!(1)),
            ("classifier_dropout", json!(0.1)),
            ("router_aux_loss_coef", json!(0.001)),
            (
                "auto_map",
                json!({"AutoTokenizer": ["tokenization_x.X", null]}),
            ),
        ] {
            let config = with(name, &value).unwrap_or_else(|told| panic!("{name}: {told}"));
            assert_eq!(config.unknown_keys(), Vec::<String>::new(), "{name}");
            assert_eq!(config.notes(), Vec::<String>::new(), "{name}");
        }
        let code = json!({"AutoModelForCausalLM": "modeling_x.XForCausalLM"});
        let notes = with("auto_map", &code).expect("it is not run").notes();
        assert!(notes[0].contains("modeling_x.XForCausalLM"), "{notes:?}");
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
