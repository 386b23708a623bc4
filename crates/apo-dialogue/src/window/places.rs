//! Where a text may be cut so that the tokens of its pieces are the whole's.
//!
//! A place is between two words if
//!
//! - the text is split before the model sees it: by Metaspace, at whitespace,
//!   or by the regular expressions of the GPT family. In these, no alternative
//!   matches whitespace or a mark after a letter or a digit, or a digit after a
//!   letter; none looks behind; and the last one matches any whitespace. Or
//! - nothing splits it, but the model is a BPE, and none of its tokens has a
//!   `▁` after another character: no merge crosses such a place.
//!
//! A place is inside a word if all other words are read as if that word were
//! whole: its two parts are its beginning and its end. In both cases, no added
//! token crosses the place.

use std::cell::Cell;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use tokenizers::{NormalizerWrapper, Tokenizer};

use super::split::Split;
use super::wanted::Wanted;

/// How far to look for a place between words before taking one inside a word.
const NEAR: usize = 1 << 14;

/// A piece of a text, and whether it is cut inside a word.
pub(super) struct Cut<'a> {
    pub(super) piece: &'a str,
    pub(super) is_inside: bool,
}

/// Where a tokenizer's texts may be cut.
#[derive(Debug)]
pub(super) struct Places {
    split: Split,
    /// Finds the texts of added tokens.
    added: AhoCorasick,
    /// The bytes of the longest one.
    longest_added: usize,
}

impl Places {
    /// Looks at a tokenizer; returns `None` if it is unknown where it splits texts.
    pub(super) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let split = Split::of(tokenizer)?;
        let added = tokenizer.get_added_tokens_decoder().into_values();
        let added = added.map(|it| it.content).filter(|it| !it.is_empty());
        let added: Vec<String> = added.collect();
        let longest_added = added.iter().map(String::len).max().unwrap_or(0);
        let added = AhoCorasick::new(added).ok()?;
        Some(Self {
            split,
            added,
            longest_added,
        })
    }

    /// Returns the first or last bytes of a text, as many as a range allows, or
    /// `None` if the text has no place there. `tokenizer` reads them; a word is
    /// cut only if that is allowed.
    pub(super) fn cut<'a>(
        &self,
        tokenizer: &Tokenizer,
        text: &'a str,
        wanted: Wanted,
        bytes: Range<usize>,
        may_cut_words: bool,
    ) -> Option<Cut<'a>> {
        let near = (bytes.start + NEAR).min(bytes.end);
        let between = |at: usize| self.is_between(text, at);
        let capital = Cell::new(None);
        let inside = |at: usize| may_cut_words && self.is_inside(text, at, wanted, &capital);
        let found = find(text, wanted, bytes.start..near, between).map(|at| (at, false));
        let found = found.or_else(|| Some((find(text, wanted, bytes.start..near, inside)?, true)));
        let found = found.or_else(|| Some((find(text, wanted, near..bytes.end, between)?, false)));
        let (at, is_inside) = found?;
        let is_own = self.split == Split::OwnBlank && !is_inside && prepends(tokenizer);
        let own = usize::from(is_own);
        let piece = match wanted {
            Wanted::First(_) => &text[..at],
            Wanted::Last(_) => &text[at + own..],
        };
        Some(Cut { piece, is_inside })
    }

    /// Whether a text may be cut between words before the character at a byte.
    fn is_between(&self, text: &str, at: usize) -> bool {
        let mut rest = text[at..].chars();
        let (Some(before), Some(c)) = (text[..at].chars().next_back(), rest.next()) else {
            return false;
        };
        let here = is_word(before)
            && match self.split {
                Split::Gpt { .. } => {
                    c == ' '
                        || c == '\n'
                        || is_mark(c)
                        || c.is_ascii_digit() != before.is_ascii_digit() && is_word(c)
                }
                Split::Whitespace => c == ' ' || c == '\n',
                Split::Blank => c == ' ',
                Split::OwnBlank => {
                    c == ' ' && rest.next().is_some_and(|c| c.is_ascii_alphanumeric())
                }
                Split::Nowhere => false,
            };
        here && !self.is_in_added(text, at)
    }

    /// Whether a text may be cut inside a word before the character at a byte.
    /// `capital` holds what [`before_a_capital`] found last.
    fn is_inside(
        &self,
        text: &str,
        at: usize,
        wanted: Wanted,
        capital: &Cell<Option<(usize, bool)>>,
    ) -> bool {
        let (Some(before), Some(c)) = (text[..at].chars().next_back(), text[at..].chars().next())
        else {
            return false;
        };
        let here = match self.split {
            // A word of letters of one kind, far after what may be `'ll`.
            Split::Gpt { by_case } => {
                let word = text[..at].chars().rev().take(4);
                let are = |is: fn(char) -> bool| is(c) && word.clone().all(is);
                let is_first = matches!(wanted, Wanted::First(_));
                let without_case = is_letter_without_case(c) && is_letter_without_case(before);
                // Letters without case end a word of small letters, or begin
                // one of capitals. If a capital follows, the text before them
                // tells.
                without_case && (!by_case || is_first || !before_a_capital(text, at, capital))
                    || are(|c| c.is_ascii_lowercase())
                    || !(by_case && is_first) && are(|c| c.is_ascii_uppercase())
            }
            Split::Blank | Split::OwnBlank | Split::Nowhere => {
                let is_blank = |c: char| c.is_whitespace() || c == '▁';
                !is_blank(before) && !is_blank(c)
            }
            Split::Whitespace => false,
        };
        here && !self.is_in_added(text, at)
    }

    /// Whether an added token may cross a place.
    fn is_in_added(&self, text: &str, at: usize) -> bool {
        let from = text.floor_char_boundary(at.saturating_sub(self.longest_added));
        let to = text.ceil_char_boundary((at + self.longest_added).min(text.len()));
        let around = &text[from..to];
        // Characters that become ASCII when a text is normalized.
        around.contains(['\u{37e}', '\u{1fef}', '\u{212a}'])
            || self
                .added
                .find_overlapping_iter(around)
                .any(|it| from + it.start() < at && at < from + it.end())
    }
}

