//! A text of a text completion.

use serde::{Deserialize, Serialize};

use crate::ending::Ending;

/// A text that continues a prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// The text, without the end of text or the text that ended it.
    pub text: String,
    /// Why it ended, in the server's words: `stop`, `length`.
    pub finish_reason: String,
    /// What ended a text that was not cut, if the server tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// The ids of its tokens, in most servers with the end of text, if the server sends them.
    /// llama.cpp leaves out those of a text that ended it, and, of a character that takes
    /// several tokens, all but the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<u32>>,
    /// The log-prob of each of these tokens, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_probs: Option<Vec<f32>>,
}

/// What ends a text that is not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// A text before which completions end.
    Text,
    /// An end of text.
    Token,
}

impl Drawn {
    /// Returns the number of its ids.
    pub(crate) fn n_ids(&self) -> Option<u64> {
        self.ids.as_ref().map(|ids| ids.len() as u64)
    }

    /// Whether the token limit ended it.
    pub fn is_cut(&self) -> bool {
        Ending::of(Some(&self.finish_reason)) == Ending::Cut
    }
}
