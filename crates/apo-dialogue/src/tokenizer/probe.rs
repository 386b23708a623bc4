//! Tries a tokenizer on a few dialogues before it is used: some cannot give back the
//! text that they were given.

use std::path::Path;

use apo_guard::guarded;
use tokenizers::models::ModelWrapper;
use tokenizers::{NormalizedString, Normalizer as _, Tokenizer};

use super::DialogueTokenizer;
use crate::error::DialogueError;

/// Texts on which the boundary is tried.
const PROBES: [(&str, &str); 3] = [
    ("\n\nHuman: Why?\n\nAssistant:", "Because it is so."),
    ("\n\nHuman: 2 + 2\n\nAssistant:", "4"),
    ("\n\nHuman: a list\n\nAssistant:", "- one\n- two"),
];

impl DialogueTokenizer {
    /// Checks that a response follows its prompt as it should: after one space,
    /// or right after a chat template's header.
    pub(super) fn check_boundary(&self, dir: &Path) -> Result<(), DialogueError> {
        for (prompt, response) in PROBES {
            let mut ids = self.ids(&self.plain, prompt)?;
            ids.extend(self.encode_response(&ids, response, usize::MAX)?);
            let expected = format!("{prompt}{}{response}", self.lead());
            let joined = self.decode(&ids)?;
            if joined != expected {
                return Err(DialogueError::Boundary {
                    dir: dir.into(),
                    cause: cause(&self.special, &ids, &expected),
                    joined,
                    expected,
                });
            }
        }
        Ok(())
    }
}

/// Says why a text does not come back from its ids.
fn cause(tokenizer: &Tokenizer, ids: &[u32], text: &str) -> String {
    if let Some(normalizer) = tokenizer.get_normalizer() {
        let mut normalized = NormalizedString::from(text);
        let is_done = guarded(|| normalizer.normalize(&mut normalized)).is_ok_and(|it| it.is_ok());
        let back = normalized.get().replace('▁', " ");
        if !is_done || back.trim_start() != text.replace('▁', " ").trim_start() {
            return "its `normalizer` changes the text".to_owned();
        }
    }
    let unknown = match tokenizer.get_model() {
        ModelWrapper::BPE(it) => it.unk_token.clone(),
        ModelWrapper::WordLevel(it) => Some(it.unk_token.clone()),
        ModelWrapper::WordPiece(it) => Some(it.unk_token.clone()),
        ModelWrapper::Unigram(_) => None,
    };
    let unknown = unknown.and_then(|text| tokenizer.token_to_id(&text));
    if unknown.is_some_and(|id| ids.contains(&id)) || ids.is_empty() {
        return "its vocabulary lacks words or characters of it".to_owned();
    }
    if tokenizer.get_decoder().is_none() {
        return "it has no `decoder`".to_owned();
    }
    "its `decoder` does not undo its `pre_tokenizer`, or drops text".to_owned()
}
