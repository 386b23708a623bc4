//! What servers leave after a reply: special tokens.

use crate::begin::begins_with_token;
use crate::lead::{TOKENS, special};
use crate::marks::{ANSWERS, ENDS};
use crate::place::{ends_sentence, is_number, last_line};
use crate::tag::tag;
use crate::turn::opened;

/// Tokens that enclose something together. A text with the first one mentions the
/// second.
const PAIRS: &[(&str, &str)] = &[
    ("<s>", "</s>"),
    ("[inst]", "[/inst]"),
    ("<bos>", "<eos>"),
    ("<start_of_turn>", "<end_of_turn>"),
    ("<|turn>", "<turn|>"),
    ("<|im_start|>", "<|im_end|>"),
    ("<|begin_of_text|>", "<|end_of_text|>"),
    ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    ("<|start_response|>", "<|end_response|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
];

/// Tokens that fill a text up after its end.
const PADDINGS: &[&str] = &["<pad>", "[pad]", UNKNOWN];

/// What a tokenizer writes for a word that it lacks: it fills a text up only after
/// another token.
const UNKNOWN: &str = "<unk>";

/// Returns a text without the special tokens that servers leave at its end: directly
/// after the last word, or after a sentence, with the tokens that fill it up. A token
/// stays, since the answer may be about it, if it is the last word of a sentence, on a
/// line of its own, the value of a number or name, or if its partner, such as `<s>`, is in
/// the text. A token after another one stays if that one does.
pub fn without_end(text: &str) -> &str {
    if last_token(text.trim_end()).is_none() {
        return text;
    }
    // What opened the text is no partner, nor is the mark of a turn at its beginning.
    let begin = text.trim_start();
    let from = match opened(text) {
        Some(said) => said.start,
        None if begins_with_token(begin) => 0,
        None => {
            let mut marks = PAIRS.iter().map(|it| it.0);
            let head = begin[..begin.floor_char_boundary(40)].to_ascii_lowercase();
            // In upper case this one is HTML's.
            let mark = marks.find(|it| !it.starts_with("<s>") && head.starts_with(it));
            text.len() - begin.len() + mark.map_or(0, str::len)
        }
    };
    ended(text, &Partners::of(text, from))
}

/// Returns a text without the special tokens at its end that have no partner.
pub(crate) fn ended<'a>(text: &'a str, partners: &Partners) -> &'a str {
    // Tokens between these two go with the one before them.
    let mut kept = text;
    let mut found = text;
    let mut removed = "";
    let mut last = last_token(text.trim_end());
    while let Some(at) = last {
        let whole = found.trim_end();
        let (before, token) = whole.split_at(at);
        let line = last_line(before);
        // A line that begins further up is no line of its own.
        let is_alone =
            line.trim().is_empty() && !before.trim_end().is_empty() && !ends_answer(before);
        let is_word = line.ends_with([' ', '\t']) && !line.trim().is_empty();
        let is_repeated = found.len() == whole.len() && removed.eq_ignore_ascii_case(token);
        let near = before.trim_end();
        let is_near = near.len() == before.trim_end_matches([' ', '\t']).len();
        last = last_token(near);
        let follows_token =
            is_near && last.is_some_and(|at| !near[at..].eq_ignore_ascii_case(UNKNOWN));
        let is_padding = PADDINGS.iter().any(|it| it.eq_ignore_ascii_case(token));
        let fills_up = is_repeated || (is_padding && follows_token);
        let is_said = is_alone
            || (is_word && !fills_up && !ends_sentence(before))
            || (is_word && is_number(line))
            || opens_quote(before)
            || is_value(before)
            || partners.has(at, token);
        if is_said {
            return kept;
        }
        removed = token;
        found = before;
        if !follows_token && !token.eq_ignore_ascii_case(UNKNOWN) {
            kept = found;
        }
    }
    kept
}

/// Whether a text ends with the mark that closes an answer.
fn ends_answer(text: &str) -> bool {
    let text = text.trim_end();
    let near = &text[text.floor_char_boundary(text.len().saturating_sub(60))..];
    let near = near.to_ascii_lowercase();
    ANSWERS.iter().any(|it| near.ends_with(it.closing))
}

