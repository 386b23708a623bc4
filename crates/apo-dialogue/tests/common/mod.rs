//! Model directories made of the small tokenizers of `fixtures/templates`.
#![allow(dead_code, reason = "each test binary uses some of it, none all of it")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Returns a fresh folder of a test.
pub fn folder(test: &str, name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Reads a file of `fixtures/templates`.
pub fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/templates")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns a `tokenizer.json`: of `bytes`, or in sentencepiece's style as one
/// of its variants, with added tokens after the vocabulary.
pub fn tokenizer(kind: &str, added: &[Value]) -> Value {
    let all = fixture("tokenizers.json");
    let base = if kind == "bytes" { "bytes" } else { "spaces" };
    let mut made = all["bases"][base].clone();
    for (name, part) in all["variants"][kind].as_object().into_iter().flatten() {
        made[name] = part.clone();
    }
    let ids = made["model"]["vocab"].as_object().unwrap().values();
    let last = ids.map(|id| id.as_u64().unwrap()).max().unwrap();
    for (id, token) in (last + 1..).zip(added) {
        let mut token = token.clone();
        token["id"] = json!(id);
        made["added_tokens"].as_array_mut().unwrap().push(token);
    }
    made
}

/// Returns a special token as `added_tokens` lists them.
pub fn special(content: &str) -> Value {
    json!({"id": 0, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true})
}

/// Writes the files of a model directory.
pub fn write(dir: &Path, files: &[(&str, &Value)]) {
    for (name, value) in files {
        fs::write(dir.join(name), value.to_string()).unwrap();
    }
}
