//! Weights in safetensors files: one file, or several with an index.
//!
//! Files are not mapped. Tensors are read one by one, so that loading takes the
//! memory of one tensor beside the model's own.

mod header;
mod index;
mod names;
mod values;
mod written;
mod zeros;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use safetensors::Dtype;

pub use written::{StoredType, write_weights};

use crate::config::{Head, LlamaConfig};
use crate::error::ModelError;
use header::{Place, quantised};
use index::Index;
use names::{Foreign, foreign, quoted};

/// The embedding, by its name in the file.
const EMBEDDING: &str = "model.embed_tokens.weight";

/// The policy's head.
const LM_HEAD: &str = "lm_head.weight";

/// The reward model's head.
const SCORE: &str = "score.weight";

/// The types of numbers that are read.
const READ: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F64];

/// The headers of a model directory's weights files.
#[derive(Debug)]
pub struct Weights {
    dir: PathBuf,
    files: Vec<PathBuf>,
    tensors: BTreeMap<String, Place>,
    /// Names that are not stored, each with the name whose values it shares.
    shared: BTreeMap<String, String>,
    /// What was removed from names.
    left_out: BTreeSet<String>,
    /// Whether `model.` was added to them.
    is_bare: bool,
    /// Notes on the files for the user.
    notes: Vec<String>,
}

impl Weights {
    /// Reads the headers of a directory's weights.
    ///
    /// Names are as in `transformers`, without the prefixes of wrappers such as
    /// `_orig_mod.` and `module.`.
    ///
    /// # Errors
    ///
    /// When there are none, a file is incomplete, or two tensors have the same
    /// name.
    pub fn open(dir: &Path) -> Result<Self, ModelError> {
        let index = Index::read(dir)?;
        let mut found: Vec<(String, Place)> = Vec::new();
        let mut metadata = HashMap::new();
        let mut bytes = 0;
        for (i, path) in index.files.iter().enumerate() {
            let header = header::read(path, i)?;
            index.check(path, &header.tensors)?;
            bytes += header
                .tensors
                .iter()
                .map(|(_, it)| it.bytes as u64)
                .sum::<u64>();
            found.extend(header.tensors);
            metadata.extend(header.metadata);
        }
        let notes = index.notes(dir, bytes);
        let files = index.files;
        let stored: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
        let (plain, left_out, is_bare) = names::plain(&stored);
        let mut tensors: BTreeMap<String, Place> = BTreeMap::new();
        let mut names_of: HashMap<String, String> = HashMap::new();
        for (name, (as_stored, place)) in plain.into_iter().zip(found) {
            if let Some(other) = tensors.get(&name) {
                let place_of = |file: usize| match files[file].file_name() {
                    Some(name) if files.len() > 1 => format!(" in {}", name.to_string_lossy()),
                    _ => String::new(),
                };
                return Err(ModelError::Kind {
                    dir: dir.into(),
                    problem: format!(
                        "its weights have {} under two names, {}{} and {}{}: a model was saved \
                         twice, with and without its wrapper; save it once",
                        quoted(&name),
                        quoted(&names_of[&name]),
                        place_of(other.file),
                        quoted(&as_stored),
                        place_of(place.file)
                    ),
                });
            }
            names_of.insert(name.clone(), as_stored);
            tensors.insert(name, place);
        }
        let shared = metadata.into_iter().filter(|(name, kept)| {
            !tensors.contains_key(name) && tensors.contains_key(kept) && name.contains('.')
        });
        Ok(Self {
            dir: dir.into(),
            shared: shared.collect(),
            files,
            tensors,
            left_out,
            is_bare,
            notes,
        })
    }