/// Whether a capital is the first character after a place that may end a run of
/// letters without case. `last` holds the previous place, which is after this
/// one, and the answer for it.
fn before_a_capital(text: &str, at: usize, last: &Cell<Option<(usize, bool)>>) -> bool {
    let is_capital = |c: char| c.is_uppercase() || !c.to_lowercase().eq([c]);
    let mut ends = |c: &char| c.is_ascii() || is_capital(*c);
    let (to, then) = last
        .get()
        .filter(|(before, _)| at <= *before)
        .unwrap_or((text.len(), false));
    let end = text[at..to].chars().find(&mut ends);
    let is_before = end.map_or(then, is_capital);
    last.set(Some((at, is_before)));
    is_before
}

/// Whether a tokenizer puts something before a text; one that continues a text
/// does not.
fn prepends(tokenizer: &Tokenizer) -> bool {
    fn is_or_holds(normalizer: &NormalizerWrapper) -> bool {
        match normalizer {
            NormalizerWrapper::Prepend(_) => true,
            NormalizerWrapper::Sequence(all) => all.as_ref().iter().any(is_or_holds),
            _ => false,
        }
    }
    tokenizer.get_normalizer().is_some_and(is_or_holds)
}

/// Returns the first place of a kind in a range of bytes, from the text's
/// beginning or its end.
fn find(
    text: &str,
    wanted: Wanted,
    range: Range<usize>,
    is_place: impl Fn(usize) -> bool,
) -> Option<usize> {
    let (from, to) = match wanted {
        Wanted::First(_) => {
            let from = text.ceil_char_boundary(range.start.min(text.len()));
            let to = text.floor_char_boundary(range.end.min(text.len()));
            (from, to.max(from))
        }
        Wanted::Last(_) => {
            let to = text.floor_char_boundary(text.len().saturating_sub(range.start));
            let from = text.len().saturating_sub(range.end);
            (text.ceil_char_boundary(from).min(to), to)
        }
    };
    let mut places = text[from..to].char_indices().map(|(i, _)| from + i);
    match wanted {
        Wanted::First(_) => places.find(|&at| is_place(at)),
        Wanted::Last(_) => places.rfind(|&at| is_place(at)),
    }
}

/// Whether a character is known to be a letter or a digit.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || is_letter_without_case(c)
        || matches!(c,
            '\u{c0}'..='\u{24f}' if c != '×' && c != '÷')
        || matches!(c,
            '\u{3b1}'..='\u{3c9}' // Greek
            | '\u{410}'..='\u{44f}' // Cyrillic
            | '\u{ac00}'..='\u{d7a3}') // Hangul
}

/// Whether a character is a letter of a script without upper and lower case,
/// which is not a mark and does not combine with one before it.
fn is_letter_without_case(c: char) -> bool {
    matches!(c,
        '\u{5d0}'..='\u{5ea}' // Hebrew
        | '\u{621}'..='\u{63a}' | '\u{641}'..='\u{64a}' // Arabic
        | '\u{e01}'..='\u{e30}' | '\u{e32}'..='\u{e33}' | '\u{e40}'..='\u{e45}' // Thai
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' // kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}') // Chinese characters
}

/// Whether a character is a mark between words, but for the apostrophe, which
/// may belong to the word before.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation() && c != '\''
        || matches!(c,
            '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '…' | '—'
            | '，' | '！' | '？' | '：' | '；' | '（' | '）')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(split: Split) -> Places {
        Places {
            split,
            added: AhoCorasick::new(["<|end|>"]).unwrap(),
            longest_added: 7,
        }
    }

    #[test]
    fn places_between_words_are_behind_a_letter_or_a_digit() {
        let text = "one two,\nthree  è\n▁";
        let found = |split: Split| {
            let places = places(split);
            let all = text.char_indices().map(|(i, _)| i);
            all.filter(|&i| places.is_between(text, i))
                .collect::<Vec<_>>()
        };
        let (two, comma, three, e) = (3, 7, 14, text.find('è').unwrap() + 2);
        let by_case = false;
        assert_eq!(found(Split::Gpt { by_case }), [two, comma, three, e]);
        assert_eq!(found(Split::Whitespace), [two, three, e]);
        assert_eq!(found(Split::Blank), [two, three]);
        assert_eq!(found(Split::OwnBlank), [two]);
        assert!(found(Split::Nowhere).is_empty());
    }

    #[test]
    fn no_place_is_inside_an_added_token() {
        let text = "dusk<|end|>dawn";
        let places = places(Split::Gpt { by_case: false });
        let all = text.char_indices().map(|(i, _)| i);
        let found: Vec<usize> = all.filter(|&i| places.is_between(text, i)).collect();
        assert_eq!(found, [4]);
    }
}
