//! Checks that weights files hold the parameters of a config.

use std::collections::{BTreeMap, BTreeSet};

use super::header::quantised;
use super::names::{Foreign, foreign, quoted};
use super::{EMBEDDING, LM_HEAD, READ, SCORE, Weights};
use crate::config::{Head, ModelConfig};
use crate::error::ModelError;

impl Weights {
    /// Checks that the files hold exactly the parameters of a config with a
    /// head.
    ///
    /// # Errors
    ///
    /// For every tensor that is missing, unexpected, or of another shape.
    pub fn check(&self, config: &ModelConfig, head: Head) -> Result<(), ModelError> {
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
    pub fn check_trunk(&self, config: &ModelConfig) -> Result<(), ModelError> {
        let mut expected = config.parameters(Head::LanguageModel);
        expected.retain(|(name, _)| name != LM_HEAD);
        self.check_against(config, &expected, &[LM_HEAD, SCORE])
    }

    /// Checks that a head that is stored beside its tied embedding has the same
    /// values: releases of `transformers` differ in which of the two they use.
    ///
    /// # Errors
    ///
    /// When the two differ, or cannot be read.
    pub fn check_tied(&self) -> Result<(), ModelError> {
        let (Some(one), Some(other)) = (self.tensors.get(EMBEDDING), self.tensors.get(LM_HEAD))
        else {
            return Ok(());
        };
        if self.same_numbers(one, other)? {
            return Ok(());
        }
        Err(ModelError::Weights {
            dir: self.dir.clone(),
            faults: vec![format!(
                "`tie_word_embeddings` is true, but `{LM_HEAD}` has other values than \
                 `{EMBEDDING}`; write false to use it, or leave it out of the file"
            )],
        })
    }

    /// Checks that the files hold exactly the parameters `expected`, and at most those
    /// `allowed` beside them.
    fn check_against(
        &self,
        config: &ModelConfig,
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
                None => faults.push(self.missing(name)),
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
        config: &ModelConfig,
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

    /// Reports a missing parameter.
    fn missing(&self, name: &str) -> String {
        let fault = format!("`{name}` is missing");
        if self.is_bare && [LM_HEAD, SCORE].contains(&name) {
            return fault
                + ": the weights were saved from the base class, whose names lack `model.` and \
                   which has no head; save the whole model";
        }
        if name == LM_HEAD {
            return fault
                + " (if the head is the embedding, `tie_word_embeddings` in config.json must say \
                   so: absent, it is false)";
        }
        fault
    }
}

/// Reports a parameter whose shape differs from the config's.
fn mismatch(name: &str, found: &[usize], expected: &[usize]) -> String {
    let fault = format!("`{name}` is {found:?}, expected {expected:?}");
    match found {
        [labels, _] if name == SCORE && *labels != 1 => {
            format!("{fault}: it is a classifier of {labels} labels, a reward model has one")
        }
        // The tokenizer may match either of the two.
        [rows, _] if *rows != expected[0] && [EMBEDDING, LM_HEAD].contains(&name) => {
            format!("{fault}: `vocab_size` is {}", expected[0])
        }
        _ => fault,
    }
}
