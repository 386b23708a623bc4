//! Model directories in Hugging Face's layout, and our own `apo.json` in them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use apo_files::model_directory::{self, INDEX, SINGLE, TEMPLATES, TOKENIZER, is_read};
use apo_files::model_file::{read_json, read_object};
use apo_provenance::{
    Input, MANIFEST, Manifest, SealedError, digest_file, hex, hub_name, input_name,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::{Head, ModelConfig};
use crate::error::ModelError;
use crate::identified;
use crate::weights::Weights;

/// How many unknown keys a note names.
const MOST_NAMED: usize = 20;

/// Returns the additional chat templates of a directory, as paths within it.
pub(crate) fn templates(dir: &Path) -> Result<Vec<PathBuf>, ModelError> {
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

/// What is known of a model that we made: `apo.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelManifest {
    /// `policy` or `reward model`.
    pub head: String,
    /// The template that it was trained with: `hh` or `chat`.
    pub template: String,
    /// The reference that a policy was aligned against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Input>,
    /// What every output says of itself.
    #[serde(flatten)]
    pub output: Manifest,
}

impl ModelManifest {
    /// Reads a directory's manifest; returns `None` for a model that others
    /// made.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is malformed, or is not as it was written.
    pub fn read(dir: &Path) -> Result<Option<Self>, ModelError> {
        let path = dir.join(MANIFEST);
        let Some(found) = read_json(&path)? else {
            return Ok(None);
        };
        let manifest = apo_provenance::open(found).map_err(|error| {
            let problem = match error {
                SealedError::Foreign => "no stage of this project wrote it, but stages give this \
                                         name to what describes a model that they made; move it \
                                         away to use the model as one from elsewhere"
                    .to_owned(),
                SealedError::Malformed(error) => {
                    format!("it is not the `{MANIFEST}` of a model: {error}")
                }
                error => error.to_string(),
            };
            ModelError::Config {
                path,
                faults: vec![problem],
            }
        })?;
        Ok(Some(manifest))
    }
}

/// Where a model's parameters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// All come from the directory's files.
    Saved,
    /// The trunk comes from the directory's files; the reward head is new,
    /// drawn with this seed.
    NewHead(u64),
    /// All are drawn with this seed: a model from scratch.
    Scratch(u64),
}

/// A model directory: its config, our `apo.json` and the place of its weights. It
/// decides what kind of model a stage may take the directory for.
#[derive(Debug)]
pub struct ModelDirectory {
    path: PathBuf,
    /// Sizes and settings.
    pub config: ModelConfig,
    /// Our `apo.json`, or `None` for a model that others made.
    pub manifest: Option<ModelManifest>,
}

impl ModelDirectory {
    /// Reads a directory's config and our `apo.json`.
    ///
    /// # Errors
    ///
    /// When it is not a model directory (the error says what it is instead), or
    /// when the config is malformed or needs something unsupported.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        identified::check(path)?;
        Ok(Self {
            path: path.into(),
            config: ModelConfig::read(path)?,
            manifest: ModelManifest::read(path)?,
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

    /// Checks that the directory holds a model with this head, or one that such
    /// a model starts from, and opens its weights; returns `None` for a model
    /// from scratch.
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

    /// Checks that the model is of the expected kind, a policy or a reward
    /// model.
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
            Head::LanguageModel if self.config.names_reward_class() => Err(is(
                "it is a classifier by the `architectures` of its config.json, not a policy; give \
                 the policy",
            )),
            Head::Reward if !weights.has_reward_head() && self.has_value_head_file() => Err(is(
                "its head is in a file of its own, value_head.*, and may have more than one layer: \
                 it is not read",
            )),
            Head::Reward if !weights.has_reward_head() && !weights.has_other_head() => Err(is(
                "it is a policy, not a reward model: its weights have no `score.weight`; give a \
                 reward model, as `rm-train` makes one of a policy",
            )),
            _ => Ok(()),
        }
    }

    /// Whether another program put a reward model's head into a file of its own.
    fn has_value_head_file(&self) -> bool {
        let mut names = ["value_head.safetensors", "value_head.bin"].into_iter();
        names.any(|it| self.path.join(it).exists())
    }

