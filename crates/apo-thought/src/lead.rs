//! What servers leave around a reply: special tokens, the speaker's name.

use crate::channels::is_harmony;
use crate::marks::{ANSWERS, ENDS, answer_opens, opening};
use crate::place::{ends_sentence, last_line};
use crate::tag::tag;

/// Special tokens that are not in the usual brackets.
const TOKENS: &[&str] = &[
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<turn|>",
    "<end_of_utterance>",
    "[end of text]",
    "[/inst]",
];

/// Returns the length of what precedes a text in lower case: white space, invisible
/// characters, special tokens, the speaker's name.
pub(crate) fn lead(lower: &str) -> usize {
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let mut rest = lower.trim_start_matches(blank);
    let mut after_token = false;
    loop {
        if is_harmony(rest) || opening(rest).is_some() || answer_opens(rest) {
            break;
        }
        let token = TOKENS.iter().find_map(|it| rest.strip_prefix(it));
        let behind = if let Some(behind) = token.or_else(|| special(rest)) {
            after_token = true;
            behind
        } else if let Some(behind) = speaker(rest, after_token) {
            after_token = false;
            behind
        } else {
            break;
        };
        rest = behind.trim_start_matches(blank);
    }
    lower.len() - rest.len()
}

/// Returns a text without the special tokens that servers leave at its end: directly
/// after the last word, after a sentence, or on a line of their own. A sentence
/// whose last word is a token keeps it.
pub fn without_end(text: &str) -> &str {
    let mut found = text;
    loop {
        let whole = found.trim_end();
        let Some(at) = last_token(whole) else {
            return found;
        };
        let before = &whole[..at];
        let line = last_line(before);
        let is_word = line.ends_with([' ', '\t']) && !line.trim().is_empty();
        if closes_pair(before, line, &whole[at..]) {
            return found;
        }
        if (is_word && !ends_sentence(before)) || opens_quote(before) {
            return found;
        }
        found = before;
    }
}

/// Whether a token after the text `before`, whose last line is `line`, closes an
/// element on that line, as HTML's `<s>old</s>`. At the beginning of the text the
/// opening one is a special token.
fn closes_pair(before: &str, line: &str, token: &str) -> bool {
    const PAIRS: [(&str, &str); 2] = [("<s>", "</s>"), ("[INST]", "[/INST]")];
    let opening = PAIRS.iter().find(|it| it.1.eq_ignore_ascii_case(token));
    let opened = opening.and_then(|it| line.rfind(it.0));
    opened.is_some_and(|at| before.len() - line.len() + at > 0)
}

/// Whether a text ends with a special token: [`without_end`] leaves it if a sentence
/// may mention it.
pub fn ends_with_token(text: &str) -> bool {
    last_token(text.trim_end()).is_some()
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

/// Returns a text after a thought without the label of the answer.
pub(crate) fn unlabelled(text: &str) -> &str {
    const LABELS: [&str; 3] = ["assistant", "final answer", "final response"];
    let emphasis = ['*', '#', '_', ' '];
    let begin = text.trim_start().trim_start_matches(emphasis);
    let behind = LABELS.iter().find_map(|label| {
        let is_label = begin
            .get(..label.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(label));
        is_label.then(|| begin[label.len()..].trim_start_matches(emphasis))
    });
    let Some(rest) = behind.and_then(|it| it.strip_prefix(':')) else {
        return text;
    };
    // The emphasis of the label may end after the colon, that of the answer begins
    // after a space.
    rest.trim_start_matches(['*', '_'])
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

/// Returns what follows a special token, such as `<|im_start|>`.
fn special(lower: &str) -> Option<&str> {
    let (inside, end) = if let Some(inside) = lower.strip_prefix("<|") {
        (inside, "|>")
    } else {
        (lower.strip_prefix("<｜")?, "｜>")
    };
    let (name, behind) = inside.split_once(end)?;
    let is_name = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '▁'));
    (is_name && name.len() < 40).then_some(behind)
}

/// Returns what follows the name of the speaker, which has a colon or follows a
/// token.
fn speaker(lower: &str, after_token: bool) -> Option<&str> {
    let name = lower.trim_start_matches(['*', '#', ' ']);
    let names = ["assistant", "model", "ai", "bot", "gpt"];
    let behind = names.iter().find_map(|it| name.strip_prefix(it))?;
    let behind = behind.trim_start_matches('*');
    if let Some(behind) = behind.strip_prefix(':') {
        return Some(behind.trim_start_matches('*'));
    }
    let is_alone = after_token && behind.starts_with(|c: char| c.is_whitespace() || c == '<');
    let is_line = behind.starts_with(['\n', '\r']);
    (is_alone || is_line).then_some(behind)
}

/// Whether a character is invisible: marks of width, direction and joining.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}
