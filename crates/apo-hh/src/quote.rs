//! Markers that a message quotes, as a dialogue's text holds them.
//!
//! A dialogue is one text, in which a marker begins a turn. If a message itself contains a
//! marker, as one does that quotes a dialogue, a backslash before its name says that it
//! begins nothing: `\Human:`. A message that contains that has one backslash more.

use std::borrow::Cow;

/// What a marker of turns within a dialogue says after its blank line.
const NAMES: [&str; 2] = ["Human:", "Assistant:"];

/// Returns a message as a dialogue's text holds it: a marker in it does not begin a turn.
pub fn quoted(text: &str) -> Cow<'_, str> {
    changed(text, |backslashes| backslashes + 1)
}

/// Returns a message that a dialogue's text holds as it was written.
pub fn unquoted(text: &str) -> Cow<'_, str> {
    changed(text, |backslashes| backslashes.saturating_sub(1))
}

/// Changes the number of backslashes before the name in each marker.
fn changed(text: &str, of: impl Fn(usize) -> usize) -> Cow<'_, str> {
    let mut whole = String::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(found) = rest[from..].find("\n\n") {
        let begin = from + found + "\n\n".len();
        let name = rest[begin..].trim_start_matches('\\');
        let backslashes = rest.len() - begin - name.len();
        if NAMES.iter().any(|it| name.starts_with(it)) && of(backslashes) != backslashes {
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
            "a\n\n\\textbf{b}",
            "a\r\n\r\nHuman: b",
            "\n\n\n",
        ] {
            assert!(matches!(quoted(text), Cow::Borrowed(it) if it == text));
            assert!(matches!(unquoted(text), Cow::Borrowed(it) if it == text));
        }
    }
}