    /// Returns notes on the directory for the user.
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
                "{}: ignoring unknown keys: {}",
                page.display(),
                names.join(", ")
            ));
        }
        let of_config = self.config.notes().into_iter();
        notes.extend(of_config.map(|note| format!("{}: {note}", page.display())));
        notes
    }
}

/// Describes a model directory as an input. The digest is that of the files that stages
/// read, so that what others put beside them changes nothing. It leaves out our own
/// `apo.json`, so that a copy from elsewhere is the same model.
///
/// # Errors
///
/// When it cannot be read, or when a file of a model that we wrote has changed.
pub fn input(dir: &Path) -> Result<Input, ModelError> {
    let digests = digests(dir)?;
    check_digests(dir, &digests)?;
    Ok(described(&digests, name_of(dir, &[SINGLE, INDEX])))
}

/// As [`input`], of everything but the weights, which may be missing.
///
/// # Errors
///
/// As [`input`].
pub fn input_without_weights(dir: &Path) -> Result<Input, ModelError> {
    let digests = digests_of(dir, is_read)?;
    check_some_digests(dir, &digests, is_read)?;
    Ok(described(&digests, name_of(dir, &TOKENIZER[..1])))
}

fn described(digests: &BTreeMap<OsString, String>, name: String) -> Input {
    let mut hasher = Sha256::new();
    for (name, digest) in digests {
        hasher.update(name.as_encoded_bytes());
        hasher.update([0]);
        hasher.update(digest);
    }
    Input {
        name,
        rows: None,
        digest: hex(&hasher.finalize()),
        split: None,
    }
}

/// Names a model directory. If these files, its weights, are links to those of a model on
/// the hub, as in a round's starting policy, it is that model.
fn name_of(dir: &Path, files: &[&str]) -> String {
    let mut files = files.iter();
    let linked = files.find_map(|it| fs::read_link(dir.join(it)).ok());
    let linked = linked.as_deref().and_then(Path::parent);
    linked.and_then(hub_name).unwrap_or_else(|| input_name(dir))
}

/// Checks that the files of a model that we wrote have not changed.
///
/// # Errors
///
/// As [`input`].
pub fn verify(dir: &Path) -> Result<(), ModelError> {
    check_digests(dir, &digests(dir)?)
}

/// Returns the SHA-256 of each of a model's files that stages read, hex, by name.
pub(crate) fn digests(dir: &Path) -> Result<BTreeMap<OsString, String>, ModelError> {
    let weights = weights(dir)?;
    digests_of(dir, |name| is_read(name) || weights.contains(name))
}

fn digests_of(
    dir: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<OsString, String>, ModelError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(|error| reading(dir, error))? {
        let entry = entry.map_err(|error| reading(dir, error))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_str().is_some_and(&is_wanted) && path.is_file() {
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

/// Returns the names of the files that hold a model's weights, and of their index.
fn weights(dir: &Path) -> Result<BTreeSet<String>, ModelError> {
    let Some(weights) = model_directory::weights(|name| dir.join(name).exists()) else {
        return Ok(BTreeSet::new());
    };
    let mut found = BTreeSet::from([weights.to_owned()]);
    if weights == INDEX {
        let index = read_object(&dir.join(INDEX))?.unwrap_or_default();
        let parts = model_directory::parts(&index).unwrap_or_default();
        found.extend(parts.into_iter().map(str::to_owned));
    }
    Ok(found)
}

fn check_digests(dir: &Path, digests: &BTreeMap<OsString, String>) -> Result<(), ModelError> {
    check_some_digests(dir, digests, |_| true)
}

/// Checks those files that are wanted.
fn check_some_digests(
    dir: &Path,
    digests: &BTreeMap<OsString, String>,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), ModelError> {
    let written = ModelManifest::read(dir)?.map_or_else(BTreeMap::new, |it| it.output.files);
    let faults = written
        .iter()
        .filter(|(name, _)| is_wanted(name))
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

pub(crate) fn reading(path: &Path, source: io::Error) -> ModelError {
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
