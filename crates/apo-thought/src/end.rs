//! What servers leave after a reply: special tokens.

use crate::lead::{TOKENS, special};
use crate::marks::{ANSWERS, ENDS};
use crate::place::{ends_sentence, is_number, last_line};
use crate::tag::tag;

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
];

/// Returns a text without the special tokens that servers leave at its end: directly
/// after the last word, or after a sentence. A token stays, since the answer may be
/// about it, if it is the last word of a sentence, on a line of its own, or if its
/// partner, such as `<s>`, is in the text.
pub fn without_end(text: &str) -> &str {
    if last_token(text.trim_end()).is_none() {
        return text;
    }
    let partners = Partners::of(text);
    let mut found = text;
    let mut removed = "";
    loop {
        let whole = found.trim_end();
        let Some(at) = last_token(whole) else {
            return found;
        };
        let (before, token) = whole.split_at(at);
        let line = last_line(before);
        // A line that begins further up is no line of its own.
        let is_alone =
            line.trim().is_empty() && !before.trim_end().is_empty() && !ends_answer(before);
        let is_word = line.ends_with([' ', '\t']) && !line.trim().is_empty();
        let is_repeated = found.len() == whole.len() && removed.eq_ignore_ascii_case(token);
        let is_said = is_alone
            || (is_word && !is_repeated && !ends_sentence(before))
            || (is_word && is_number(line))
            || opens_quote(before)
            || partners.has(at, token);
        if is_said {
            return found;
        }
        removed = token;
        found = before;
    }
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

/// The places of the first tokens of pairs in a text. At its beginning they are
/// special tokens.
struct Partners(Vec<Option<usize>>);

impl Partners {
    fn of(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let begin = lower.len() - lower.trim_start().len();
        let places = PAIRS.iter().map(|(opening, _)| {
            let from = begin + usize::from(lower[begin..].starts_with(opening));
            lower[from..].find(opening).map(|at| from + at)
        });
        Self(places.collect())
    }

    /// Whether the partner of the token at this place is before it.
    fn has(&self, at: usize, token: &str) -> bool {
        let mut pairs = PAIRS.iter().zip(&self.0);
        let pair = pairs.find(|it| it.0.1.eq_ignore_ascii_case(token));
        pair.is_some_and(|it| it.1.is_some_and(|opening| opening < at))
    }
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
    let near = text.floor_char_boundary(text.len().saturating_sub(60));
    let lower = text[near..].to_ascii_lowercase();
    let named = TOKENS.iter().find(|it| lower.ends_with(*it));
    let at = match named {
        Some(token) => lower.len() - token.len(),
        None => lower.rfind("<|").max(lower.rfind("<｜"))?,
    };
    let token = &lower[at..];
    let is_token = named.is_some() || special(token).is_some_and(str::is_empty);
    let answers = ANSWERS.iter().map(|it| (it.opening, it.closing));
    let mut marks = ENDS.iter().copied().chain(answers);
    let is_mark = marks.any(|mark| token == mark.0 || token == mark.1);
    (is_token && !is_mark && tag(token).is_none()).then_some(near + at)
}
