//! A reply without what a server or template wrote before it.

use std::ops::Range;

use crate::answer::{is_answer, is_enclosed_answer};
use crate::begin::{BEGINNINGS, behind_tokens, enclosing};
use crate::end::ended;
use crate::marks::ENDS;
use crate::pairs::{Partners, closing_of, partner};
use crate::place::continues_as_subject;
use crate::tag::tag;
use crate::thought_prefix::behind_token;
use crate::turn::{has_turn, header};

/// Returns a response without what a server or template writes before it, if it
/// begins with any: tokens that begin a text, the mark that opens the assistant's
/// turn, with gpt-oss' final channel, and special tokens around the answer, of which
/// the second goes too.
///
/// After the speaker's name, a template writes nothing, a line break or another token,
/// and no space after a name that is a token. A sentence about a mark stays.
pub fn without_beginning(response: &str) -> Option<&str> {
    let opened = opened(response).map(|range| &response[range]);
    final_message(opened.unwrap_or(response)).or(opened)
}

/// Returns the place of what [`without_beginning`] returns, but with the header of a
/// channel, which may be a thought's.
pub(crate) fn opened(response: &str) -> Option<Range<usize>> {
    let blank = |at: usize| response[at..].len() - response[at..].trim_start().len();
    let mut found = None;
    let mut at = blank(0);
    for length in [beginning, header, beginning] {
        if let Some(length) = length(&response[at..]) {
            found = Some(at + length..response.len());
            at += length + blank(at + length);
        }
    }
    if let Some(inner) = answer(&response[at..]) {
        found = Some(at + inner.start..at + inner.end);
    }
    found
}

/// Returns the length of the special tokens that a text begins with, if a server left
/// them. They stay if the text may be about them: if one of them, or the one that
/// closes it, is further on, or if a sentence continues after them. Between one of
/// them and a token at the end, any text is an answer; without that token, an answer
/// follows them directly.
fn beginning(text: &str) -> Option<usize> {
    let rest = behind_tokens(text);
    let tokens = &text[..text.len() - rest.len()];
    if tokens.is_empty() {
        return None;
    }
    let is_certain = header(rest.trim_start()).is_some() || {
        let inner = ended(rest, &Partners::of(rest, 0));
        let is_enclosed = inner.trim_end().len() < rest.trim_end().len();
        let is_answer = if is_enclosed {
            is_enclosed_answer(inner)
        } else {
            is_answer(inner)
        };
        inner.is_empty() || (is_answer && !is_about(tokens, inner))
    };
    is_certain.then_some(tokens.len())
}

/// Whether a text has a token that was before it, or the one that closes it, or turns
/// of a dialogue, which these tokens begin.
fn is_about(tokens: &str, text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let names = BEGINNINGS.iter().filter(|it| tokens.contains(**it));
    let mut names = names.map(|it| it.to_ascii_lowercase());
    let is_named = names.any(|name| {
        partner(&lower, &name, 0).is_some()
            || closing_of(&name).is_some_and(|closing| lower.contains(closing))
    });
    // The last label of a prompt, such as `ASSISTANT:`, ends with a colon.
    is_named || text.trim_end().ends_with(':') || has_turn(&lower)
}

/// Returns the place of an answer that special tokens enclose; the token limit may
/// have cut off the second one.
fn answer(text: &str) -> Option<Range<usize>> {
    let mark = enclosing(text)?;
    let start = mark.opening.len();
    let lower = text[start..].to_ascii_lowercase();
    let end = lower.find(mark.closing);
    let inner = &text[start..end.map_or(text.len(), |end| start + end)];
    let is_alone = match end {
        Some(end) => is_enclosed_answer(inner) && is_tokens(&lower[end..]),
        None => is_answer(inner) || inner.starts_with(['\n', '\r']),
    };
    let is_whole = is_alone && !lower.contains(mark.opening);
    is_whole.then_some(start..start + inner.len())
}

/// Whether a text in lower case consists of special tokens and white space, and has no
/// mark of a thought.
fn is_tokens(lower: &str) -> bool {
    let mut rest = lower.trim_start();
    while !rest.is_empty() {
        let is_thought = tag(rest).is_some() || ENDS.iter().any(|it| rest.starts_with(it.1));
        let Some(behind) = behind_token(rest).filter(|_| !is_thought) else {
            return false;
        };
        rest = behind.trim_start();
    }
    true
}

/// Returns the message of gpt-oss' final channel that a text begins with, or with the
/// channel's name if the prompt has begun it.
fn final_message(text: &str) -> Option<&str> {
    const MESSAGE: &str = "<|message|>";
    let text = text.trim_start();
    let head = text[..text.floor_char_boundary(200)].to_ascii_lowercase();
    let channel = head.strip_prefix("assistant").unwrap_or(&head);
    let name = channel.strip_prefix("<|channel|>").unwrap_or(channel);
    let (format, message) = name.strip_prefix("final")?.split_once(MESSAGE)?;
    // The answer's format may be named: `<|constrain|>json`.
    let constraint = format.trim_start().strip_prefix("<|constrain|>");
    let is_format = match constraint {
        Some(format) => format.trim().chars().all(char::is_alphanumeric),
        None => format.trim().is_empty(),
    };
    let length = head.len() - message.len();
    (is_format && !continues_as_subject(&text[length..])).then(|| &text[length..])
}
