//! Model directories in Hugging Face's layout: what we write, and our own
//! page beside it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use apo_dialogue::model_file::{read_json, read_object};
use apo_provenance::{Input, MANIFEST, Provenance, digest_file, hex};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::{Head, LlamaConfig};
use crate::error::ModelError;
use crate::identified;
use crate::loaded::{Model, Start};
use crate::weights::{StoredType, Weights, write_weights};

/// Unknown keys that are named, at most.
const MOST_NAMED: usize = 20;

/// What a tokenizer may consist of.
const TOKENIZER_FILES: [&str; 9] = [
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

/// What some editors put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The folder of further chat templates.
const TEMPLATES: &str = "additional_chat_templates";

/// Returns the further chat templates of a directory, as paths within it.
fn templates(dir: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let folder = dir.join(TEMPLATES);
    let mut found = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).map_err(|error| reading(&folder, error))? {
            let entry = entry.map_err(|error| reading(&folder, error))?;
            if entry.path().is_file() {
                found.push(Path::new(TEMPLATES).join(entry.file_name()));
            }
        }
    }
    Ok(found)
}

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
    /// SHA-256 of each file beside this one as it was written, hex, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// What made it.
    #[serde(flatten)]
    pub provenance: Provenance,
}

impl Manifest {
    /// Reads a directory's manifest; none where others made the model.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is malformed, or is not as it was written.
    pub fn read(dir: &Path) -> Result<Option<Self>, ModelError> {
        let path = dir.join(MANIFEST);
        let Some(page) = read_json(&path)? else {
            return Ok(None);
        };
        let manifest = apo_provenance::open(page).map_err(|error| ModelError::Config {
            path,
            faults: vec![error.to_string()],
        })?;
        Ok(Some(manifest))
    }
}

/// A model directory that may be read: its config, what we know of it, and
/// where its weights lie. What a stage takes a directory for is decided here.
#[derive(Debug)]
pub struct ModelDirectory {
    path: PathBuf,
    /// Sizes and settings.
    pub config: LlamaConfig,
    /// Our page in it; none where others made the model.
    pub manifest: Option<Manifest>,
}

impl ModelDirectory {
    /// Reads a directory's config and our page in it.
    ///
    /// # Errors
    ///
    /// When it is no model directory, with what it is instead; when the config
    /// is malformed or asks for what is not done here.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        identified::check(path)?;
        Ok(Self {
            path: path.into(),
            config: LlamaConfig::read(path)?,
            manifest: Manifest::read(path)?,
        })
    }

    /// Whether there is a reward head among the weights.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn has_reward_head(&self) -> Result<bool, ModelError> {
        Ok(Weights::open(&self.path)?.has_reward_head())
    }

    /// Checks that the directory holds a model with this head, or what such a
    /// model starts from, and opens its weights; none for one from scratch.
    ///
    /// # Errors
    ///
    /// When it holds a model of another kind, or weights that do not fit its
    /// config.
    pub fn weights(&self, head: Head, start: Start) -> Result<Option<Weights>, ModelError> {
        if matches!(start, Start::Scratch(_)) {
            return Ok(None);
        }
        let weights = Weights::open(&self.path)?;
        if matches!(start, Start::NewHead(_)) {
            weights.check_trunk(&self.config)?;
        } else {
            self.check_kind(head, &weights)?;
            weights.check(&self.config, head)?;
        }
        Ok(Some(weights))
    }

    /// Checks that the model is a policy or a reward model, as it is wanted.
    fn check_kind(&self, head: Head, weights: &Weights) -> Result<(), ModelError> {
        let is = |problem: &str| ModelError::Kind {
            dir: self.path.clone(),
            problem: problem.into(),
        };
        let named = |head: &str| self.manifest.as_ref().is_some_and(|it| it.head == head);
        match head {
            Head::LanguageModel if weights.has_reward_head() => Err(is(
                "it is a reward model, not a policy: its weights have a `score.weight`; give the \
                 policy",
            )),
            Head::LanguageModel if named("reward model") => Err(is(
                "it is a reward model by its apo.json, though its weights have no `score.weight`; \
                 give the policy",
            )),
            Head::LanguageModel if self.config.named_head() == Some(Head::Reward) => Err(is(
                "it is a classifier by the `architectures` of its config.json, not a policy; give \
                 the policy",
            )),
            Head::Reward if !weights.has_reward_head() && !weights.has_other_head() => Err(is(
                "it is a policy, not a reward model: its weights have no `score.weight`; give a \
                 reward model, as `rm-train` makes one of a policy",
            )),
            _ => Ok(()),
        }
    }

    /// Returns what is worth telling of the directory before it is used.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let page = self.path.join("config.json");
        let unknown = self.config.unknown_keys();
        if !unknown.is_empty() {
            let mut names: Vec<String> = unknown
                .iter()
                .take(MOST_NAMED)
                .map(|name| name.escape_debug().to_string())
                .collect();
            if unknown.len() > MOST_NAMED {
                names.push(format!("and {} more", unknown.len() - MOST_NAMED));
            }
            notes.push(format!(
                "{}: keys that are not known here, and are not used: {}",
                page.display(),
                names.join(", ")
            ));
        }
        let told = self.config.notes().into_iter();
        notes.extend(told.map(|note| format!("{}: {note}", page.display())));
        notes
    }
}

