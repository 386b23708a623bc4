//! The marks that chat templates write around turns.

use crate::place::{continues_as_subject, is_quoted};
use crate::thought_prefix::special;

/// Who speaks in a turn, as templates name them.
const ASSISTANTS: &[&str] = &["assistant", "model", "chatbot", "bot"];

const OTHERS: &[&str] = &["user", "human", "system", "developer", "tool", "prompter"];

/// Marks before a speaker's name that are not in the usual brackets.
const STARTS: &[&str] = &["<start_of_turn>", "<|turn>", "<seed:bos>"];

/// Tokens after which no answer begins, but a channel or its name.
const CHANNELS: &[&str] = &["<|channel|>", "<|constrain|>"];

/// Returns the length of the mark that opens the assistant's turn at the beginning of
/// a text.
pub(crate) fn header(text: &str) -> Option<usize> {
    let head = &text[..text.floor_char_boundary(200)];
    opening(&head.to_ascii_lowercase(), ASSISTANTS)
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
        return (!continues_as_subject(rest) && !rest.starts_with(' ')).then(|| at(rest));
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
