//! How a tokenizer splits texts before its model sees them.

use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::{Model as _, Tokenizer};

use super::regex;

/// How a tokenizer splits texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// By the regular expressions of the GPT family; `by_case` if these tell
    /// letters apart by their case.
    Gpt { by_case: bool },
    /// At whitespace, and maybe elsewhere.
    Whitespace,
    /// Before a blank.
    Blank,
    /// Before a blank; the tokenizer itself puts a blank before a letter or
    /// digit.
    OwnBlank,
    /// Nowhere.
    Nowhere,
}

impl Split {
    /// Looks at a tokenizer; returns `None` if it is unknown where it splits texts, or if
    /// its added tokens change the text around them.
    pub(super) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let part = |value: Result<Value, serde_json::Error>| value.unwrap_or(Value::Null);
        let normalizer = part(serde_json::to_value(tokenizer.get_normalizer()));
        let pre_tokenizer = part(serde_json::to_value(tokenizer.get_pre_tokenizer()));
        let normalizers = flat(&normalizer, "normalizers")?;
        let pre_tokenizers = flat(&pre_tokenizer, "pretokenizers")?;
        let split = of_gpt(&normalizers, &pre_tokenizers)
            .or_else(|| at_whitespace(&normalizers, &pre_tokenizers))
            .or_else(|| of_metaspace(tokenizer, &normalizers, &pre_tokenizers))?;
        added_tokens_keep(tokenizer, split).then_some(split)
    }
}

/// Returns a normalizer or pre-tokenizer as the steps that it consists of.
fn flat<'a>(value: &'a Value, steps: &str) -> Option<Vec<&'a Value>> {
    if value.is_null() {
        return Some(Vec::new());
    }
    if value["type"] != "Sequence" {
        return Some(vec![value]);
    }
    let mut all = Vec::new();
    for step in value[steps].as_array()? {
        all.extend(flat(step, steps)?);
    }
    Some(all)
}

/// The GPT family: bytes, split by regular expressions.
fn of_gpt(normalizers: &[&Value], pre_tokenizers: &[&Value]) -> Option<Split> {
    if normalizers.iter().any(|it| it["type"] != "NFC") {
        return None;
    }
    let (mut is_split, mut by_case, mut is_bytes) = (false, false, false);
    for step in pre_tokenizers {
        let kind = step["type"].as_str()?;
        // The steps after it see bytes, and a letter in place of a blank.
        if is_bytes && kind != "ByteLevel" {
            return None;
        }
        match kind {
            "Digits" => {}
            "ByteLevel" if step["add_prefix_space"] == false && !is_bytes => {
                is_split |= step["use_regex"] == true;
                is_bytes = true;
            }
            "Split" if matches!(step["behavior"].as_str(), Some("Isolated" | "Removed")) => {
                let (takes_all, tells_case) = regex::known(step["pattern"]["Regex"].as_str()?)?;
                is_split |= takes_all;
                by_case |= tells_case;
            }
            _ => return None,
        }
    }
    is_split.then_some(Split::Gpt { by_case })
}

/// Words and marks, as BERT splits them, whatever each character becomes.
fn at_whitespace(normalizers: &[&Value], pre_tokenizers: &[&Value]) -> Option<Split> {
    let mut is_split = false;
    for step in normalizers {
        match step["type"].as_str()? {
            "BertNormalizer" | "Lowercase" | "StripAccents" | "NFC" | "NFD" | "NFKC" | "NFKD" => {}
            _ => return None,
        }
    }
    for step in pre_tokenizers {
        match step["type"].as_str()? {
            "BertPreTokenizer" | "Whitespace" | "WhitespaceSplit" => is_split = true,
            "Digits" | "Punctuation" => {}
            _ => return None,
        }
    }
    is_split.then_some(Split::Whitespace)
}

/// Sentencepiece's style: blanks become `▁`.
fn of_metaspace(
    tokenizer: &Tokenizer,
    normalizers: &[&Value],
    pre_tokenizers: &[&Value],
) -> Option<Split> {
    let mut split = Split::Blank;
    let mut replaced = false;
    for step in normalizers {
        match step["type"].as_str()? {
            "Prepend" if step["prepend"] == "▁" && !replaced => split = Split::OwnBlank,
            "Replace" if step["pattern"]["String"] == " " && step["content"] == "▁" => {
                replaced = true;
            }
            _ => return None,
        }
    }
    let is_split = match pre_tokenizers {
        [] if replaced => false,
        // As in Gemma: no blanks are left.
        [step] if step["type"] == "Split" && step["pattern"]["String"] == " " && replaced => false,
        [step] if step["type"] == "Metaspace" && step["replacement"] == "▁" && !replaced => {
            step["split"] == true
        }
        _ => return None,
    };
    if is_split || no_token_goes_over_a_blank(tokenizer) {
        return Some(split);
    }
    Some(Split::Nowhere)
}

/// Whether no merge of a BPE crosses a `▁` after another character.
fn no_token_goes_over_a_blank(tokenizer: &Tokenizer) -> bool {
    let ModelWrapper::BPE(bpe) = tokenizer.get_model() else {
        return false;
    };
    let goes_over = |token: &str| {
        let inner = token.trim_start_matches('▁');
        inner.contains('▁')
    };
    !bpe.ignore_merges
        && bpe.continuing_subword_prefix.is_none()
        && bpe.end_of_word_suffix.is_none()
        && bpe.token_to_id("▁").is_some()
        && !bpe.get_vocab().keys().any(|token| goes_over(token))
}

/// Whether added tokens leave the text around them alone, so that a text may be
/// cut wherever none of them crosses the place.
fn added_tokens_keep(tokenizer: &Tokenizer, split: Split) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    added.values().all(|token| {
        // A normalized token is searched for after blanks have become `▁`.
        let is_blank = |c: char| c.is_whitespace() || (token.normalized && c == '▁');
        let text = token.content.as_str();
        let first = text.chars().next();
        let last = text.chars().next_back();
        let takes_more = token.single_word
            || text.trim_start_matches(is_blank).contains(is_blank)
            || token.rstrip && last.is_some_and(char::is_alphanumeric)
            || split == Split::OwnBlank && first.is_some_and(char::is_alphanumeric)
            // Its letters may become others.
            || token.normalized && split == Split::Whitespace
            || token.normalized && !text.is_ascii();
        !takes_more
    })
}