/// Describes a model directory as an input: a digest of all it holds except
/// for our own page, so that it is the same model wherever it came from.
///
/// # Errors
///
/// When it cannot be read; when we wrote it, and a file is not as it was written.
pub fn input(dir: &Path) -> Result<Input, ModelError> {
    let digests = digests(dir)?;
    check_digests(dir, &digests)?;
    let mut hasher = Sha256::new();
    for (name, digest) in digests {
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

/// Checks that the files of a model that we wrote are as they were written.
///
/// # Errors
///
/// As [`input`].
pub fn verify(dir: &Path) -> Result<(), ModelError> {
    check_digests(dir, &digests(dir)?)
}

/// Returns the SHA-256 of each file that makes a model, hex, by name.
fn digests(dir: &Path) -> Result<BTreeMap<OsString, String>, ModelError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(|error| reading(dir, error))? {
        let entry = entry.map_err(|error| reading(dir, error))?;
        let (name, path) = (entry.file_name(), entry.path());
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if path.is_file() && !hidden && name != MANIFEST && name != "metrics.parquet" {
            let digest = digest_file(&path).map_err(|error| reading(&path, error))?;
            found.insert(name, digest);
        }
    }
    for template in templates(dir)? {
        let path = dir.join(&template);
        let digest = digest_file(&path).map_err(|error| reading(&path, error))?;
        found.insert(template.into_os_string(), digest);
    }
    Ok(found)
}

fn check_digests(dir: &Path, digests: &BTreeMap<OsString, String>) -> Result<(), ModelError> {
    let written = Manifest::read(dir)?.map(|it| it.files).unwrap_or_default();
    let faults = written
        .iter()
        .filter_map(|(name, digest)| match digests.get(OsStr::new(name)) {
            None => Some(format!("{name} is missing")),
            Some(found) if found != digest => Some(format!("{name} has changed")),
            Some(_) => None,
        });
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(ModelError::Changed {
        dir: dir.into(),
        faults,
    })
}

fn reading(path: &Path, source: io::Error) -> ModelError {
    if source.kind() == io::ErrorKind::NotFound {
        return ModelError::MissingFile {
            dir: path.into(),
            missing: "folder there".into(),
            hint: String::new(),
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
        let templates = templates(from)?;
        if !templates.is_empty() {
            let path = dir.join(TEMPLATES);
            fs::create_dir_all(&path).map_err(|source| ModelError::Io {
                action: "write",
                path,
                source,
            })?;
        }
        let names = TOKENIZER_FILES.iter().map(PathBuf::from);
        for name in names.chain(templates) {
            let path = from.join(&name);
            if path.exists() {
                let bytes = fs::read(&path).map_err(|error| reading(&path, error))?;
                // `transformers` reads no JSON behind a byte order mark.
                let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
                write(dir.join(&name), bytes)?;
            }
        }
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
        write(dir.join("config.json"), &pretty(&config))?;
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
        let path = dir.join("model.safetensors");
        write_weights(&path, &parameters, stored, |name| {
            self.llama.values_of(name)
        })?;
        let digests = digests(dir)?.into_iter();
        let digests = digests.filter_map(|(name, digest)| Some((name.into_string().ok()?, digest)));
        let manifest = Manifest {
            files: digests.collect(),
            ..manifest.clone()
        };
        write(dir.join(MANIFEST), &apo_provenance::seal(&manifest))
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
