//! The hub's token: taken from the environment, and never shown.

use std::fmt;

use crate::error::HubError;

/// What replaces the token wherever it would be shown.
const REDACTED: &str = "[token]";

/// A token; neither its `Debug` nor any message shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Makes a token from a text without the white space around it; `None` if nothing
    /// remains. `from` names the variable or the file in an error.
    ///
    /// # Errors
    ///
    /// When it contains characters that cannot be sent.
    pub fn new(text: &str, from: &str) -> Result<Option<Self>, HubError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HubError::BadToken { from: from.into() });
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    /// Returns the value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Returns a text without the token, which a server may have echoed.
    pub(crate) fn redact(&self, text: &str) -> String {
        text.replace(&self.0, REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::new(" hf_secret\n", "HF_TOKEN").unwrap().unwrap();
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(token.redact("bad hf_secret!"), "bad [token]!");
        assert_eq!(Token::new(" \n", "HF_TOKEN").unwrap(), None);
        let error = Token::new("hf_sec ret", "HF_TOKEN")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("HF_TOKEN") && !error.contains("hf_sec"),
            "{error}"
        );
    }
}
