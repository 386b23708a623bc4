//! What a folder is that is no model directory of ours to read, and what to do.

use std::fs;
use std::path::Path;

use apo_dialogue::model_file::read_object;
use serde_json::Value;

use crate::error::ModelError;
use crate::weights::{INDEX, SINGLE};

/// Files that a PEFT adapter consists of.
const ADAPTER: [&str; 3] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
];

/// How weights of other formats are converted.
const CONVERT: &str = "only safetensors files are read: load it with transformers and call \
                       `save_pretrained` to convert it";

/// Checks that a path is a folder that may be a model directory: there, and no
/// adapter of another model.
///
/// # Errors
///
/// With what it is instead.
pub(crate) fn check(dir: &Path) -> Result<(), ModelError> {
    let kind = |problem: String| ModelError::Kind {
        dir: dir.into(),
        problem,
    };
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            return Err(kind(
                "it is a file, expected a model directory: the folder with config.json and \
                 model.safetensors"
                    .into(),
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(ModelError::Io {
                action: "read",
                path: dir.into(),
                source: error,
            });
        }
        Err(_) => {
            let name = dir.to_string_lossy();
            let on_the_hub = dir.is_relative() && name.matches('/').count() == 1;
            let hint = if on_the_hub && !name.starts_with('.') {
                "; models are not fetched: download it, and give the folder"
            } else {
                ""
            };
            return Err(kind(format!("there is no such folder{hint}")));
        }
    }
    let Some(file) = ADAPTER.into_iter().find(|name| dir.join(name).exists()) else {
        return Ok(());
    };
    let config = read_object(&dir.join(ADAPTER[0]))?.unwrap_or_default();
    let text = |name: &str| config.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind_of = text("peft_type").map_or(String::new(), |it| format!(" ({})", it.escape_debug()));
    let base = text("base_model_name_or_path").map_or(String::new(), |it| format!(" of {it:?}"));
    let beside = if dir.join(SINGLE).exists() || dir.join(INDEX).exists() {
        format!("; where it is merged already, remove {file}")
    } else {
        String::new()
    };
    Err(kind(format!(
        "it holds a PEFT adapter{kind_of}{base}, which must be merged first: load it with PEFT's \
         `AutoPeftModelForCausalLM`, call `merge_and_unload()` and `save_pretrained`, and give \
         that folder{beside}"
    )))
}

/// Says what a folder without weights or config has instead, as the end of a
/// sentence; nothing where that is not known.
pub(crate) fn hint(dir: &Path) -> String {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            folders.push(name);
        } else {
            files.push(name);
        }
    }
    files.sort();
    folders.sort();
    let file = |fits: &dyn Fn(&str) -> bool| files.iter().find(|name| fits(name)).cloned();
    let ends = |endings: &'static [&'static str]| {
        move |name: &str| endings.iter().any(|it| name.ends_with(it))
    };
    let shown = |name: String| name.escape_debug().to_string();
    if let Some(name) = file(&ends(&[".gguf"])) {
        let name = shown(name);
        return format!("; {name} is a GGUF file: give the model that it was made of");
    }
    if let Some(name) = file(&|name: &str| name.starts_with("value_head.")) {
        let name = shown(name);
        return format!("; {name} is a value head of another kind, which is not read");
    }
    let pickled = &[
        ".bin",
        ".pt",
        ".pth",
        ".ckpt",
        ".bin.index.json",
        ".h5",
        ".msgpack",
    ];
    if let Some(name) = file(&ends(pickled)) {
        return format!("; it has {}, but {CONVERT}", shown(name));
    }
    if let Some(name) = file(&ends(&[".safetensors"])) {
        let name = shown(name);
        if name.starts_with("model-") {
            return format!("; {name} is one of several files, whose {INDEX} is missing");
        }
        return format!("; {name} is not where `transformers` looks for weights: rename it");
    }
    if folders.iter().any(|it| it == "snapshots") {
        return "; it is a folder of Hugging Face's cache: give one of its snapshots/*".into();
    }
    let deeper = |name: &&String| {
        name.starts_with("checkpoint-") || dir.join(name).join("config.json").exists()
    };
    match folders.iter().find(deeper) {
        Some(name) => format!("; is {} meant?", dir.join(name).display()),
        None => String::new(),
    }
}