    /// Returns notes on the files for the user.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn notes(&self) -> Result<Vec<String>, ModelError> {
        let mut notes = self.notes.clone();
        if !self.left_out.is_empty() {
            let parts: Vec<&str> = self.left_out.iter().map(String::as_str).collect();
            notes.push(format!(
                "the names of the weights in {} are read without {}",
                self.dir.display(),
                parts.join(" and ")
            ));
        }
        if self.is_bare {
            notes.push(format!(
                "the names of the weights in {} lack `model.`, as those of the base class do; \
                 they are read with it",
                self.dir.display()
            ));
        }
        notes.extend(self.notes_of_zeros()?);
        Ok(notes)
    }

    /// Whether there is a reward head.
    pub fn has_reward_head(&self) -> bool {
        self.tensors.contains_key(SCORE)
    }

    /// Whether there are heads of another kind, such as PPO's value heads.
    pub(crate) fn has_other_head(&self) -> bool {
        self.tensors
            .keys()
            .any(|name| foreign(name, usize::MAX) == Foreign::Head)
    }

    /// Returns where a parameter's values are: under its own name, under one
    /// that it shares them with, or, for an embedding that is not stored, under
    /// the head that it is tied to.
    fn place(&self, name: &str) -> Option<&Place> {
        let tied = || {
            (name == EMBEDDING)
                .then(|| self.tensors.get(LM_HEAD))
                .flatten()
        };
        let shared = || self.tensors.get(self.shared.get(name)?);
        self.tensors.get(name).or_else(shared).or_else(tied)
    }

    /// Checks that the files hold exactly the parameters of a config with a
    /// head.
    ///
    /// # Errors
    ///
    /// For every tensor that is missing, unexpected, or of another shape.
    pub fn check(&self, config: &LlamaConfig, head: Head) -> Result<(), ModelError> {
        // An unused additional head does no harm.
        let allowed: &[&str] = match head {
            Head::LanguageModel if config.tie_word_embeddings => &[LM_HEAD],
            Head::LanguageModel => &[],
            Head::Reward => &[LM_HEAD],
        };
        self.check_against(config, &config.parameters(head), allowed)
    }

    /// Checks that the files hold the trunk of a config, with any head.
    ///
    /// # Errors
    ///
    /// As [`Self::check`].
    pub fn check_trunk(&self, config: &LlamaConfig) -> Result<(), ModelError> {
        let mut expected = config.parameters(Head::LanguageModel);
        expected.retain(|(name, _)| name != LM_HEAD);
        self.check_against(config, &expected, &[LM_HEAD, SCORE])
    }

    fn check_against(
        &self,
        config: &LlamaConfig,
        expected: &[(String, Vec<usize>)],
        allowed: &[&str],
    ) -> Result<(), ModelError> {
        let mut faults = Vec::new();
        let prefix = self.unknown_prefix();
        if let Some(prefix) = &prefix {
            faults.push(format!(
                "its names begin with {}, as those of a model within another one do; save the \
                 language model alone",
                quoted(prefix)
            ));
        }
        let longer = |name: &str| format!("{}{name}", prefix.as_deref().unwrap_or_default());
        for (name, shape) in expected {
            if prefix.is_some() && self.tensors.contains_key(&longer(name)) {
                continue;
            }
            let tied = config.tie_word_embeddings || self.shared.contains_key(name);
            let stored = self.tensors.contains_key(name) || tied;
            match self.place(name).filter(|_| stored) {
                None => faults.push(missing(name, self.is_bare)),
                Some(place) if place.shape != *shape => {
                    faults.push(mismatch(name, &place.shape, shape));
                }
                Some(place) => {
                    if !READ.contains(&place.dtype) {
                        faults.push(format!(
                            "`{name}` holds {:?}, expected F32, F16, BF16 or F64{}",
                            place.dtype,
                            quantised(&format!("{:?}", place.dtype))
                        ));
                    }
                }
            }
        }
        faults.extend(self.unexpected(config, expected, allowed, prefix.as_deref()));
        if faults.is_empty() {
            faults = self.zeros(expected)?;
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(ModelError::Weights {
            dir: self.dir.clone(),
            faults,
        })
    }

    /// Returns the prefix of the trunk's names, unless it can be ignored.
    fn unknown_prefix(&self) -> Option<String> {
        if self.place(EMBEDDING).is_some() {
            return None;
        }
        let embedding = format!(".{EMBEDDING}");
        let before = |name: &String| name.strip_suffix(&embedding).map(|it| format!("{it}."));
        self.tensors.keys().find_map(before)
    }

    /// Describes the tensors that are not parameters, grouped by kind.
    fn unexpected(
        &self,
        config: &LlamaConfig,
        expected: &[(String, Vec<usize>)],
        allowed: &[&str],
        prefix: Option<&str>,
    ) -> Vec<String> {
        let expected: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        let mut kinds: BTreeMap<Foreign, Vec<&str>> = BTreeMap::new();
        for name in self.tensors.keys().map(String::as_str) {
            // Older files hold the rotary frequencies, which follow from the
            // config.
            let implied = name.contains("rotary_emb.");
            let longer = prefix.is_some_and(|prefix| name.starts_with(prefix));
            if !(expected.contains(name) || allowed.contains(&name) || implied || longer) {
                let kind = foreign(name, config.num_hidden_layers);
                kinds.entry(kind).or_default().push(name);
            }
        }
        let mut faults = Vec::new();
        for (kind, names) in kinds {
            let first = quoted(names[0]);
            let these = match names.len() {
                1 => format!("{first} is"),
                2 => format!("{first} and another tensor are"),
                n => format!("{first} and {} other tensors are", n - 1),
            };
            let layers = config.num_hidden_layers;
            faults.push(match kind {
                Foreign::Layers => {
                    format!("{these} of layers that `num_hidden_layers` {layers} leaves out")
                }
                Foreign::Head => format!(
                    "{these} part of a head of another kind; a reward model's is `{SCORE}`, linear \
                     with one label"
                ),
                Foreign::Other(what) => format!("{these} part of {what}"),
                Foreign::Unknown => {
                    for name in names {
                        faults.push(format!("{} is not a parameter of this model", quoted(name)));
                    }
                    continue;
                }
            });
        }
        faults
    }
}

/// Reports a missing parameter; `is_bare` if the names of the others are those
/// of a trunk without a head.
fn missing(name: &str, is_bare: bool) -> String {
    let told = format!("`{name}` is missing");
    if is_bare && [LM_HEAD, SCORE].contains(&name) {
        return told
            + ": the weights were saved from the base class, whose names lack `model.` and which \
               has no head; save the whole model";
    }
    if name == LM_HEAD {
        return told
            + " (if the head is the embedding, `tie_word_embeddings` in config.json must say so: \
               absent, it is false)";
    }
    told
}

/// Reports a parameter whose shape differs from the config's.
fn mismatch(name: &str, found: &[usize], expected: &[usize]) -> String {
    let told = format!("`{name}` is {found:?}, expected {expected:?}");
    match found {
        [labels, _] if name == SCORE && *labels != 1 => {
            format!("{told}: it is a classifier of {labels} labels, a reward model has one")
        }
        // The tokenizer may match either of the two.
        [rows, _] if *rows != expected[0] && [EMBEDDING, LM_HEAD].contains(&name) => {
            format!("{told}: `vocab_size` is {}", expected[0])
        }
        _ => told,
    }
}
