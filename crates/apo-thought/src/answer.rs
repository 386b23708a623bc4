//! Whether the text after a special token is an answer, or continues a sentence about
//! the token.

use crate::channels::is_harmony;
use crate::marks::{answer_opens, opening};
use crate::place::{continues_as_subject, is_about_mark};
use crate::tag::tag;
use crate::thought_prefix::{behind_token, speaker};

/// Whether a text between two special tokens is an answer: not the rest of a sentence
/// about the first one.
pub(crate) fn is_enclosed_answer(text: &str) -> bool {
    let is_mention = text.starts_with(' ') && is_about_mark(text);
    !text.trim().is_empty()
        && !is_mention
        && !continues_as_subject(text)
        && !text.starts_with(['.', ':', '=', '/'])
        && !begins_with_mark(text)
}

/// Whether the text after a special token is an answer: it follows directly, and no
/// sentence about the token does.
pub(crate) fn is_answer(text: &str) -> bool {
    const BEGINS: &[char] = &[
        '"', '*', '#', '_', '`', '$', '[', '{', '“', '‘', '«', '「', '¿', '¡', '€', '£',
    ];
    let lower = text[..text.floor_char_boundary(200)].to_ascii_lowercase();
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    let is_item = matches!(first, Some('-' | '+' | '|' | '>'))
        && second.is_some_and(|c| c == ' ' || c.is_ascii_digit());
    let is_begun = first.is_some_and(|c| {
        // Pictures and other signs.
        c.is_alphanumeric() || BEGINS.contains(&c) || c >= '\u{1f000}' || is_sign(c)
    });
    let is_thought = opening(&lower).is_some() || answer_opens(&lower) || is_harmony(&lower);
    let is_mention = is_about_mark(text) || !is_enclosed_answer(text);
    is_thought || ((is_begun || is_item) && !is_mention)
}

/// Whether a text begins with a special token, the mark of another's turn, or a name
/// that a thought may follow.
fn begins_with_mark(text: &str) -> bool {
    let lower = text[..text.floor_char_boundary(200)].to_ascii_lowercase();
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
