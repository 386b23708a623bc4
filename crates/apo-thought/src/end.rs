//! What servers leave after a reply: special tokens.

use crate::begin::has_beginning;
use crate::marks::{ANSWERS, ENDS};
use crate::pairs::{PAIRS, Partners};
use crate::place::{SENTENCE_ENDS, is_number, last_line, last_word};
use crate::tag::tag;
use crate::thought_prefix::{TOKENS, special};

/// Signs that end no text: a value or the items of a list follow them.
const LEADING: &[char] = &['=', ':', '：', ',', '，', '、', '(', '（', '→'];

/// Tokens that fill a text up after its end.
const PADDINGS: &[&str] = &["<pad>", "[pad]", "<unk>"];

/// Tokens that end no text, but fill it up after another token: the one that a
/// tokenizer writes for an unknown word, and one that begins a text.
const NO_ENDS: &[&str] = &["<unk>", "<s>"];

/// Returns a text without the special tokens that servers leave at its end: directly
/// after its last character, or after a blank that follows a complete statement, together
/// with the tokens that fill it up. The caller has removed what opened the text by
/// [`without_beginning`](crate::without_beginning).
///
/// A token stays if the answer may be about it: after a blank that follows anything else,
/// such as a word or a question, after a sign that leads up to it, on its own line, and if
/// its partner, such as `<s>`, is in the text. A token after another one stays if that one
/// does. If the token is repeated, a blank tells nothing: no sentence ends with two, but
/// servers fill texts up with them.
pub fn without_end(text: &str) -> &str {
    if last_token(text.trim_end()).is_none() {
        return text;
    }
    // The mark of a turn that the text begins with is not a partner.
    let begin = text.trim_start();
    let mark = if has_beginning(begin) {
        None
    } else {
        let mut marks = PAIRS.iter().map(|it| it.0);
        let head = begin[..begin.floor_char_boundary(40)].to_ascii_lowercase();
        // In upper case this one is HTML's.
        marks.find(|it| !it.starts_with("<s>") && head.starts_with(it))
    };
    let from = text.len() - begin.len() + mark.map_or(0, str::len);
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
        // A line that begins further up is not a line of its own.
        let is_alone =
            line.trim().is_empty() && !before.trim_end().is_empty() && !ends_answer(before);
        let is_word = line.ends_with(char::is_whitespace) && !line.trim().is_empty();
        let is_repeated = found.len() == whole.len() && removed.eq_ignore_ascii_case(token);
        let near = before.trim_end();
        let is_near = near.len() == before.trim_end_matches([' ', '\t']).len();
        last = last_token(near);
        let follows_token = is_near && last.is_some_and(|at| is_end(&near[at..]));
        let is_padding = PADDINGS.iter().any(|it| it.eq_ignore_ascii_case(token));
        let is_filler = is_repeated || (is_padding && follows_token);
        let is_mentioned = is_alone
            || (is_word && !is_filler && !ends_statement(before))
            || (is_word && is_number(line))
            || opens_quote(before)
            || before.ends_with(LEADING)
            || partners.has(at, token);
        if is_mentioned {
            return kept;
        }
        removed = token;
        found = before;
        if !follows_token && is_end(token) {
            kept = found;
        }
    }
    kept
}

/// Whether a text may end with a token.
fn is_end(token: &str) -> bool {
    !NO_ENDS.iter().any(|it| it.eq_ignore_ascii_case(token))
}

/// Whether a text ends with the mark that closes an answer.
fn ends_answer(text: &str) -> bool {
    let text = text.trim_end();
    let near = &text[text.floor_char_boundary(text.len().saturating_sub(60))..];
    let near = near.to_ascii_lowercase();
    ANSWERS.iter().any(|it| near.ends_with(it.closing))
}

/// Returns a text without any special tokens at the end of its last line, whatever is
/// before them. The caller knows that a server or program left them.
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

/// Whether a text ends with a complete statement. A question, an ellipsis and an
/// abbreviation, such as `e.g.`, lead up to what follows them.
fn ends_statement(text: &str) -> bool {
    let text = text.trim_end();
    let signs = &text[text.trim_end_matches(SENTENCE_ENDS).len()..];
    let is_over = !signs.is_empty() && !signs.contains("..");
    is_over && !signs.contains(['?', '？', '…']) && !is_abbreviation(last_word(text))
}

/// Whether a word, with its full stop, is an abbreviation before an example.
fn is_abbreviation(word: &str) -> bool {
    const SHORT: &[&str] = &["cf.", "viz.", "vs."];
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_letter = |it: &str| it.chars().count() == 1 && it.chars().all(char::is_alphabetic);
    let mut letters = word.strip_suffix('.').unwrap_or(word).split('.');
    SHORT.contains(&word) || (word.matches('.').count() > 1 && letters.all(is_letter))
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
