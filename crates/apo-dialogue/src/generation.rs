//! Which keys of a model's `generation_config.json` are not applied here.
//!
//! Only the ends of text are read (by `ends`): temperature, top-k and the like are
//! arguments of `sample`. If `transformers` would sample other text because of another
//! key, that key is reported with its value. Unknown keys are reported separately, since
//! perhaps no program applies them.

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
        "tokens, which the tokenizer defines, and the ends of text, which are read elsewhere",
        "bos_token_id cls_token_id decoder_start_token_id eos_token_id mask_token_id \
         no_timestamps_token_id pad_token_id prev_sot_token_id sep_token_id unk_token_id",
    ),
    (
        "what wrote the file",
        "_commit_hash _name_or_path generation_kwargs transformers_version trust_remote_code",
    ),
];

/// The most keys of a kind that are shown.
const MOST: usize = 8;

/// What a key does to which text is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// None, as its value or its name says.
    None,
    /// `transformers` would sample another text.
    Changes,
    /// The key is not known here.
    Unknown,
}

/// Says in one line which keys of a model's `generation_config.json` are not applied
/// here: those by which `transformers` would sample other text, and unknown ones;
/// `None` if there are none.
///
/// # Errors
///
/// When the file cannot be read or is not a JSON object.
pub fn generation_note(dir: &Path) -> Result<Option<String>, DialogueError> {
    let path = dir.join("generation_config.json");
    let found = files::object(&path)?.unwrap_or(Value::Null);
    let listed = |wanted: Effect| {
        let all = found.as_object().into_iter().flatten();
        let keys: Vec<String> = all
            .filter(|(name, value)| effect(name, value) == wanted)
            .map(|(name, value)| format!("`{name}`: {}", shown(value)))
            .collect();
        let more = if keys.len() > MOST { ", …" } else { "" };
        (!keys.is_empty()).then(|| keys[..keys.len().min(MOST)].join(", ") + more)
    };
    let changes = listed(Effect::Changes).map(|keys| {
        format!("`transformers` would follow {keys} when it samples; here these are not applied")
    });
    let unknown = listed(Effect::Unknown)
        .map(|keys| format!("{keys} are not known settings of `transformers` and are not applied"));
    let parts: Vec<String> = [changes, unknown].into_iter().flatten().collect();
    Ok((!parts.is_empty()).then(|| format!("{}: {}", path.display(), parts.join("; "))))
}

/// Returns what a key with this value does.
fn effect(name: &str, value: &Value) -> Effect {
    let has = |names: &str| names.split_whitespace().any(|it| it == name);
    let is_off = |number: f64| match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
        Value::Number(it) => it.as_f64() == Some(number),
    };
    let known = CHANGES.iter().find(|(_, names)| has(names));
    let is_harmless = HARMLESS.iter().any(|(_, names)| has(names));
    match known {
        _ if is_harmless => Effect::None,
        Some((number, _)) if is_off(*number) => Effect::None,
        Some(_) => Effect::Changes,
        None if is_off(0.0) => Effect::None,
        None => Effect::Unknown,
    }
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
    fn what_changes_a_sample_or_is_unknown_is_told_unless_it_is_off() {
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
        ] {
            assert_eq!(effect(name, &value), Effect::Changes, "{name}: {value}");
        }
        for (name, value) in [
            ("a_new_key", json!(1)),
            ("presence_penalty", json!(1.5)),
            ("chat_format", json!("chatml")),
            ("stop", json!(["Human:"])),
            ("_comment", json!("by hand")),
            ("stop_token_ids", json!([3])),
            ("bad_token_ids", json!([3])),
            ("suppress_token_ids", json!([3])),
        ] {
            assert_eq!(effect(name, &value), Effect::Unknown, "{name}: {value}");
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
            assert_eq!(effect(name, &value), Effect::None, "{name}: {value}");
        }
    }
}
