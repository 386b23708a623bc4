//! Special tokens that begin a text or an answer.

use crate::marks::{ANSWERS, Answer};
use crate::thought_prefix::behind_token;
use crate::turn::header;

/// Special tokens that begin a text, as tokenizers write them: `<S>` is HTML's.
pub(crate) const BEGINNINGS: &[&str] = &[
    "<s>",
    "<bos>",
    "<BOS_TOKEN>",
    "<seed:bos>",
    "<|begin_of_text|>",
    "<|begin▁of▁sentence|>",
    "<｜begin▁of▁sentence｜>",
    "<|startoftext|>",
    "<|endoftext|>",
    "[gMASK]",
    "<sop>",
    "<pad>",
    "[PAD]",
    "[BOS]",
];

/// Returns a text without any special tokens that it begins with, whatever follows them.
/// The caller knows that a server or program left them.
pub fn without_any_beginning(text: &str) -> &str {
    let whole = text.trim_start();
    let rest = behind_tokens(whole);
    if rest.len() < whole.len() { rest } else { text }
}

/// Whether a text begins with a special token, even one that begins no text or answer:
/// then [`without_beginning`](crate::without_beginning) leaves it.
pub fn begins_with_token(text: &str) -> bool {
    let lower = text[..text.floor_char_boundary(200)].to_ascii_lowercase();
    has_beginning(text) || behind_token(&lower).is_some()
}

/// Whether a text begins with a special token that begins a text or an answer.
pub(crate) fn has_beginning(text: &str) -> bool {
    behind_tokens(text).len() < text.len() || enclosing(text).is_some()
}

/// Returns what follows the tokens that a text begins with.
pub(crate) fn behind_tokens(text: &str) -> &str {
    let mut rest = text;
    while let Some(behind) = BEGINNINGS.iter().find_map(|it| rest.strip_prefix(it))
        // Seed's token also opens turns.
        && header(rest).is_none()
    {
        rest = behind;
    }
    rest
}

/// Returns the pair of special tokens around an answer whose first one begins a text.
pub(crate) fn enclosing(text: &str) -> Option<&'static Answer> {
    let begins = |it: &str| {
        let head = text.get(..it.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(it))
    };
    let mut marks = ANSWERS.iter().filter(|it| it.opening.starts_with("<|"));
    marks.find(|it| begins(it.opening))
}
