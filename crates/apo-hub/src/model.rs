//! Which files of a repository make a model directory: those that the stages read, and
//! what they wrote about a model of theirs.

use std::collections::BTreeSet;

use apo_files::model_directory::{
    self, ADAPTER, CONFIG, INDEX, SINGLE, TOKENIZER, is_read, other_weights, weights,
};
use apo_provenance::MANIFEST;
use serde_json::{Map, Value};

/// Files without which no directory is a model's.
const NEEDED: [&str; 2] = [CONFIG, TOKENIZER[0]];

/// Returns the files of a model, without the parts that an index names, and the index
/// if there is one to be read.
///
/// # Errors
///
/// When a file is missing, or the model is an adapter, as a phrase that begins with a
/// verb.
pub(crate) fn files(names: &[&str]) -> Result<(Vec<String>, Option<&'static str>), String> {
    let has = |name: &str| names.contains(&name);
    let weights = weights(has);
    // Beside whole weights, too: another program may have put it into the cache, where a
    // stage that opens the directory would refuse it.
    if let Some(adapter) = ADAPTER.into_iter().find(|it| has(it)) {
        let merged = weights.map_or(
            "",
            |_| "; if it is merged already, download it to a folder without this file",
        );
        return Err(format!(
            "has {adapter}: it is a PEFT adapter, which must be merged into its model first{merged}"
        ));
    }
    let Some(weights) = weights else {
        let others = other_weights(names.iter().copied());
        let others = others.map_or(String::new(), |it| format!("; {it}"));
        return Err(format!("has no {SINGLE}{others}"));
    };
    let mut found = without_weights(names)?;
    found.push(weights.to_owned());
    Ok((found, (weights == INDEX).then_some(INDEX)))
}

/// Returns the files of a model that are not its weights.
///
/// # Errors
///
/// When one is missing, as a phrase that begins with a verb.
pub(crate) fn without_weights(names: &[&str]) -> Result<Vec<String>, String> {
    if let Some(missing) = NEEDED.into_iter().find(|it| !names.contains(it)) {
        return Err(format!("has no {missing}, so it is not a whole model"));
    }
    let is_wanted = |name: &&&str| is_read(name) || **name == MANIFEST;
    let found = names.iter().filter(is_wanted);
    Ok(found.map(|it| (*it).to_owned()).collect())
}

/// Returns the files that an index names.
///
/// # Errors
///
/// When the index is malformed, or one of them is missing, as a phrase that begins with
/// a verb.
pub(crate) fn parts(index: &[u8], names: &[&str]) -> Result<Vec<String>, String> {
    let index: Map<String, Value> = serde_json::from_slice(index)
        .map_err(|error| format!("has an {INDEX} that is not a JSON object: {error}"))?;
    let parts: BTreeSet<&str> = model_directory::parts(&index)
        .ok_or_else(|| format!("has an {INDEX} without a `weight_map` of files"))?;
    match parts.iter().find(|it| !names.contains(it)) {
        Some(missing) => Err(format!("has no {missing:?}, which its {INDEX} names")),
        None => Ok(parts.into_iter().map(str::to_owned).collect()),
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
        let mut found = without_weights(&names).unwrap();
        found.sort();
        assert_eq!(
            found,
            expected
                .into_iter()
                .filter(|it| *it != SINGLE)
                .collect::<Vec<_>>()
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
            (
                &["adapter_config.json", "config.json", "model.safetensors"],
                "merged already",
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
