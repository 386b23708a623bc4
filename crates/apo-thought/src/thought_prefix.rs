//! What precedes a thought, and the label of an answer: special tokens, the speaker's name.

use crate::channels::is_harmony;
use crate::marks::{answer_opens, opening};

/// Special tokens that are not in the usual brackets.
pub(crate) const TOKENS: &[&str] = &[
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<bos_token>",
    "<eos_token>",
    "<seed:bos>",
    "<seed:eos>",
    "<pad>",
    "[pad]",
    "<unk>",
    "[gmask]",
    "<sop>",
    "[|endofturn|]",
    "<start_of_turn>",
    "<end_of_turn>",
    "<turn|>",
    "<end_of_utterance>",
    "[end of text]",
    "[bos]",
    "[eos]",
    "[/inst]",
];

/// Returns the length of what precedes a text in lower case: white space, invisible
/// characters, special tokens, the speaker's name.
pub(crate) fn prefix_length(lower: &str) -> usize {
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let mut rest = lower.trim_start_matches(blank);
    let mut after_token = false;
    loop {
        if is_harmony(rest) || opening(rest).is_some() || answer_opens(rest) {
            break;
        }
        let behind = if let Some(behind) = behind_token(rest) {
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

/// Returns what follows a special token in any brackets.
pub(crate) fn behind_token(lower: &str) -> Option<&str> {
    let named = TOKENS.iter().find_map(|it| lower.strip_prefix(it));
    named.or_else(|| special(lower))
}

/// Returns what follows a special token, such as `<|im_start|>`.
pub(crate) fn special(lower: &str) -> Option<&str> {
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
pub(crate) fn speaker(lower: &str, after_token: bool) -> Option<&str> {
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
