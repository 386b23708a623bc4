//! The beginning or the end of a long text's tokens, without those of the rest.
//!
//! A prompt of many megabytes may come, of which some hundred tokens are
//! wanted. Its text is cut at a place where the whole text's tokens are cut as
//! well, so that the tokens of the piece are exactly the whole's. There is such
//! a place wherever whitespace follows a letter or a digit, if
//!
//! - the text is split there before the model sees it: by Metaspace, or by the
//!   regular expressions of the GPT family, in which no alternative matches
//!   whitespace after a letter or a digit, none looks behind, and the last one
//!   matches any whitespace, or
//! - nothing splits it, but the model is a BPE none of whose tokens holds a `▁`
//!   after another character: no merge goes over such a place;
//!
//! and if no added token reaches over it. Where that is not known of a
//! tokenizer, or a text has no such place, the whole text is read, up to
//! [`LONGEST`] bytes.

use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::{Model as _, Tokenizer};

/// Up to this many bytes a text is read as a whole without further thought.
const SHORT: usize = 1 << 16;

/// The most bytes that are read at once, which takes some 200 times as much
/// memory.
pub(crate) const LONGEST: usize = 2 << 20;

/// Alternatives of pre-tokenizers' regular expressions in which no whitespace
/// comes after a letter or a digit.
const ALTERNATIVES: [&str; 27] = [
    r"'s",
    r"'t",
    r"'re",
    r"'ve",
    r"'m",
    r"'ll",
    r"'d",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"'(?i:[sdmt]|ll|ve|re)",
    r" ?\p{L}+",
    r" ?\p{N}+",
    r" ?[^\s\p{L}\p{N}]+",
    r"[^\r\n\p{L}\p{N}]?\p{L}+",
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}",
    r"\p{N}+",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s*[\r\n]",
    r"\s+(?!\S)",
    r"\s+",
];

/// Where a tokenizer's texts may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before any blank or line break.
    Whitespace,
    /// Before a blank.
    Blank,
    /// Before a blank and a letter or digit; the tokenizer puts the blank there
    /// by itself.
    OwnBlank,
}

/// Which piece of a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its first tokens.
    First(usize),
    /// Its last tokens.
    Last(usize),
}

/// What is known of where a tokenizer's texts may be cut.
#[derive(Debug)]
pub(crate) struct Window(Option<Place>);

impl Window {
    /// Looks at a tokenizer.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Self {
        let part = |value: Result<Value, serde_json::Error>| value.unwrap_or(Value::Null);
        let normalizer = part(serde_json::to_value(tokenizer.get_normalizer()));
        let pre_tokenizer = part(serde_json::to_value(tokenizer.get_pre_tokenizer()));
        let (Some(normalizers), Some(pre_tokenizers)) = (
            flat(&normalizer, "normalizers"),
            flat(&pre_tokenizer, "pretokenizers"),
        ) else {
            return Self(None);
        };
        let place = of_gpt(&normalizers, &pre_tokenizers)
            .or_else(|| of_metaspace(tokenizer, &normalizers, &pre_tokenizers));
        Self(place.filter(|place| added_tokens_keep(tokenizer, *place)))
    }

    /// Calls `encode` with as much of a text as gives the wanted tokens, or with
    /// all of it, and returns its tokens: all that the text has, or more than
    /// the wanted ones, and whether they are all. None where a text that would
    /// have to be read as a whole is longer than [`LONGEST`].
    ///
    /// # Errors
    ///
    /// What `encode` fails with.
    pub(crate) fn encode<E>(
        &self,
        text: &str,
        wanted: Wanted,
        encode: impl Fn(&str) -> Result<Vec<u32>, E>,
    ) -> Result<Option<(Vec<u32>, bool)>, E> {
        let (Wanted::First(n) | Wanted::Last(n)) = wanted;
        if text.len() <= SHORT {
            return Ok(Some((encode(text)?, true)));
        }
        // Most tokens are shorter; where they are not, it is tried again.
        let mut bytes = n.saturating_mul(8).max(SHORT);
        loop {
            let piece = self.piece(text, wanted, bytes);
            if piece.len() > LONGEST {
                return Ok(None);
            }
            let ids = encode(piece)?;
            let is_all = piece.len() == text.len();
            if is_all || ids.len() > n {
                return Ok(Some((ids, is_all)));
            }
            bytes = piece.len().saturating_mul(4);
        }
    }

    /// Returns the first or last bytes of a text, about so many, cut where it
    /// may be; all of it where there is no such place.
    fn piece<'a>(&self, text: &'a str, wanted: Wanted, bytes: usize) -> &'a str {
        let Some(place) = self.0.filter(|_| bytes < text.len()) else {
            return text;
        };
        match wanted {
            Wanted::First(_) => {
                let mut places = text[text.ceil_char_boundary(bytes)..].char_indices();
                let from = text.ceil_char_boundary(bytes);
                let at = places.find_map(|(i, _)| place.is_in(text, from + i).then_some(from + i));
                &text[..at.unwrap_or(text.len())]
            }
            Wanted::Last(_) => {
                let to = text.floor_char_boundary(text.len() - bytes);
                let mut places = text[..to].char_indices().rev();
                let at = places.find_map(|(i, _)| place.is_in(text, i).then_some(i));
                let own = usize::from(place == Place::OwnBlank);
                at.map_or(text, |at| &text[at + own..])
            }
        }
    }
}

