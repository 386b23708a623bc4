//! Markers that a message quotes, as a dialogue's text holds them.
//!
//! A dialogue is one text, in which a marker begins a turn. If a message itself contains a
//! marker, as one does that quotes a dialogue, a backslash before its name says that it
//! begins nothing: `\Human:`. A message that contains that has one backslash more.

use std::borrow::Cow;

/// What markers of turns say after their blank line, within any message.
const NAMES: [&str; 2] = ["Human:", "Assistant:"];

/// The same within a message of the assistant or a tool that one of them follows: there a
/// tool's result may begin.
const NAMES_AFTER_A_CALL: [&str; 3] = ["Human:", "Assistant:", "Tool:"];

/// Returns a message as a dialogue's text holds it: a marker in it does not begin a turn.
pub fn quoted(text: &str) -> Cow<'_, str> {
    quoted_where(text, false)
}

/// Returns a message that a dialogue's text holds as it was written.
pub fn unquoted(text: &str) -> Cow<'_, str> {
    unquoted_where(text, false)
}

/// As [`quoted`], where a tool's result may begin or not.
pub(crate) fn quoted_where(text: &str, may_call: bool) -> Cow<'_, str> {
    changed(text, names(may_call), |backslashes| backslashes + 1)
}

/// As [`unquoted`], where a tool's result may begin or not.
pub(crate) fn unquoted_where(text: &str, may_call: bool) -> Cow<'_, str> {
    changed(text, names(may_call), |backslashes| {
        backslashes.saturating_sub(1)
    })
}

fn names(may_call: bool) -> &'static [&'static str] {
    if may_call {
        &NAMES_AFTER_A_CALL
    } else {
        &NAMES
    }
}

/// Changes the number of backslashes before the name in each marker.
fn changed<'a>(text: &'a str, names: &[&str], of: impl Fn(usize) -> usize) -> Cow<'a, str> {
    let mut whole = String::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(found) = rest[from..].find("\n\n") {
        let begin = from + found + "\n\n".len();
        let name = rest[begin..].trim_start_matches('\\');
        let backslashes = rest.len() - begin - name.len();
        if names.iter().any(|it| name.starts_with(it)) && of(backslashes) != backslashes {
            whole += &rest[..begin];
            whole.extend(std::iter::repeat_n('\\', of(backslashes)));
            (rest, from) = (name, 0);
        } else {
            // The second line break may begin a blank line.
            from = begin - 1;
        }
    }
    if whole.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(whole + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_quoted_and_read_back() {
        for (text, expected) in [
            ("It says:\n\nHuman: b", "It says:\n\n\\Human: b"),
            ("a\n\n\nAssistant: b", "a\n\n\n\\Assistant: b"),
            ("a\n\n\\Human: b", "a\n\n\\\\Human: b"),
            (
                "\n\nHuman: a\n\nAssistant: b\n\nHuman:",
                "\n\n\\Human: a\n\n\\Assistant: b\n\n\\Human:",
            ),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
            assert_eq!(unquoted(expected), text, "{text:?}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "",
            "Human: a",
            "a\nHuman: b",
            "a\n\n Human: b",
            "a\n\nHumans: b",
            "a\n\nTool: b",
            "a\n\n\\textbf{b}",
            "a\r\n\r\nHuman: b",
            "\n\n\n",
        ] {
            assert!(matches!(quoted(text), Cow::Borrowed(it) if it == text));
            assert!(matches!(unquoted(text), Cow::Borrowed(it) if it == text));
        }
    }
}
