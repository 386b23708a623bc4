//! What stands before all that is said: special tokens, the speaker's name.

use super::marks::{answer_opens, opening};

/// Returns the length of what says nothing at the beginning of a text in lower
/// case: white space, invisible characters, special tokens, the speaker's name.
pub(super) fn lead(lower: &str) -> usize {
    const TOKENS: &[&str] = &[
        "<s>",
        "</s>",
        "<bos>",
        "<start_of_turn>",
        "<end_of_turn>",
        "[/inst]",
    ];
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let mut rest = lower.trim_start_matches(blank);
    let mut after_token = false;
    loop {
        let is_channel = rest.starts_with("<|channel|>") || rest.starts_with("<|start|>");
        if is_channel || opening(rest).is_some() || answer_opens(rest) {
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

/// Returns what follows a special token, as `<|im_start|>`.
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

/// Returns what follows the name of the speaker, with a colon or behind a token.
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

/// Whether a character shows nothing: marks of width, direction and joining.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}
