//! Requests, and the digests that identify them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// The human.
    User,
    /// The model.
    Assistant,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// Its text.
    pub content: String,
}

impl Message {
    /// Makes a message.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }
}

/// A request for a chat completion, as it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The model's name at the endpoint.
    pub model: String,
    /// The conversation to continue.
    pub messages: Vec<Message>,
    /// Sampling temperature; the server's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Most tokens of the reply; the server's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Seed of the server's sampling, if it takes one; distinguishes requests that
    /// are otherwise equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Request {
    /// Makes a request with the server's default sampling.
    pub fn new(model: &str, messages: Vec<Message>) -> Self {
        Self {
            model: model.to_owned(),
            messages,
            temperature: None,
            max_tokens: None,
            seed: None,
        }
    }

    /// Returns the body to send: JSON with its fields in the order of this struct.
    pub fn body(&self) -> String {
        serde_json::to_string(self).expect("a request is plain data")
    }

    /// Returns the SHA-256 of the body. The server's address is not part of
    /// it: the same model elsewhere gives the same answers.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.body()).into())
    }
}

/// The key of a request in the journal; as text, 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected 64 hex digits";
        if text.len() != 64 || !text.is_ascii() {
            return Err(EXPECTED);
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| EXPECTED)?;
        }
        Ok(Self(bytes))
    }
}

impl Digest {
    /// Makes the digest of these bytes of a SHA-256.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns its first eight bytes as a number, to seed draws with.
    pub(crate) fn seed(self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(bytes)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request::new("m", vec![Message::new(Role::User, "hi")])
    }

    #[test]
    fn the_body_is_what_the_api_documents() {
        assert_eq!(
            request().body(),
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#
        );
    }

    #[test]
    fn the_digest_is_the_sha_256_of_the_body() {
        // printf '%s' '{"model":"m","messages":[{"role":"user","content":"hi"}]}' | sha256sum
        assert_eq!(
            request().digest().to_string(),
            "798d46639491d6c18f1779ddfca7da4b672f23a4cb57d66eeae48d9b8ccb6075"
        );
    }

    #[test]
    fn whatever_changes_the_request_changes_the_digest() {
        let other_model = Request::new("n", request().messages);
        let other_role = Request::new("m", vec![Message::new(Role::Assistant, "hi")]);
        let warmer = Request {
            temperature: Some(0.5),
            ..request()
        };
        let shorter = Request {
            max_tokens: Some(5),
            ..request()
        };
        for other in [other_model, other_role, warmer, shorter] {
            assert_ne!(other.digest(), request().digest(), "{other:?}");
        }
    }

    #[test]
    fn a_digest_is_read_back_from_its_text() {
        let digest = request().digest();
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for text in ["", "abc", &"g".repeat(64), &"é".repeat(32)] {
            assert!(text.parse::<Digest>().is_err(), "{text:?} is not a digest");
        }
    }
}
