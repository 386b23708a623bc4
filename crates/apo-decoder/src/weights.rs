//! Weights in safetensors files: one file, or several with an index.
//!
//! Files are not mapped. Tensors are read one by one, so that loading takes the
//! memory of one tensor beside the model's own.

mod check;
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

use crate::error::ModelError;
use header::Place;
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
}
