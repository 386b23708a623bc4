//! The keys of `generation_config.json`, sorted by what they do to sampling here.
//!
//! The ends of text are read (`ends`), and temperature, top-k and the like are
//! arguments of the stage that samples. Keys that would change which text is sampled,
//! and are not supported, are told with their values, and so are unknown ones.

use std::path::Path;

use serde_json::Value;

use crate::error::DialogueError;
use crate::files::{self, excerpt};

/// Keys that change which text is sampled, unless they are absent, false, empty, or
/// this number.
const CHANGES: &[(f64, &str)] = &[
    (
        0.0,
        "bad_words_ids begin_suppress_tokens constraints diversity_penalty dola_layers \
         encoder_no_repeat_ngram_size epsilon_cutoff eta_cutoff exponential_decay_length_penalty \
         force_words_ids forced_decoder_ids max_time min_length min_new_tokens min_p \
         no_repeat_ngram_size penalty_alpha sequence_bias stop_strings suppress_tokens \
         token_healing top_h watermarking_config",
    ),
    (
        1.0,
        "encoder_repetition_penalty guidance_scale num_beam_groups num_beams typical_p",
    ),
    // A token may have any id.
    (f64::NAN, "forced_bos_token_id forced_eos_token_id"),
];

/// Keys that do not change it, by reason.
const HARMLESS: &[(&str, &str)] = &[
    (
        "arguments of the stage that samples",
        "do_sample max_length max_new_tokens num_return_sequences repetition_penalty seed \
         temperature top_k top_p",
    ),
    (
        "settings of beam search, which `num_beams` turns on",
        "early_stopping length_penalty low_memory",
    ),
    (
        "scores of tokens: sampling normalises them anyway, and they are finite",
        "remove_invalid_values renormalize_logits",
    ),
    (
        "how a library computes, not what; speculation gives the same distribution",
        "_from_model_config assistant_confidence_threshold assistant_early_exit \
         assistant_lookbehind cache_config cache_implementation compile_config continuous_batching_config \
         disable_compile is_assistant max_matching_ngram_size num_assistant_tokens \
         num_assistant_tokens_schedule output_attentions output_hidden_states output_logits \
         output_scores prefill_chunk_size prompt_lookup_num_tokens return_dict \
         return_dict_in_generate return_legacy_cache target_lookbehind use_cache \
         use_model_defaults",
    ),
    (
        "what wrote the file",
        "_commit_hash _name_or_path generation_kwargs transformers_version trust_remote_code",
    ),
];

/// Suffixes of keys that name a token: the tokenizer defines the tokens.
const TOKENS: [&str; 2] = ["_token_id", "_token_ids"];

/// The most keys that are shown.
const MOST: usize = 8;

/// Says in one line which keys of a model's `generation_config.json` would change
/// which text `transformers` samples and are not applied here; `None` if there are
/// none.
///
/// # Errors
///
/// When the file cannot be read or is not a JSON object.
pub fn generation_note(dir: &Path) -> Result<Option<String>, DialogueError> {
    let path = dir.join("generation_config.json");
    let found = files::object(&path)?.unwrap_or(Value::Null);
    let all = found.as_object().into_iter().flatten();
    let not_done: Vec<String> = all
        .filter(|(name, value)| changes(name, value))
        .map(|(name, value)| format!("`{name}`: {}", shown(value)))
        .collect();
    if not_done.is_empty() {
        return Ok(None);
    }
    let more = if not_done.len() > MOST { ", …" } else { "" };
    Ok(Some(format!(
        "{}: `transformers` would follow {}{more} when it samples; here these are not applied",
        path.display(),
        not_done[..not_done.len().min(MOST)].join(", ")
    )))
}

/// Whether a key with this value changes which text is sampled; unknown keys may.
fn changes(name: &str, value: &Value) -> bool {
    let has = |names: &str| names.split_whitespace().any(|it| it == name);
    let is_off = |number: f64| match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
        Value::Number(it) => it.as_f64() == Some(number),
    };
    if let Some((number, _)) = CHANGES.iter().find(|(_, names)| has(names)) {
        return !is_off(*number);
    }
    let is_harmless = HARMLESS.iter().any(|(_, names)| has(names))
        || TOKENS.iter().any(|end| name.ends_with(end));
    !is_harmless && !is_off(0.0)
}

/// Returns a value as JSON; the beginning of a long one.
fn shown(value: &Value) -> String {
    const LONG: usize = 60;
    let text = excerpt(&value.to_string());
    match text.char_indices().nth(LONG) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_a_sample_is_told_unless_it_is_off() {
        for (name, value) in [
            ("suppress_tokens", json!([1, 2])),
            ("begin_suppress_tokens", json!([220])),
            ("stop_strings", json!(["Human:"])),
            ("stop_strings", json!("Human:")),
            ("forced_bos_token_id", json!(0)),
            ("forced_eos_token_id", json!([0])),
            ("no_repeat_ngram_size", json!(3)),
            ("encoder_no_repeat_ngram_size", json!(3)),
            ("encoder_repetition_penalty", json!(1.2)),
            ("bad_words_ids", json!([[1], [2, 3]])),
            ("min_new_tokens", json!(5)),
            ("min_length", json!(5)),
            ("min_p", json!(0.05)),
            ("typical_p", json!(0.9)),
            ("guidance_scale", json!(1.5)),
            ("num_beams", json!(4)),
            ("sequence_bias", json!([[[1], -1.0]])),
            ("watermarking_config", json!({"bias": 2.5})),
            ("a_new_key", json!(1)),
        ] {
            assert!(changes(name, &value), "{name}: {value}");
        }
        for (name, value) in [
            ("suppress_tokens", json!([])),
            ("stop_strings", Value::Null),
            ("no_repeat_ngram_size", json!(0)),
            ("typical_p", json!(1.0)),
            ("num_beams", json!(1)),
            ("min_length", json!(0)),
            ("temperature", json!(0.6)),
            ("eos_token_id", json!([1, 2])),
            ("pad_token_id", json!(0)),
            ("decoder_start_token_id", json!(0)),
            ("renormalize_logits", json!(true)),
            ("transformers_version", json!("5.0")),
            ("a_new_key", json!(false)),
        ] {
            assert!(!changes(name, &value), "{name}: {value}");
        }
    }
}
