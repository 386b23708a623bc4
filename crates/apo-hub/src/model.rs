//! Which files of a repository make a model directory: those that the stages read, and
//! those of the tokenizer that they copy.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// Weights in one file, which is read where there is an index as well.
const SINGLE: &str = "model.safetensors";

/// The index of weights in several files.
const INDEX: &str = "model.safetensors.index.json";

/// Files without which no directory is a model's.
const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];

/// Files that a model's directory may have.
const OPTIONAL: [&str; 10] = [
    "apo.json",
    "generation_config.json",
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
const TEMPLATES: &str = "additional_chat_templates/";

/// Files of a PEFT adapter.
const ADAPTER: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Endings of weights that are not read.
const OTHER_WEIGHTS: [&str; 8] = [
    ".bin", ".gguf", ".pth", ".pt", ".ckpt", ".h5", ".msgpack", ".onnx",
];

/// Returns the files of a model, without the parts that an index names, and the index
/// if there is one to be read.
///
/// # Errors
///
/// When a file is missing, as a phrase that begins with a verb.
pub(crate) fn files(names: &[&str]) -> Result<(Vec<String>, Option<&'static str>), String> {
    let has = |name: &str| names.contains(&name);
    let mut found: Vec<String> = OPTIONAL
        .into_iter()
        .filter(|it| has(it))
        .map(str::to_owned)
        .collect();
    let is_template = |name: &&&str| {
        let ending = Path::new(name).extension();
        name.starts_with(TEMPLATES) && ending.is_some_and(|it| it == "jinja")
    };
    let templates = names.iter().filter(is_template);
    found.extend(templates.map(|it| (*it).to_owned()));
    let weights = if has(SINGLE) { SINGLE } else { INDEX };
    if !has(weights) {
        return Err(format!("has no {SINGLE}{}", instead(names)));
    }
    for name in NEEDED {
        if !has(name) {
            return Err(format!("has no {name}, so it is not a whole model"));
        }
        found.push(name.to_owned());
    }
    found.push(weights.to_owned());
    Ok((found, (weights == INDEX).then_some(INDEX)))
}

/// Returns the files that an index names.
///
/// # Errors
///
/// When the index is malformed, or one of them is missing, as a phrase that begins with
/// a verb.
pub(crate) fn parts(index: &[u8], names: &[&str]) -> Result<Vec<String>, String> {
    let index: Value = serde_json::from_slice(index)
        .map_err(|error| format!("has an {INDEX} that is not JSON: {error}"))?;
    let map = index["weight_map"].as_object();
    let parts: Option<BTreeSet<&str>> =
        map.and_then(|map| map.values().map(Value::as_str).collect());
    let parts = parts
        .filter(|it| !it.is_empty())
        .ok_or_else(|| format!("has an {INDEX} without a `weight_map` of files"))?;
    match parts.iter().find(|it| !names.contains(it)) {
        Some(missing) => Err(format!("has no {missing:?}, which its {INDEX} names")),
        None => Ok(parts.into_iter().map(str::to_owned).collect()),
    }
}

/// Says what a repository without readable weights has instead.
fn instead(names: &[&str]) -> String {
    if let Some(adapter) = ADAPTER.iter().find(|it| names.contains(it)) {
        return format!(
            " but {adapter}: it is a PEFT adapter, which must be merged into its model first"
        );
    }
    let is_other = |name: &&&str| OTHER_WEIGHTS.iter().any(|it| name.ends_with(it));
    match names.iter().find(is_other) {
        Some(other) => format!(
            " but {other:?}: only safetensors files are read; load it with transformers and call \
             `save_pretrained` to convert it"
        ),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stages_read_is_taken_and_nothing_else() {
        let names = [
            ".gitattributes",
            "README.md",
            "additional_chat_templates/tools.jinja",
            "chat_template.jinja",
            "config.json",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
        ];
        let (mut found, index) = files(&names).unwrap();
        found.sort();
        let expected = [
            "additional_chat_templates/tools.jinja",
            "chat_template.jinja",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
        ];
        assert_eq!(
            (found.as_slice(), index),
            (&expected.map(str::to_owned)[..], None)
        );
    }

    #[test]
    fn an_index_names_its_parts_which_must_all_be_there() {
        let names = ["config.json", "tokenizer.json", INDEX, "a.safetensors"];
        let (found, index) = files(&names).unwrap();
        assert_eq!(index, Some(INDEX));
        assert!(found.contains(&INDEX.to_owned()));
        let text = |file: &str| {
            format!(r#"{{"weight_map": {{"x": "a.safetensors", "y": "{file}"}}}}"#).into_bytes()
        };
        let found = parts(&text("a.safetensors"), &names).unwrap();
        assert_eq!(found, ["a.safetensors"]);
        for file in ["b.safetensors", "../config.json", ""] {
            let problem = parts(&text(file), &names).unwrap_err();
            assert!(problem.contains("has no"), "{problem}");
        }
        for index in [
            &b"{}"[..],
            b"[",
            br#"{"weight_map": {"x": 1}}"#,
            br#"{"weight_map": {}}"#,
        ] {
            assert!(parts(index, &names).is_err());
        }
    }

    #[test]
    fn what_it_has_instead_of_a_model_is_named() {
        for (names, expected) in [
            (
                &["config.json", "pytorch_model.bin"][..],
                "safetensors files",
            ),
            (&["model-Q4.gguf"], "model-Q4.gguf"),
            (
                &["adapter_config.json", "adapter_model.safetensors"],
                "PEFT",
            ),
            (&["model.safetensors", "tokenizer.json"], "config.json"),
            (&["model.safetensors", "config.json"], "tokenizer.json"),
            (&[], "model.safetensors"),
        ] {
            let problem = files(names).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
