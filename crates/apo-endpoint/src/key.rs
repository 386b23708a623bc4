//! The endpoint's key: from the environment alone, shown to nobody.

use std::env;
use std::fmt;

use crate::error::EndpointError;

/// The only place that a key is taken from.
pub const VARIABLE: &str = "OPENAI_API_KEY";

/// What stands for the key wherever it would have been shown.
const REDACTED: &str = "[key]";

/// A key shorter than this may be a word of everyday text (local servers take
/// `none` or `EMPTY`), so that it is left alone in replies.
const SHORTEST_SECRET: usize = 16;

/// A key; neither its `Debug` nor any message shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Takes the key from `OPENAI_API_KEY`; none where that is not set or
    /// empty: local servers want none.
    ///
    /// # Errors
    ///
    /// When it holds what cannot be sent.
    pub fn from_env() -> Result<Option<Self>, EndpointError> {
        match env::var_os(VARIABLE) {
            None => Ok(None),
            Some(value) => Self::new(value.to_str().ok_or(EndpointError::BadKey)?),
        }
    }

    /// Makes a key of a text, white space around it dropped; none of nothing.
    ///
    /// # Errors
    ///
    /// When it holds what cannot be sent.
    pub fn new(text: &str) -> Result<Option<Self>, EndpointError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EndpointError::BadKey);
        }
        Ok(Some(Self(text.to_owned())))
    }

    /// Returns the value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Returns a message without the key, should a server have echoed it.
    pub(crate) fn redact_message(&self, text: &str) -> String {
        text.replace(&self.0, REDACTED)
    }

    /// Returns an answer's body without the key, should a server have echoed
    /// it. In a reply, what could be a plain word is left alone.
    pub(crate) fn redact_body(&self, body: Vec<u8>, is_reply: bool) -> Vec<u8> {
        let key = self.0.as_bytes();
        let may_be_a_word = is_reply && key.len() < SHORTEST_SECRET;
        if may_be_a_word || !body.windows(key.len()).any(|window| window == key) {
            return body;
        }
        String::from_utf8_lossy(&body)
            .replace(&self.0, REDACTED)
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::new("sk-0123456789abcdef").unwrap().unwrap();
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert_eq!(
            key.redact_message("bad key sk-0123456789abcdef!"),
            "bad key [key]!"
        );
        assert_eq!(
            key.redact_body(b"a sk-0123456789abcdef".into(), true),
            b"a [key]"
        );
        let word = Key::new("none").unwrap().unwrap();
        assert_eq!(
            word.redact_body(b"none of them".into(), true),
            b"none of them"
        );
        assert_eq!(
            word.redact_body(b"none of them".into(), false),
            b"[key] of them"
        );
    }

    #[test]
    fn white_space_around_a_key_is_dropped_and_inside_refused() {
        assert_eq!(Key::new(" sk-1\n").unwrap(), Key::new("sk-1").unwrap());
        assert_eq!(Key::new(" \n").unwrap(), None);
        for text in ["a b", "a\nb", "clé"] {
            let error = Key::new(text).unwrap_err().to_string();
            assert!(!error.contains(text), "{error}");
        }
    }
}
