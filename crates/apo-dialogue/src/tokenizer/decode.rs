//! Token ids to text.

use apo_guard::guarded;

use super::DialogueTokenizer;
use crate::error::DialogueError;

/// How many of the last tokens are searched for another human turn. The marker
/// has eight characters, each at most one token, after a few bytes.
const TURN_WINDOW: usize = 16;

impl DialogueTokenizer {
    /// Returns the text of a response's ids as a table holds it: stripped, up to another
    /// human turn. With a chat template, in which tokens separate turns, other markers are
    /// [quoted](apo_hh::quoted), as [`Self::encode_response`] expects them.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails.
    pub fn decode_response(&self, ids: &[u32]) -> Result<String, DialogueError> {
        let text = self.decode(ids)?;
        let end = text.find(apo_hh::HUMAN).unwrap_or(text.len());
        let text = text[..end].trim();
        Ok(match self.chat {
            Some(_) => apo_hh::quoted(text).into_owned(),
            None => text.to_owned(),
        })
    }

    /// Returns the text of ids without special tokens.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DialogueError> {
        self.text(ids, true)
    }

    /// Returns the text of ids with special tokens, as a model sees it.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails.
    pub fn decode_all(&self, ids: &[u32]) -> Result<String, DialogueError> {
        self.text(ids, false)
    }

    fn text(&self, ids: &[u32], skip_special: bool) -> Result<String, DialogueError> {
        guarded(|| self.special.decode(ids, skip_special))
            .map_err(|panic| self.fails(panic))?
            .map_err(|error| self.fails(error))
    }

    /// Whether another human turn begins in the last ids of a response.
    pub fn ends_turn(&self, ids: &[u32]) -> bool {
        let from = ids.len().saturating_sub(TURN_WINDOW);
        // A tokenizer that fails here fails on the whole response too.
        self.decode(&ids[from..])
            .is_ok_and(|text| text.contains(apo_hh::HUMAN))
    }
}
