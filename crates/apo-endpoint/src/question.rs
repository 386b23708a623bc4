//! What can be asked of an endpoint, and in which of OpenAI's formats.

use sha2::{Digest as _, Sha256};

use crate::request::{Digest, Request};
use crate::text_request::TextRequest;

/// Bytes that a server may send for a token: its text, its log-prob, and the same of the
/// likeliest one.
const BYTES_PER_TOKEN: u64 = 1024;

/// A question to an endpoint.
pub trait Question {
    /// Returns the model's name at the endpoint.
    fn model(&self) -> &str;

    /// Returns the body to send, JSON.
    fn body(&self) -> String;

    /// Returns the key of the question in the journal. The server's address is not part of
    /// it: the same model elsewhere gives the same answers.
    fn digest(&self) -> Digest;

    /// Returns the format of question and answer.
    fn form(&self) -> Form;
}

impl Question for Request {
    fn model(&self) -> &str {
        &self.model
    }

    fn body(&self) -> String {
        Self::body(self)
    }

    fn digest(&self) -> Digest {
        Self::digest(self)
    }

    fn form(&self) -> Form {
        Form::Chat
    }
}

impl Question for TextRequest {
    fn model(&self) -> &str {
        &self.model
    }

    fn body(&self) -> String {
        Self::body(self)
    }

    fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(self.weights.as_bytes());
        hasher.update([0]);
        hasher.update(self.body());
        Digest::new(hasher.finalize().into())
    }

    fn form(&self) -> Form {
        Form::Text(Wanted {
            model: self.model.clone(),
            prompt_tokens: self.prompt.len() as u64,
            choices: self.n,
            tokens: self.max_tokens,
        })
    }
}

/// Which of OpenAI's formats a question and its answer have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A chat completion, of `/chat/completions`.
    Chat,
    /// Text completions, of `/completions`.
    Text(Wanted),
}

/// What an answer with text completions has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The model's name at the endpoint.
    pub model: String,
    /// The number of the prompt's tokens.
    pub prompt_tokens: u64,
    /// The number of texts.
    pub choices: u32,
    /// Most tokens of each.
    pub tokens: u32,
}

impl Form {
    /// Returns the size of the largest answer: `usual`, or what all tokens of all texts take.
    pub(crate) fn most_bytes(&self, usual: u64) -> u64 {
        match self {
            Self::Chat => usual,
            Self::Text(wanted) => {
                let tokens = u64::from(wanted.choices) * u64::from(wanted.tokens);
                usual.max(tokens.saturating_mul(BYTES_PER_TOKEN))
            }
        }
    }
}
