//! Makes model directories with whatever is to be wrong in them, and loads them.

use std::fs;
use std::path::{Path, PathBuf};

use apo_decoder::{Compute, Head, Model, ModelDirectory, Start};
use serde_json::{Value, json};

use super::safetensors::{self, Tensors};
use super::{device, tiny};

/// A model's weights.
pub const WEIGHTS: &str = "model.safetensors";

/// An empty folder of a test's own.
pub fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("directories")
        .join(name);
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A copy of one of the small models.
pub fn copied(name: &str, from: &str) -> PathBuf {
    let dir = folder(name);
    for entry in fs::read_dir(tiny(from)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    dir
}

/// A copy whose tensors are changed.
pub fn changed(name: &str, from: &str, change: impl FnOnce(&mut Tensors)) -> PathBuf {
    let dir = copied(name, from);
    let path = dir.join(WEIGHTS);
    let mut tensors = safetensors::read(&path);
    change(&mut tensors);
    safetensors::write(&path, &tensors, &json!({"format": "pt"}));
    dir
}

/// Changes settings of a page of JSON.
pub fn set(dir: &Path, page: &str, settings: &Value) {
    let path = dir.join(page);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, setting) in settings.as_object().unwrap() {
        value[key] = setting.clone();
    }
    fs::write(path, value.to_string()).unwrap();
}

/// Loads a model; an error is bad input.
pub fn load(dir: &Path, head: Head, start: Start) -> Result<Model, String> {
    let loaded = Model::load(dir, head, start, &device(), Compute::default());
    loaded.map_err(|error| {
        assert!(error.is_bad_input(), "{error}");
        error.to_string()
    })
}

/// Loads a policy.
pub fn policy(dir: &Path) -> Result<Model, String> {
    load(dir, Head::LanguageModel, Start::Saved)
}

/// Returns the notes on a policy's weights.
pub fn notes(dir: &Path) -> Vec<String> {
    let directory = ModelDirectory::open(dir).unwrap();
    let weights = directory
        .weights(Head::LanguageModel, Start::Saved)
        .unwrap();
    weights.unwrap().notes().unwrap()
}

/// Asserts that loading failed, with a message that names these.
#[track_caller]
pub fn refuses(found: Result<Model, String>, what: &str, named: &[&str]) {
    let message = found.map(|_| "it was taken").expect_err(what);
    for named in named {
        assert!(
            message.contains(named),
            "{what}: expected `{named}` in: {message}"
        );
    }
    assert!(
        !message.chars().any(char::is_control),
        "{what}: {message:?}"
    );
}
