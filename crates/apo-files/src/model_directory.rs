//! Which files of a model directory the stages read: those that are fetched of a model
//! on the hub, those that a tokenizer is copied with, and those whose digest is the
//! model's.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Sizes and settings.
pub const CONFIG: &str = "config.json";

/// How texts end.
const GENERATION: &str = "generation_config.json";

/// Weights in one file, which is read where there is an index as well.
pub const SINGLE: &str = "model.safetensors";

/// The index of weights in several files, which says where each tensor is.
pub const INDEX: &str = "model.safetensors.index.json";

/// Files that a tokenizer may consist of; only the first one is in every model.
pub const TOKENIZER: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
];

/// The folder of additional chat templates.
pub const TEMPLATES: &str = "additional_chat_templates";

/// Files of a PEFT adapter; the first one names its model.
pub const ADAPTER: [&str; 3] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
];

/// The ending of llama.cpp's weights.
const GGUF: &str = ".gguf";

/// Endings of other weights that are not read.
const OTHER_WEIGHTS: [&str; 8] = [
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".bin.index.json",
    ".h5",
    ".msgpack",
    ".onnx",
];

/// Whether stages read a file of this name, a path in the directory. Weights, which
/// [`weights`] finds, and what stages write about a model are not counted.
pub fn is_read(name: &str) -> bool {
    let within = name.strip_prefix(TEMPLATES);
    let within = within.and_then(|it| it.strip_prefix('/'));
    name == CONFIG
        || name == GENERATION
        || TOKENIZER.contains(&name)
        || within.is_some_and(|it| !it.contains('/'))
}

/// Returns the file with the weights that are read, or their index; `None` if there is
/// neither.
pub fn weights(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    [SINGLE, INDEX].into_iter().find(|it| has(it))
}

/// Returns the names of the files that an index names; `None` if it is malformed.
pub fn parts(index: &Map<String, Value>) -> Option<BTreeSet<&str>> {
    let map = index.get("weight_map")?.as_object()?;
    let parts: Option<BTreeSet<&str>> = map.values().map(Value::as_str).collect();
    parts.filter(|it| !it.is_empty())
}

/// Says which other weights there are, and what to do about them; `None` if there are
/// none.
pub fn other_weights<'a>(mut names: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = names.clone().find(|it| it.ends_with(GGUF)) {
        let name = name.escape_debug();
        return Some(format!(
            "{name} is a GGUF file: give the model that it was made of"
        ));
    }
    let is_other = |name: &&str| OTHER_WEIGHTS.iter().any(|it| name.ends_with(it));
    let name = names.find(is_other)?.escape_debug();
    Some(format!(
        "it has {name}, but only safetensors files are read: load it with transformers and call \
         `save_pretrained` to convert it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stages_read_is_told_from_what_lies_beside_it() {
        for name in [
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "chat_template.jinja",
            "additional_chat_templates/tools.jinja",
        ] {
            assert!(is_read(name), "{name}");
        }
        for name in [
            "README.md",
            "pytorch_model.bin",
            "onnx/config.json",
            "model.safetensors",
            "metrics.parquet",
            "additional_chat_templates",
            "additional_chat_templates/old/tools.jinja",
        ] {
            assert!(!is_read(name), "{name}");
        }
        assert_eq!(weights(|_| true), Some(SINGLE));
        assert_eq!(weights(|it| it == INDEX), Some(INDEX));
        assert_eq!(weights(|_| false), None);
    }
}
