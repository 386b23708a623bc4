//! Finds a model's chat template.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use apo_files::model_file::read_whole_text;
use serde_json::Value;

use crate::error::DialogueError;
use crate::files::{self, malformed};

/// The file of a processor's chat template.
pub(crate) const PROCESSOR: &str = "chat_template.json";

/// A chat template and the file that holds it.
#[derive(Debug)]
pub(crate) struct ChatSource {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Finds a model's chat template as `transformers` does: `chat_template.jinja`
/// and the files in `additional_chat_templates`, or else `chat_template` in
/// `tokenizer_config.json`, a text or several with names, or else in
/// `chat_template.json`. If there are several, the one named `default` counts.
///
/// # Errors
///
/// When a file cannot be read or is malformed, or when there are several
/// templates and none is the default. A model whose template cannot be read
/// does not count as one without a template.
pub(crate) fn chat_template(
    dir: &Path,
    config: &Value,
) -> Result<Option<ChatSource>, DialogueError> {
    let path = dir.join("chat_template.jinja");
    // A byte order mark is part of the template, as in `transformers`.
    if let Some(text) = read_whole_text(&path)? {
        return Ok(Some(ChatSource { path, text }));
    }
    let further = dir.join("additional_chat_templates");
    if let Some(path) = jinja_files(&further)?.first() {
        return if path.file_name().is_some_and(|it| it == "default.jinja") {
            let text = read_whole_text(path)?.unwrap_or_default();
            let path = path.clone();
            Ok(Some(ChatSource { path, text }))
        } else {
            Err(several(&further))
        };
    }
    let path = dir.join("tokenizer_config.json");
    if let Some(text) = of_config(&path, config)? {
        return Ok(Some(ChatSource { path, text }));
    }
    let path = dir.join(PROCESSOR);
    let config = files::object(&path)?.unwrap_or(Value::Null);
    let text = of_config(&path, &config)?;
    Ok(text.map(|text| ChatSource { path, text }))
}

/// Returns the templates of a folder, the default one first.
fn jinja_files(folder: &Path) -> Result<Vec<PathBuf>, DialogueError> {
    let failed = |source| DialogueError::Io {
        path: folder.into(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|it| it == "jinja") {
            found.push(path);
        }
    }
    found.sort_by_key(|path| {
        let is_default = path.file_name().is_some_and(|it| it == "default.jinja");
        (!is_default, path.clone())
    });
    Ok(found)
}

/// Reads `chat_template` of a config: a text, or several with names.
fn of_config(path: &Path, config: &Value) -> Result<Option<String>, DialogueError> {
    let named: Vec<(&str, &Value)> = match &config["chat_template"] {
        Value::Null => return Ok(None),
        Value::String(text) => return Ok(Some(text.clone())),
        Value::Array(named) => named
            .iter()
            .filter_map(|it| Some((it["name"].as_str()?, &it["template"])))
            .collect(),
        Value::Object(named) => named.iter().map(|(name, it)| (name.as_str(), it)).collect(),
        _ => Vec::new(),
    };
    if named.is_empty() {
        let problem = "`chat_template` is neither a text nor texts with names";
        return Err(malformed(path, problem));
    }
    // If a name occurs twice, the last one counts.
    let default = named.iter().rev().find(|(name, _)| *name == "default");
    match default.map(|(_, text)| text.as_str()) {
        Some(Some(text)) => Ok(Some(text.to_owned())),
        Some(None) => Err(malformed(path, "the default `chat_template` is not a text")),
        None => Err(several(path)),
    }
}

fn several(path: &Path) -> DialogueError {
    let problem = "holds several chat templates, and none is named `default`; give that name to the \
                   one to use";
    malformed(path, problem)
}
