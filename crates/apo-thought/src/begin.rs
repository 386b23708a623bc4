//! What servers leave before a reply: special tokens that begin a text.

use crate::channels::is_harmony;
use crate::end::{Partners, closing_of, ended, partner};
use crate::lead::{behind_token, speaker};
use crate::marks::{answer_opens, opening};
use crate::place::{goes_on_as_subject, tells_of_mark};
use crate::tag::tag;
use crate::turn::{enclosing, has_turn, header};

/// Special tokens that begin a text, as tokenizers write them: `<S>` is HTML's.
const BEGINNINGS: &[&str] = &[
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

/// Returns the length of the special tokens that a text begins with, if a server left
/// them. They stay if the text may be about them: if one of them, or the one that
/// closes it, is further on, or if a sentence continues after them. Between one of
/// them and a token at the end, any text is an answer; without that token, an answer
/// follows them directly.
pub(crate) fn beginning(text: &str) -> Option<usize> {
    let rest = behind_tokens(text);
    let tokens = &text[..text.len() - rest.len()];
    if tokens.is_empty() {
        return None;
    }
    let is_certain = header(rest.trim_start()).is_some() || {
        let said = ended(rest, &Partners::of(rest, 0));
        let is_enclosed = said.trim_end().len() < rest.trim_end().len();
        let is_answer = if is_enclosed {
            is_enclosed_answer(said)
        } else {
            is_answer(said)
        };
        said.is_empty() || (is_answer && !is_about(tokens, said))
    };
    is_certain.then_some(tokens.len())
}

/// Returns a text without all special tokens that it begins with, whatever follows them:
/// it is known that a server or program left them.
pub fn without_any_beginning(text: &str) -> &str {
    let whole = text.trim_start();
    let rest = behind_tokens(whole);
    if rest.len() < whole.len() { rest } else { text }
}

/// Whether a text begins with a special token, even one that begins no text or answer:
/// then [`without_opening`](crate::without_opening) leaves it.
pub fn begins_with_token(text: &str) -> bool {
    let lower = text[..text.floor_char_boundary(200)].to_ascii_lowercase();
    has_beginning(text) || behind_token(&lower).is_some()
}

/// Whether a text begins with a special token that begins a text or an answer.
pub(crate) fn has_beginning(text: &str) -> bool {
    behind_tokens(text).len() < text.len() || enclosing(text).is_some()
}

/// Returns what follows the tokens that a text begins with.
fn behind_tokens(text: &str) -> &str {
    let mut rest = text;
    while let Some(behind) = BEGINNINGS.iter().find_map(|it| rest.strip_prefix(it))
        // Seed's token also opens turns.
        && header(rest).is_none()
    {
        rest = behind;
    }
    rest
}

/// Whether a text has a token that was before it, or the one that closes it, or turns
/// of a dialogue, which these tokens begin.
fn is_about(tokens: &str, said: &str) -> bool {
    let lower = said.to_ascii_lowercase();
    let names = BEGINNINGS.iter().filter(|it| tokens.contains(**it));
    let mut names = names.map(|it| it.to_ascii_lowercase());
    let is_named = names.any(|name| {
        partner(&lower, &name, 0).is_some()
            || closing_of(&name).is_some_and(|closing| lower.contains(closing))
    });
    // The last label of a prompt, such as `ASSISTANT:`, ends with a colon.
    is_named || said.trim_end().ends_with(':') || has_turn(&lower)
}

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
