//! The endpoint's key: taken only from the environment, and never shown.

use std::env;
use std::fmt;

use serde_json::Value;

use crate::error::EndpointError;

/// The variable that holds the key.
const VARIABLE: &str = "OPENAI_API_KEY";

/// What replaces the key wherever it would be shown.
const REDACTED: &str = "[key]";

/// A shorter key may be an ordinary word (local servers take `none` or `EMPTY`),
/// so replies keep it.
const SHORTEST_SECRET: usize = 16;

/// Characters by which a part of a key is recognised.
const SHOWN: usize = 5;

/// A key; neither its `Debug` nor any message shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Takes the key from `OPENAI_API_KEY`; `None` if that is not set or empty,
    /// since local servers need none.
    ///
    /// # Errors
    ///
    /// When it contains characters that cannot be sent.
    pub fn from_env() -> Result<Option<Self>, EndpointError> {
        match env::var_os(VARIABLE) {
            None => Ok(None),
            Some(value) => Self::new(value.to_str().ok_or(EndpointError::BadKey)?),
        }
    }

    /// Makes a key from a text without the white space around it; `None` if nothing
    /// remains.
    ///
    /// # Errors
    ///
    /// When it contains characters that cannot be sent.
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

    /// Returns a message without the key, which a server may have echoed, and
    /// without parts of it, such as `sk-1…wxyz`.
    pub(crate) fn redact_message(&self, text: &str) -> String {
        let text = text.replace(&self.0, REDACTED);
        let Some(beginning) = self.0.get(..SHOWN).filter(|_| self.0.len() > 2 * SHOWN) else {
            return text;
        };
        let is_part = |word: &str| {
            let masked = word.contains('*') || word.contains('…') || word.contains("..");
            masked && word.contains(beginning)
        };
        if !text.split(' ').any(is_part) {
            return text;
        }
        let words = text.split(' ');
        let words = words.map(|word| if is_part(word) { REDACTED } else { word });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Returns an answer's body without the key, which a server may have echoed,
    /// plain or with JSON's escapes. A key that could be an ordinary word is kept.
    pub(crate) fn redact_body(&self, body: Vec<u8>, is_reply: bool) -> Vec<u8> {
        let key = self.0.as_bytes();
        if is_reply && key.len() < SHORTEST_SECRET {
            return body;
        }
        let body = without(body, key);
        if !body.contains(&b'\\') {
            return body;
        }
        match serde_json::from_slice::<Value>(&body) {
            Ok(mut json) => {
                if self.redact_json(&mut json) {
                    json.to_string().into_bytes()
                } else {
                    body
                }
            }
            Err(_) => body,
        }
    }

    /// Removes the key from all texts of a value; returns whether it was there.
    fn redact_json(&self, json: &mut Value) -> bool {
        let mut found = false;
        match json {
            Value::String(text) if text.contains(&self.0) => {
                *text = text.replace(&self.0, REDACTED);
                found = true;
            }
            Value::Array(items) => {
                for item in items {
                    found |= self.redact_json(item);
                }
            }
            Value::Object(fields) => {
                for field in fields.values_mut() {
                    found |= self.redact_json(field);
                }
            }
            _ => {}
        }
        found
    }
}

/// Returns bytes in which the key is replaced, and all others are as they were.
fn without(body: Vec<u8>, key: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut rest = body.as_slice();
    while let Some(at) = rest.windows(key.len()).position(|window| window == key) {
        found.extend_from_slice(&rest[..at]);
        found.extend_from_slice(REDACTED.as_bytes());
        rest = &rest[at + key.len()..];
    }
    if found.is_empty() && rest.len() == body.len() {
        return body;
    }
    found.extend_from_slice(rest);
    found
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
    fn escapes_and_masks_do_not_show_it_and_other_bytes_stay() {
        let key = Key::new("sk-01234/56789abcdef").unwrap().unwrap();
        let escaped = br#"{"a":["sk-01234\/56789\u0061bcdef"]}"#.to_vec();
        assert_eq!(key.redact_body(escaped, false), br#"{"a":["[key]"]}"#);
        let bytes = b"\xff sk-01234/56789abcdef \xfe".to_vec();
        assert_eq!(key.redact_body(bytes, true), b"\xff [key] \xfe");
        for part in ["sk-01***cdef", "sk-01…cdef.", "`sk-01...cdef`"] {
            let found = key.redact_message(&format!("wrong key: {part} given"));
            assert_eq!(found, "wrong key: [key] given");
        }
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
