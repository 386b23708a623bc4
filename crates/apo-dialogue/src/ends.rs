//! Where a text ends: the end of text that training puts after a response, and
//! every id at which sampling stops.

use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::DialogueError;
use crate::files::{self, malformed};
use crate::named_tokens::NamedTokens;

/// The ends of text of a model.
#[derive(Debug)]
pub(crate) struct Ends {
    /// What follows a whole response.
    pub(crate) eos: u32,
    /// What sampling stops at, `eos` first.
    pub(crate) stop_ids: Vec<u32>,
    /// What to tell the user about how they were found.
    pub(crate) note: Option<String>,
}

impl Ends {
    /// Finds the tokenizer's `eos_token` and the ids that generation stops at:
    /// `eos_token_id` of `generation_config.json`, or else of `config.json`,
    /// one or a list. If the tokenizer names no end of text, the first of those
    /// is the end of text.
    ///
    /// # Errors
    ///
    /// When the files name none, or one that is not in the vocabulary.
    pub(crate) fn find(
        dir: &Path,
        tokenizer: &Tokenizer,
        named: &NamedTokens,
        config: &Value,
    ) -> Result<Self, DialogueError> {
        let size = vocabulary(tokenizer, config);
        let path = dir.join("generation_config.json");
        let generation = files::object(&path)?.unwrap_or(Value::Null);
        let mut ids = ids(&path, &generation, size)?;
        let mut from = "generation_config.json";
        if ids.is_empty() {
            from = "config.json";
            ids = self::ids(&dir.join(from), config, size)?;
        }
        let mut note = None;
        let eos = match (named.text("eos_token"), ids.first()) {
            (Some(text), _) => tokenizer.token_to_id(text).ok_or_else(|| {
                let path = dir.join("tokenizer_config.json");
                let problem = format!(
                    "`eos_token` is {text:?}, which tokenizer.json does not know: no response \
                     would ever end"
                );
                malformed(&path, problem)
            })?,
            (None, Some(&id)) => {
                let text = tokenizer.id_to_token(id).ok_or_else(|| {
                    let problem = format!("`eos_token_id` is {id}, which tokenizer.json lacks");
                    malformed(&dir.join(from), problem)
                })?;
                note = Some(format!(
                    "the tokenizer in {} names no `eos_token`; {text:?}, id {id}, is taken from \
                     {from}",
                    dir.display()
                ));
                id
            }
            (None, None) => return Err(DialogueError::NoEos { dir: dir.into() }),
        };
        if !ids.is_empty() && !ids.contains(&eos) {
            let text = tokenizer.id_to_token(eos).unwrap_or_default();
            note = Some(format!(
                "the tokenizer in {} ends texts with {text:?}, id {eos}, which is not among the \
                 `eos_token_id` of {from}, {ids:?}: training ends responses with it, and \
                 `transformers` would not stop there; correct one of the two",
                dir.display()
            ));
        }
        let mut stop_ids = vec![eos];
        for id in ids {
            if !stop_ids.contains(&id) {
                stop_ids.push(id);
            }
        }
        Ok(Self {
            eos,
            stop_ids,
            note,
        })
    }
}

/// Returns how many ids the model has according to its config, or else how many
/// the tokenizer has.
fn vocabulary(tokenizer: &Tokenizer, config: &Value) -> u64 {
    config["vocab_size"].as_u64().unwrap_or_else(|| {
        let ids = tokenizer.get_vocab(true).into_values();
        ids.max().map_or(0, |id| u64::from(id) + 1)
    })
}

/// Reads `eos_token_id` of a config: absent, null or -1, an id, or a list of them.
fn ids(path: &Path, config: &Value, size: u64) -> Result<Vec<u32>, DialogueError> {
    let id = |value: &Value| match value.as_u64() {
        Some(id) if id < size => Ok(Some(id as u32)),
        // Many models' files write -1 for none.
        None if value.as_i64() == Some(-1) => Ok(None),
        Some(_) | None => {
            let problem = format!(
                "`eos_token_id` holds {value}, expected ids of the vocabulary, from 0 to {}",
                size.saturating_sub(1)
            );
            Err(malformed(path, problem))
        }
    };
    match &config["eos_token_id"] {
        Value::Null => Ok(Vec::new()),
        Value::Array(ids) => ids.iter().filter_map(|it| id(it).transpose()).collect(),
        other => Ok(id(other)?.into_iter().collect()),
    }
}
