//! The space that a tokenizer puts before a text, and text that follows other text.
//!
//! Tokenizers in sentencepiece's style put a space before a text, and some also
//! before whatever follows an added token. A response is tokenised apart from
//! its prompt but follows it. So it is read by a tokenizer that puts nothing
//! before it, unless the prompt ends with an added token and the tokenizer
//! would put a space there in the whole text.

use serde_json::{Value, json};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// The tokenizer of text that follows other text.
pub(crate) struct ContinuationTokenizer {
    /// Puts nothing before a text.
    pub(crate) tokenizer: Tokenizer,
    /// Whether the original also puts something before what follows an added
    /// token.
    pub(crate) after_added: bool,
}

impl ContinuationTokenizer {
    /// Returns the tokenizer of text that follows other text, or `None` if the
    /// given one puts nothing before texts anyway.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let mut found = Found::default();
        let mut other = None;
        if let Some(normalizer) = tokenizer.get_normalizer() {
            let mut value = serde_json::to_value(normalizer).ok()?;
            let before = found.n;
            found.normalizer(&mut value);
            if found.n > before {
                let without: NormalizerWrapper = serde_json::from_value(value).ok()?;
                let other = other.get_or_insert_with(|| tokenizer.clone());
                other.with_normalizer(Some(without));
            }
        }
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            let mut value = serde_json::to_value(pre_tokenizer).ok()?;
            let before = found.n;
            found.pre_tokenizer(&mut value);
            if found.n > before {
                let without: PreTokenizerWrapper = serde_json::from_value(value).ok()?;
                let other = other.get_or_insert_with(|| tokenizer.clone());
                other.with_pre_tokenizer(Some(without));
            }
        }
        let after_added = found.after_added;
        other.map(|tokenizer| Self {
            tokenizer,
            after_added,
        })
    }
}

/// The steps that put something before a text, which were found and removed.
#[derive(Default)]
struct Found {
    n: usize,
    after_added: bool,
}

impl Found {
    fn normalizer(&mut self, value: &mut Value) {
        match value["type"].as_str() {
            Some("Prepend") => {
                *value = json!({"type": "Sequence", "normalizers": []});
                self.n += 1;
                self.after_added = true;
            }
            Some("Sequence") => {
                for each in value["normalizers"].as_array_mut().into_iter().flatten() {
                    self.normalizer(each);
                }
            }
            _ => {}
        }
    }

    fn pre_tokenizer(&mut self, value: &mut Value) {
        match value["type"].as_str() {
            Some("Metaspace") if value["prepend_scheme"] != "never" => {
                self.after_added |= value["prepend_scheme"] == "always";
                value["prepend_scheme"] = json!("never");
                self.n += 1;
            }
            Some("ByteLevel") if value["add_prefix_space"] == true => {
                value["add_prefix_space"] = json!(false);
                self.n += 1;
                self.after_added = true;
            }
            Some("Sequence") => {
                for each in value["pretokenizers"].as_array_mut().into_iter().flatten() {
                    self.pre_tokenizer(each);
                }
            }
            _ => {}
        }
    }
}
