//! The marks that chat templates write around turns.

use std::ops::Range;

use crate::begin::{beginning, is_answer, is_enclosed_answer};
use crate::lead::{behind_token, special};
use crate::marks::{ANSWERS, Answer, ENDS};
use crate::place::{goes_on_as_subject, is_quoted};
use crate::tag::tag;

/// Who speaks in a turn, as templates name them.
const ASSISTANTS: &[&str] = &["assistant", "model", "chatbot", "bot"];

const OTHERS: &[&str] = &["user", "human", "system", "developer", "tool", "prompter"];

/// Marks before a speaker's name that are not in the usual brackets.
const STARTS: &[&str] = &["<start_of_turn>", "<|turn>", "<seed:bos>"];

/// Tokens after which no answer begins, but a channel or its name.
const CHANNELS: &[&str] = &["<|channel|>", "<|constrain|>"];

/// Returns a response without what a server or template writes before it, if it
/// begins with any: tokens that begin a text, the mark that opens the assistant's
/// turn, with gpt-oss' final channel, and special tokens around the answer, of which
/// the second goes too.
///
/// After the speaker's name, a template writes nothing, a line break or another token,
/// and no space after a name that is a token. A sentence about a mark stays.
pub fn without_opening(response: &str) -> Option<&str> {
    let opened = opened(response).map(|said| &response[said]);
    final_message(opened.unwrap_or(response)).or(opened)
}

/// Returns the place of what [`without_opening`] returns, but with the header of a
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
    if let Some(said) = answer(&response[at..]) {
        found = Some(at + said.start..at + said.end);
    }
    found
}

/// Returns the length of the mark that opens the assistant's turn at the beginning of
/// a text.
pub(crate) fn header(text: &str) -> Option<usize> {
    let head = &text[..text.floor_char_boundary(200)];
    opening(&head.to_ascii_lowercase(), ASSISTANTS)
}

/// Returns the special tokens around an answer that a text begins with the first of.
pub(crate) fn enclosing(text: &str) -> Option<&'static Answer> {
    let begins = |it: &str| {
        let head = text.get(..it.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(it))
    };
    let mut marks = ANSWERS.iter().filter(|it| it.opening.starts_with("<|"));
    marks.find(|it| begins(it.opening))
}

/// Returns the place of an answer that special tokens enclose; the token limit may
/// have cut off the second one.
fn answer(text: &str) -> Option<Range<usize>> {
    let mark = enclosing(text)?;
    let start = mark.opening.len();
    let lower = text[start..].to_ascii_lowercase();
    let end = lower.find(mark.closing);
    let said = &text[start..end.map_or(text.len(), |end| start + end)];
    let is_alone = match end {
        Some(end) => is_enclosed_answer(said) && is_tokens(&lower[end..]),
        None => is_answer(said) || said.starts_with(['\n', '\r']),
    };
    let is_whole = is_alone && !lower.contains(mark.opening);
    is_whole.then_some(start..start + said.len())
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
    let (format, said) = name.strip_prefix("final")?.split_once(MESSAGE)?;
    // The answer's format may be named: `<|constrain|>json`.
    let constraint = format.trim_start().strip_prefix("<|constrain|>");
    let is_format = match constraint {
        Some(format) => format.trim().chars().all(char::is_alphanumeric),
        None => format.trim().is_empty(),
    };
    let length = head.len() - said.len();
    (is_format && !goes_on_as_subject(&text[length..])).then(|| &text[length..])
}

/// Whether a text in lower case has the mark that opens a turn, as a template writes
/// it.
pub(crate) fn has_turn(lower: &str) -> bool {
    lower.match_indices(['<', '[']).any(|(at, _)| {
        let near = &lower[at..lower.floor_char_boundary(at + 200)];
        let inst = near.starts_with("[inst]").then_some("[inst]".len());
        let length = opening(near, ASSISTANTS).or_else(|| opening(near, OTHERS));
        length
            .or(inst)
            .is_some_and(|length| !is_quoted(lower, at, length))
    })
}

/// Returns the length of the mark that opens the turn of one of these speakers at the
/// beginning of a text in lower case.
fn opening(lower: &str, names: &[&str]) -> Option<usize> {
    let at = |rest: &str| lower.len() - rest.len();
    // EXAONE's.
    let role = |it: &&str| {
        lower
            .strip_prefix("[|")?
            .strip_prefix(*it)?
            .strip_prefix("|]")
    };
    if let Some(rest) = names.iter().find_map(role) {
        return (!goes_on_as_subject(rest) && !rest.starts_with(' ')).then(|| at(rest));
    }
    let start = STARTS.iter().find_map(|it| lower.strip_prefix(it));
    let rest = start.or_else(|| special(lower))?;
    let token = &lower[..at(rest)];
    let is_name = |it: &str| names.contains(&it);
    let inside = token.trim_matches(['<', '>', '|', '｜']);
    let inside = inside.trim_start_matches("im_").trim_end_matches("_token");
    if start.is_none() && is_name(inside) {
        // Kimi's, which has the name once more.
        let again = rest.strip_prefix(inside);
        if let Some(behind) = again.and_then(|it| it.strip_prefix("<|im_middle|>")) {
            return Some(at(behind));
        }
        let is_written = rest.is_empty()
            || rest.starts_with(['\n', '\r', '<', '*', '#', '`'])
            || rest.starts_with(char::is_alphanumeric);
        return is_written.then(|| at(rest));
    }
    // Command R's.
    if let Some(behind) = special(rest).filter(|_| inside == "start_of_turn") {
        let name = rest[..rest.len() - behind.len()].trim_matches(['<', '>', '|']);
        return is_name(name.trim_end_matches("_token")).then(|| at(behind));
    }
    let name = names
        .iter()
        .find_map(|it| rest.trim_start_matches(' ').strip_prefix(it))?;
    let line = name.trim_start_matches([' ', '\r']);
    if line.is_empty() || line.starts_with('\n') {
        return Some(at(line));
    }
    let behind = special(name)?;
    let is_channel = CHANNELS.iter().any(|it| name.starts_with(it));
    Some(if is_channel { at(name) } else { at(behind) })
}
