//! Writing a model as a directory in Hugging Face's layout.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use apo_files::model_directory::{CONFIG, SINGLE, TEMPLATES, TOKENIZER};
use apo_files::model_file::{read_json, read_object};
use apo_provenance::MANIFEST;
use serde::Serialize;
use serde_json::{Value, json};

use crate::config::Head;
use crate::directory::{ModelManifest, digests, reading, templates};
use crate::error::ModelError;
use crate::model::Model;
use crate::weights::{StoredType, write_weights};

/// The byte order mark that some editors put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Model {
    /// Writes the model as a directory that `transformers` loads:
    /// `LlamaForCausalLM` or `LlamaForSequenceClassification`. The tokenizer is
    /// copied from the directory `from`; the manifest is written last.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written.
    pub fn save(
        &self,
        dir: &Path,
        from: &Path,
        stored: StoredType,
        manifest: &ModelManifest,
    ) -> Result<(), ModelError> {
        fs::create_dir_all(dir).map_err(|source| ModelError::Io {
            action: "write",
            path: dir.into(),
            source,
        })?;
        copy_tokenizer(from, dir)?;
        let mut pad = self.config.pad_token_id;
        if self.head == Head::Reward {
            let (id, text) = self.padding(from)?;
            pad = Some(id);
            let page = from.join("tokenizer_config.json");
            let mut config = read_object(&page)?.unwrap_or_default();
            config.insert("pad_token".into(), json!(text));
            write(dir.join("tokenizer_config.json"), &pretty(&config))?;
        }
        let config = self.config.to_json(self.head, stored.name(), pad);
        write(dir.join(CONFIG), &pretty(&config))?;
        let generation = match read_object(&from.join("generation_config.json"))? {
            Some(found) => Value::Object(found),
            None => json!({
                "bos_token_id": self.config.bos_token_id,
                "eos_token_id": Some(&self.config.eos_token_ids).filter(|it| !it.is_empty()),
                "pad_token_id": pad,
            }),
        };
        write(dir.join("generation_config.json"), &pretty(&generation))?;
        let parameters = self.config.parameters(self.head);
        let path = dir.join(SINGLE);
        write_weights(&path, &parameters, stored, |name| {
            self.decoder.values_of(name)
        })?;
        let digests = digests(dir)?.into_iter();
        let digests = digests.filter_map(|(name, digest)| Some((name.into_string().ok()?, digest)));
        let mut manifest = manifest.clone();
        manifest.output.files = digests.collect();
        write(dir.join(MANIFEST), &apo_provenance::seal(&manifest))
    }

    /// Returns a token that pads batches of a reward model. It is never an end
    /// of text: `transformers` reads the reward at the last token that is not
    /// padding.
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

/// Copies the files of a tokenizer, and its named templates.
fn copy_tokenizer(from: &Path, dir: &Path) -> Result<(), ModelError> {
    let templates = templates(from)?;
    if !templates.is_empty() {
        let path = dir.join(TEMPLATES);
        fs::create_dir_all(&path).map_err(|source| ModelError::Io {
            action: "write",
            path,
            source,
        })?;
    }
    let names = TOKENIZER.iter().map(PathBuf::from);
    for name in names.chain(templates) {
        let path = from.join(&name);
        if path.exists() {
            let bytes = fs::read(&path).map_err(|error| reading(&path, error))?;
            // `transformers` cannot read JSON after a byte order mark.
            let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
            write(dir.join(&name), bytes)?;
        }
    }
    Ok(())
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