impl Place {
    /// Whether a text may be cut before the character at a byte.
    fn is_in(self, text: &str, at: usize) -> bool {
        let mut rest = text[at..].chars();
        let before = text[..at].chars().next_back();
        let here = match (self, rest.next()) {
            (Self::Whitespace, Some(c)) => c == ' ' || c == '\n',
            (Self::Blank, Some(c)) => c == ' ',
            (Self::OwnBlank, Some(c)) => {
                c == ' ' && rest.next().is_some_and(|c| c.is_ascii_alphanumeric())
            }
            (_, None) => false,
        };
        here && before.is_some_and(is_word)
    }
}

/// Whether a character is a letter or a digit; not all of them are known here.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c,
            '\u{c0}'..='\u{24f}' if c != '×' && c != '÷')
        || matches!(c,
            '\u{3b1}'..='\u{3c9}' // Greek
            | '\u{410}'..='\u{44f}' // Cyrillic
            | '\u{5d0}'..='\u{5ea}' // Hebrew
            | '\u{621}'..='\u{64a}' // Arabic
            | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' // kana
            | '\u{4e00}'..='\u{9fff}' // Chinese characters
            | '\u{ac00}'..='\u{d7a3}') // Hangul
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
fn of_gpt(normalizers: &[&Value], pre_tokenizers: &[&Value]) -> Option<Place> {
    if normalizers.iter().any(|it| it["type"] != "NFC") {
        return None;
    }
    let mut is_split = false;
    for step in pre_tokenizers {
        match step["type"].as_str()? {
            "Digits" => {}
            "ByteLevel" if step["add_prefix_space"] == false => {
                is_split |= step["use_regex"] == true;
            }
            "Split" if matches!(step["behavior"].as_str(), Some("Isolated" | "Removed")) => {
                let alternatives = alternatives(step["pattern"]["Regex"].as_str()?);
                let known = |it: &&str| ALTERNATIVES.contains(it);
                if !alternatives.iter().all(known) {
                    return None;
                }
                is_split |= alternatives.last() == Some(&r"\s+");
            }
            _ => return None,
        }
    }
    is_split.then_some(Place::Whitespace)
}

/// Sentencepiece's manner: blanks become `▁`.
fn of_metaspace(
    tokenizer: &Tokenizer,
    normalizers: &[&Value],
    pre_tokenizers: &[&Value],
) -> Option<Place> {
    let mut place = Place::Blank;
    let mut replaced = false;
    for step in normalizers {
        match step["type"].as_str()? {
            "Prepend" if step["prepend"] == "▁" && !replaced => place = Place::OwnBlank,
            "Replace" if step["pattern"]["String"] == " " && step["content"] == "▁" => {
                replaced = true;
            }
            _ => return None,
        }
    }
    let is_split = match pre_tokenizers {
        [] if replaced => false,
        // Gemma's: there are no blanks any more.
        [step] if step["type"] == "Split" && step["pattern"]["String"] == " " && replaced => false,
        [step] if step["type"] == "Metaspace" && step["replacement"] == "▁" && !replaced => {
            step["split"] == true
        }
        _ => return None,
    };
    (is_split || no_token_goes_over_a_blank(tokenizer)).then_some(place)
}

/// Whether no merge of a BPE goes over a `▁` after another character.
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

/// Whether no added token reaches over a place, or takes what stands there.
fn added_tokens_keep(tokenizer: &Tokenizer, place: Place) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    added.values().all(|token| {
        // A normalized token is looked for where blanks are `▁` already.
        let is_blank = |c: char| c.is_whitespace() || (token.normalized && c == '▁');
        let text = token.content.as_str();
        let first = text.chars().next();
        let last = text.chars().next_back();
        let takes_more = token.single_word
            || text.trim_start_matches(is_blank).contains(is_blank)
            || token.rstrip && last.is_some_and(char::is_alphanumeric)
            || place == Place::OwnBlank && first.is_some_and(char::is_alphanumeric);
        !takes_more
    })
}

/// Splits a regular expression at its outermost `|`.
fn alternatives(regex: &str) -> Vec<&str> {
    let (mut found, mut from) = (Vec::new(), 0);
    let (mut depth, mut in_class) = (0, false);
    let mut chars = regex.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth -= 1,
            '|' if !in_class && depth == 0 => {
                found.push(&regex[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    found.push(&regex[from..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_the_outermost() {
        let regex = r"(?i:'s|'t)|[^\r|\]]?\p{L}+|\|";
        assert_eq!(
            alternatives(regex),
            [r"(?i:'s|'t)", r"[^\r|\]]?\p{L}+", r"\|"]
        );
    }

    #[test]
    fn places_are_between_a_word_and_a_blank() {
        let text = "one two,\nthree  è\n▁";
        let places = |place: Place| {
            let all = text.char_indices().map(|(i, _)| i);
            all.filter(|&i| place.is_in(text, i)).collect::<Vec<_>>()
        };
        let (two, three, e) = (3, 14, text.find('è').unwrap() + 2);
        assert_eq!(places(Place::Whitespace), [two, three, e]);
        assert_eq!(places(Place::Blank), [two, three]);
        assert_eq!(places(Place::OwnBlank), [two]);
    }
}
