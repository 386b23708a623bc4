//! Identifies folders that are not model directories, and says what to do.

use std::fs;
use std::path::Path;

use apo_files::model_directory::{ADAPTER, CONFIG, INDEX, SINGLE, other_weights};
use apo_files::model_file::read_object;
use serde_json::Value;

use crate::error::ModelError;

/// Endings of file names during a download.
const UNFINISHED: [&str; 8] = [
    ".incomplete",
    ".part",
    ".partial",
    ".aria2",
    ".aria2__temp",
    ".crdownload",
    ".download",
    ".filepart",
];

/// What distributed training saves instead of a model: parts of the names of
/// its files and folders, and how to make a model of them.
const SHARDED: [(&[&str], &str); 4] = [
    (
        &[
            "global_step",
            "zero_pp_rank_",
            "bf16_zero_pp_rank_",
            "zero_to_fp32.py",
        ],
        "a checkpoint of DeepSpeed: run its `zero_to_fp32.py . OUT --safe_serialization` and put \
         config.json and the tokenizer's files into OUT",
    ),
    (
        &["pytorch_model_fsdp", "fsdp_model", "__0_0.distcp"],
        "a sharded checkpoint of FSDP: run `accelerate merge-weights` on it, or save it with \
         `FULL_STATE_DICT`",
    ),
    (
        &["mp_rank_", "iter_0", "latest_checkpointed_iteration.txt"],
        "a checkpoint of Megatron or of model parallelism: convert it to Hugging Face's layout \
         with the tools of its library",
    ),
    (
        &["optimizer.bin", "optimizer.pt", "random_states_"],
        "the state of a training without its model: give the folder that `save_pretrained` or \
         `save_model` wrote",
    ),
];

/// Checks that a path may be a model directory: it is a folder and not an
/// adapter of another model.
///
/// # Errors
///
/// When it is not; the error says what it is instead.
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
        Err(_) => return Err(kind("there is no such folder".into())),
    }
    if let Some(name) = unfinished(dir) {
        return Err(kind(format!(
            "it holds {}, so the download of {} is incomplete: resume it, or remove that file",
            name.escape_debug(),
            name.trim_end_matches(CONTROL).escape_debug()
        )));
    }
    let Some(file) = ADAPTER.into_iter().find(|name| dir.join(name).exists()) else {
        return Ok(());
    };
    let config = read_object(&dir.join(ADAPTER[0]))?.unwrap_or_default();
    let text = |name: &str| config.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind_of = text("peft_type").map_or(String::new(), |it| format!(" ({})", it.escape_debug()));
    let base = text("base_model_name_or_path").map_or(String::new(), |it| format!(" of {it:?}"));
    let beside = if dir.join(SINGLE).exists() || dir.join(INDEX).exists() {
        format!("; if it is merged already, remove {file}")
    } else {
        String::new()
    };
    Err(kind(format!(
        "it holds a PEFT adapter{kind_of}{base}, which must be merged first: load it with PEFT's \
         `AutoPeftModelForCausalLM`, call `merge_and_unload()` and `save_pretrained`, and give \
         that folder{beside}"
    )))
}

/// The ending of the file that aria2 keeps beside a download whose space it has
/// reserved, and removes at the end.
const CONTROL: &str = ".aria2";

/// Returns the name of a file which shows that the weights beside it are
/// incomplete although they have their full length.
fn unfinished(dir: &Path) -> Option<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find(|name| name.ends_with(&format!(".safetensors{CONTROL}")))
}

/// Returns the names of a folder's files, and of the folders in it, sorted.
fn names(dir: &Path) -> (Vec<String>, Vec<String>) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            folders.push(name);
        } else {
            files.push(name);
        }
    }
    files.sort();
    folders.sort();
    (files, folders)
}

/// Says what a folder without weights or config contains instead, as the end of
/// a sentence; empty if that is unknown.
pub(crate) fn hint(dir: &Path) -> String {
    let (files, folders) = names(dir);
    let file = |fits: &dyn Fn(&str) -> bool| files.iter().find(|name| fits(name)).cloned();
    let ends = |endings: &'static [&'static str]| {
        move |name: &str| endings.iter().any(|it| name.ends_with(it))
    };
    let shown = |name: String| name.escape_debug().to_string();
    if let Some(name) = file(&ends(&UNFINISHED)) {
        let name = shown(name);
        return format!("; {name} is part of an incomplete download: resume it");
    }
    for (parts, what) in SHARDED {
        let fits = |name: &&String| parts.iter().any(|part| name.starts_with(part));
        if let Some(name) = files.iter().chain(&folders).find(fits) {
            return format!("; by {} it is {what}", shown(name.clone()));
        }
    }
    if let Some(name) = file(&|name: &str| name.starts_with("value_head.")) {
        let name = shown(name);
        return format!("; {name} is a value head of another kind, which is not read");
    }
    if let Some(others) = other_weights(files.iter().map(String::as_str)) {
        return format!("; {others}");
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
    let deeper =
        |name: &&String| name.starts_with("checkpoint-") || dir.join(name).join(CONFIG).exists();
    match folders.iter().find(deeper) {
        Some(name) => format!("; is {} meant?", dir.join(name).display()),
        None => String::new(),
    }
}