/// Returns a text without all special tokens at the end of its last line, whatever
/// is before them: it is known that a server or program left them.
pub fn without_any_end(text: &str) -> &str {
    let mut found = text;
    while let Some(at) = last_token(found.trim_end()) {
        let before = &found[..at];
        if last_line(before).trim().is_empty() {
            break;
        }
        found = before;
    }
    found
}

/// Whether a text ends with a special token: [`without_end`] leaves it if a sentence
/// may mention it.
pub fn ends_with_token(text: &str) -> bool {
    last_token(text.trim_end()).is_some()
}

/// The places of the first tokens of pairs in a text.
pub(crate) struct Partners(Vec<Option<usize>>);

impl Partners {
    /// Returns those from a place of the text on.
    pub(crate) fn of(text: &str, from: usize) -> Self {
        let lower = text.to_ascii_lowercase();
        let places = PAIRS
            .iter()
            .map(|(opening, _)| partner(&lower, opening, from));
        Self(places.collect())
    }

    /// Whether the partner of the token at this place is before it.
    fn has(&self, at: usize, token: &str) -> bool {
        let mut pairs = PAIRS.iter().zip(&self.0);
        let pair = pairs.find(|it| it.0.1.eq_ignore_ascii_case(token));
        pair.is_some_and(|it| it.1.is_some_and(|opening| opening < at))
    }
}

/// Returns the place of the first of such opening tokens in a text in lower case, from
/// a place on. A tag may have attributes: `<s class="old">`.
pub(crate) fn partner(lower: &str, opening: &str, from: usize) -> Option<usize> {
    let rest = &lower[from..];
    let plain = rest.find(opening);
    let name = opening.strip_suffix('>').filter(|it| !it.ends_with('|'));
    let with_attributes = name.and_then(|name| {
        let mut places = rest.match_indices(name);
        let found = places.find(|(at, _)| {
            let inside = &rest[at + name.len()..];
            inside.starts_with(char::is_whitespace)
                && inside
                    .find(['<', '>'])
                    .is_some_and(|end| inside[end..].starts_with('>'))
        });
        found.map(|it| it.0)
    });
    let first = plain.into_iter().chain(with_attributes).min();
    first.map(|at| from + at)
}

/// Returns the token that closes what such a token opens.
pub(crate) fn closing_of(opening: &str) -> Option<&'static str> {
    PAIRS.iter().find(|it| it.0 == opening).map(|it| it.1)
}

/// Whether what follows a text is a value: after `=`, after a number and `:`, or after
/// the only word of its line and `:`.
fn is_value(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_word = !last_line(name).trim().contains(char::is_whitespace);
        is_word || name.ends_with(|c: char| c.is_ascii_digit())
    };
    text.ends_with('=') || text.strip_suffix(':').is_some_and(is_name)
}

/// Whether a text ends with a quotation mark that opens.
fn opens_quote(text: &str) -> bool {
    let Some(before) = text.strip_suffix(['`', '"', '\'', '“', '‘']) else {
        return false;
    };
    text.ends_with(['“', '‘'])
        || before.is_empty()
        || before.ends_with(|c: char| c.is_whitespace() || c == '(')
}

/// Returns the place of the special token that a text ends with, unless it is a
/// mark of thoughts or answers.
fn last_token(text: &str) -> Option<usize> {
    if !text.ends_with(['>', ']']) {
        return None;
    }
    let near = text.floor_char_boundary(text.len().saturating_sub(60));
    let lower = text[near..].to_ascii_lowercase();
    let named = TOKENS.iter().find(|it| lower.ends_with(*it));
    let at = match named {
        Some(token) => lower.len() - token.len(),
        None => lower.rfind("<|").max(lower.rfind("<｜"))?,
    };
    let token = &lower[at..];
    let is_token = named.is_some() || special(token).is_some_and(str::is_empty);
    let is_mark = ENDS.iter().any(|mark| token == mark.0 || token == mark.1)
        || ANSWERS.iter().any(|it| token == it.opening);
    (is_token && !is_mark && tag(token).is_none()).then_some(near + at)
}
