//! The format of gpt-oss, which separates thoughts and answers into channels.

use crate::place::{Text, continues_as_subject};

/// The final channel of a text in gpt-oss' format.
pub(crate) struct Final<'a> {
    pub answer: &'a str,
    /// Whether another channel came before it.
    pub has_thought: bool,
}

/// Returns the final channel of the text from a place on, with or without the
/// format's special tokens; `None` for a text in another format.
pub(crate) fn channels<'a>(text: &Text<'a>, from: usize) -> Option<Final<'a>> {
    let (plain, lower) = (&text.plain[from..], &text.lower[from..]);
    if is_harmony(lower) {
        return Some(with_tokens(text, from));
    }
    let start = if lower.starts_with("assistantanalysis") {
        "assistant".len()
    } else {
        0
    };
    without_tokens(&plain[start..], &lower[start..])
}

const CHANNEL: &str = "<|channel|>";
const START: &str = "<|start|>";
const MESSAGE: &str = "<|message|>";

/// Whether a text in lower case begins with a channel, or with a message that has
/// one; either may be cut off, and the prompt may have begun it.
pub(crate) fn is_harmony(lower: &str) -> bool {
    const CHANNELS: &[&str] = &["analysis", "commentary", "final"];
    let named = CHANNELS.iter().find_map(|it| lower.strip_prefix(it));
    let message = named.and_then(|it| it.strip_prefix(MESSAGE));
    if message.is_some_and(|it| !continues_as_subject(it)) {
        return true;
    }
    let after_name = lower.strip_prefix("assistant");
    let lower = after_name
        .filter(|it| it.starts_with(CHANNEL))
        .unwrap_or(lower);
    let lower = match lower.strip_prefix(START) {
        None => lower,
        Some(rest) => {
            let behind = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            if behind.is_empty() {
                return true;
            }
            behind
        }
    };
    let Some(rest) = lower.strip_prefix(CHANNEL) else {
        return false;
    };
    let opens = |name: &&str| {
        let behind = rest.strip_prefix(*name);
        // The name may be followed by the tool that is called, and a format.
        let near = behind.map(|it| &it[..it.floor_char_boundary(200)]);
        let near = near.and_then(|it| it.lines().next()).unwrap_or_default();
        name.starts_with(rest) || near.contains(MESSAGE)
    };
    CHANNELS.iter().any(opens)
}

fn with_tokens<'a>(text: &Text<'a>, from: usize) -> Final<'a> {
    const FINAL: &str = "<|channel|>final";
    const ENDS: [&str; 4] = ["<|return|>", "<|end|>", "<|call|>", "<|start|>"];
    let lower = &text.lower[from..];
    let begins = |&(at, _): &(usize, &str)| {
        let before = lower[..at].trim_end();
        before.is_empty() || before.ends_with("assistant") || before.ends_with("<|end|>")
    };
    let begun = lower.starts_with("final<|message|>").then_some(0);
    let found = lower.match_indices(FINAL).find(begins).map(|it| it.0);
    let opened = begun.or(found).and_then(|at| {
        let message = lower[at..].find(MESSAGE)?;
        Some((at, at + message + MESSAGE.len()))
    });
    let Some((at, start)) = opened else {
        return Final {
            answer: "",
            has_thought: true,
        };
    };
    let body = &text.plain[from + start..];
    let ends = ENDS.iter().filter_map(|mark| {
        let mut found = lower[start..].match_indices(mark);
        let end = found.find(|(at, it)| !text.is_shown(from + start + at, it.len()))?;
        Some(end.0)
    });
    Final {
        answer: &body[..ends.min().unwrap_or(body.len())],
        has_thought: lower[..at].contains(MESSAGE),
    }
}

/// Returns the final channel of a text whose special tokens were removed, so that
/// words run into each other: `analysisThe user … .assistantfinalWarm`.
fn without_tokens<'a>(text: &'a str, lower: &str) -> Option<Final<'a>> {
    const FINAL: &str = "assistantfinal";
    // Thoughts begin with these; names in code, such as `analysisResult`, do not.
    const FIRST_WORDS: [&str; 12] = [
        "The", "We", "User", "Need", "They", "This", "I", "It", "Let", "Okay", "So", "First",
    ];
    let rest = &text[lower
        .strip_prefix("analysis")
        .map(|it| lower.len() - it.len())?..];
    let is_wedged = text.starts_with('a') && rest.starts_with(char::is_uppercase);
    let behind_space = rest.strip_prefix(' ').filter(|_| text.starts_with('a'));
    let is_spaced = behind_space.is_some_and(|it| it.starts_with(char::is_uppercase));
    if !is_wedged && !is_spaced && !rest.starts_with([':', '\n']) {
        return None;
    }
    let found = lower.match_indices(FINAL).find_map(|(at, _)| {
        let answer = &text[at + FINAL.len()..];
        let answer = answer.strip_prefix(':').unwrap_or(answer);
        // A sentence that mentions the word continues after a space, or ends.
        let is_word = answer.starts_with([' ', '.', ',', ';', ')', '`', '"', '\'', '”', '’']);
        (!is_word || answer.len() < text.len() - at - FINAL.len()).then_some(answer)
    });
    if let Some(answer) = found {
        return Some(Final {
            answer,
            has_thought: true,
        });
    }
    let first = rest.split(|c: char| !c.is_alphabetic()).next()?;
    (is_wedged && FIRST_WORDS.contains(&first)).then_some(Final {
        answer: "",
        has_thought: true,
    })
}
