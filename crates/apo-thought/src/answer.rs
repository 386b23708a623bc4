//! Whether the text after a special token is an answer, or goes on about the token.

use crate::channels::is_harmony;
use crate::lead::{behind_token, speaker};
use crate::marks::{answer_opens, opening};
use crate::place::{goes_on_as_subject, tells_of_mark};
use crate::tag::tag;

/// Whether a text between two special tokens is an answer: not the rest of a sentence
/// about the first one.
pub(crate) fn is_enclosed_answer(said: &str) -> bool {
    let is_told = said.starts_with(' ') && tells_of_mark(said);
    !said.trim().is_empty()
        && !is_told
        && !goes_on_as_subject(said)
        && !said.starts_with(['.', ':', '=', '/'])
        && !begins_with_mark(said)
}

/// Whether the text after a special token is an answer: it follows directly, and no
/// sentence about the token does.
pub(crate) fn is_answer(said: &str) -> bool {
    const BEGINS: &[char] = &[
        '"', '*', '#', '_', '`', '$', '[', '{', '“', '‘', '«', '「', '¿', '¡', '€', '£',
    ];
    let lower = said[..said.floor_char_boundary(200)].to_ascii_lowercase();
    let mut chars = said.chars();
    let (first, second) = (chars.next(), chars.next());
    let is_item = matches!(first, Some('-' | '+' | '|' | '>'))
        && second.is_some_and(|c| c == ' ' || c.is_ascii_digit());
    let is_begun = first.is_some_and(|c| {
        // Pictures and other signs.
        c.is_alphanumeric() || BEGINS.contains(&c) || c >= '\u{1f000}' || is_sign(c)
    });
    let is_thought = opening(&lower).is_some() || answer_opens(&lower) || is_harmony(&lower);
    let is_told = tells_of_mark(said) || !is_enclosed_answer(said);
    is_thought || ((is_begun || is_item) && !is_told)
}

/// Whether a text begins with a special token, the mark of another's turn, or a name
/// that a thought may follow.
fn begins_with_mark(said: &str) -> bool {
    let lower = said[..said.floor_char_boundary(200)].to_ascii_lowercase();
    let is_thought = opening(&lower).is_some() || answer_opens(&lower) || is_harmony(&lower);
    let is_token = || tag(&lower).is_some() || behind_token(&lower).is_some();
    !is_thought
        && (is_token()
            || speaker(&lower, true).is_some()
            || lower.starts_with("[inst]")
            || lower.starts_with("<<sys>>"))
}

/// Whether a character is a sign such as ✓ or ⚠.
fn is_sign(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}')
}
