//! The known keys of configs: those that change what a model computes and are
//! supported, those that are not and why, and those that are accepted only
//! while they are off.
//!
//! The names come from `transformers`' configs, from tools that write configs,
//! and from published models. A key in none of these tables is reported to the
//! user.

mod harmless;
mod off;
mod refused;
mod settings;

use serde_json::{Map, Value};

use super::fields::{Fields, quoted, shown};
use harmless::{HARMLESS, TOKENS};
use off::Off;
pub(super) use refused::WINDOWS;
use refused::{BEGINNINGS, ENDS, REFUSED};
use settings::{READ, SYNONYMS};

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

/// Refuses every key of an unsupported feature, unless it is off, and every absent one that
/// would turn a dropout on.
pub(super) fn refuse(fields: &mut Fields, raw: &Map<String, Value>) {
    for (name, value) in raw {
        let Some(Known::Refused(off, what)) = known(name) else {
            continue;
        };
        if off.is(value) || fields.architecture.keys.contains(&name.as_str()) {
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
    let architecture = fields.architecture;
    for (name, value) in architecture.defaults.dropouts {
        if !fields.has(name) {
            fields.fault(format!(
                "`{name}` is missing, which means {value} in {}{}",
                architecture.name,
                advice(name)
            ));
        }
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
mod tests;
