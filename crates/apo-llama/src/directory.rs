//! Model directories in Hugging Face's layout: what we write, and our own
//! page beside it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use apo_tables::provenance::hex;
use apo_tables::{Input, Provenance, digest_file};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::Head;
use crate::error::ModelError;
use crate::loaded::Model;
use crate::weights::{StoredType, write_weights};

/// Our page in a model directory.
pub const MANIFEST: &str = "apo.json";

/// What a tokenizer may consist of.
const TOKENIZER_FILES: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
];

/// What we know of a model that we made: `apo.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `policy` or `reward model`.
    pub head: String,
    /// The template that it was trained with: `hh` or `chat`.
    pub template: String,
    /// The reference that a policy was aligned against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Input>,
    /// What made it.
    #[serde(flatten)]
    pub provenance: Provenance,
}

impl Manifest {
    /// Reads a directory's manifest; none where others made the model.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is malformed.
    pub fn read(dir: &Path) -> Result<Option<Self>, ModelError> {
        let path = dir.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(reading(&path, error)),
        };
        let manifest = serde_json::from_str(&text).map_err(|error| ModelError::Config {
            path,
            faults: vec![error.to_string()],
        })?;
        Ok(Some(manifest))
    }
}

/// Describes a model directory as an input: a digest of all it holds except
/// for our own page, so that it is the same model wherever it came from.
///
/// # Errors
///
/// When it cannot be read.
pub fn input(dir: &Path) -> Result<Input, ModelError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| reading(dir, error))? {
        let entry = entry.map_err(|error| reading(dir, error))?;
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if entry.path().is_file() && !hidden && name != MANIFEST && name != "metrics.parquet" {
            names.push(name);
        }
    }
    names.sort();
    let mut hasher = Sha256::new();
    for name in names {
        let path = dir.join(&name);
        let digest = digest_file(&path).map_err(|error| reading(&path, error))?;
        hasher.update(name.as_encoded_bytes());
        hasher.update([0]);
        hasher.update(digest);
    }
    let name = dir.file_name().unwrap_or(dir.as_os_str());
    Ok(Input {
        name: name.to_string_lossy().into_owned(),
        rows: None,
        digest: hex(&hasher.finalize()),
        split: None,
    })
}

fn reading(path: &Path, source: io::Error) -> ModelError {
    if source.kind() == io::ErrorKind::NotFound {
        return ModelError::MissingFile {
            dir: path.into(),
            missing: "folder there".into(),
        };
    }
    ModelError::Io {
        action: "read",
        path: path.into(),
        source,
    }
}

fn write(path: PathBuf, bytes: &[u8]) -> Result<(), ModelError> {
    let written = fs::write(&path, bytes).and_then(|()| File::open(&path)?.sync_all());
    written.map_err(|source| ModelError::Io {
        action: "write",
        path,
        source,
    })
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data");
    text.push(b'\n');
    text
}

fn read_json(path: &Path) -> Result<Option<Value>, ModelError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(|error| reading(path, error))?;
    let value = serde_json::from_str(&text).map_err(|error| ModelError::Config {
        path: path.into(),
        faults: vec![error.to_string()],
    })?;
    Ok(Some(value))
}

impl Model {
    /// Writes the model as a directory that `transformers` loads as it is:
    /// `LlamaForCausalLM` or `LlamaForSequenceClassification`. `from` is the
    /// directory whose tokenizer it has; the manifest comes last.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written.
    pub fn save(
        &self,
        dir: &Path,
        from: &Path,
        stored: StoredType,
        manifest: &Manifest,
    ) -> Result<(), ModelError> {
        fs::create_dir_all(dir).map_err(|source| ModelError::Io {
            action: "write",
            path: dir.into(),
            source,
        })?;
        for name in TOKENIZER_FILES {
            let path = from.join(name);
            if path.exists() {
                let bytes = fs::read(&path).map_err(|error| reading(&path, error))?;
                write(dir.join(name), &bytes)?;
            }
        }
        let mut pad = self.config.pad_token_id;
        if self.head == Head::Reward {
            let (id, text) = self.padding(from)?;
            pad = Some(id);
            let mut config = read_json(&from.join("tokenizer_config.json"))?.unwrap_or(json!({}));
            config["pad_token"] = json!(text);
            write(dir.join("tokenizer_config.json"), &pretty(&config))?;
        }
        let config = self.config.to_json(self.head, stored.name(), pad);
        write(dir.join("config.json"), &pretty(&config))?;
        let generation = match read_json(&from.join("generation_config.json"))? {
            Some(found) => found,
            None => json!({
                "bos_token_id": self.config.bos_token_id,
                "eos_token_id": self.config.eos_token_ids,
                "pad_token_id": pad,
            }),
        };
        write(dir.join("generation_config.json"), &pretty(&generation))?;
        let parameters = self.config.parameters(self.head);
        let path = dir.join("model.safetensors");
        write_weights(&path, &parameters, stored, |name| {
            self.llama.values_of(name)
        })?;
        write(dir.join(MANIFEST), &pretty(manifest))
    }

    /// A token that pads batches of a reward model: never an end of text, for
    /// `transformers` reads the reward at the last token that is no padding.
    fn padding(&self, from: &Path) -> Result<(u32, String), ModelError> {
        let tokenizer = read_json(&from.join("tokenizer.json"))?.unwrap_or(Value::Null);
        let config = read_json(&from.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
        let eos = config["eos_token"]
            .as_str()
            .or_else(|| config["eos_token"]["content"].as_str());
        let ends =
            |id: u32, text: &str| self.config.eos_token_ids.contains(&id) || Some(text) == eos;
        let mut tokens: Vec<(u32, String)> = Vec::new();
        for token in tokenizer["added_tokens"].as_array().into_iter().flatten() {
            if let (Some(id), Some(text)) = (token["id"].as_u64(), token["content"].as_str()) {
                tokens.push((id as u32, text.to_owned()));
            }
        }
        for (text, id) in tokenizer["model"]["vocab"]
            .as_object()
            .into_iter()
            .flatten()
        {
            if id == 0 {
                tokens.push((0, text.clone()));
            }
        }
        let wanted = self.config.pad_token_id;
        tokens.sort_by_key(|(id, _)| (Some(*id) != wanted, *id));
        let found = tokens.into_iter().find(|(id, text)| !ends(*id, text));
        found.ok_or_else(|| ModelError::Config {
            path: from.join("tokenizer.json"),
            faults: vec!["no token but the end of text could pad a batch".into()],
        })
    }
}
