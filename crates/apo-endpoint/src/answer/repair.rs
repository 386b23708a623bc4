//! Reads bodies that are almost JSON: with bytes that are not UTF-8, half a
//! character, raw control characters, or `NaN` and `Infinity`; or as Python prints
//! them.

use serde_json::Value;

use super::literal::{UNREAD, literal};
use crate::outcome::Reply;

/// What could be read from a body.
#[derive(Debug, PartialEq)]
pub(super) struct Repaired {
    /// The first value; each faulty part of a text is [`UNREAD`], `NaN` and
    /// `Infinity` are null.
    pub value: Value,
    /// Whether another object, or the beginning of one, follows.
    pub holds_more: bool,
}

impl Repaired {
    /// Returns what is wrong with a reply that was read from the value. One that the faults
    /// did not touch is as good as any.
    pub(super) fn problem(&self, reply: &Reply) -> Option<&'static str> {
        let mut texts = reply
            .drawn
            .iter()
            .map(|it| &it.text)
            .chain([&reply.content]);
        if texts.any(|it| it.contains(UNREAD)) {
            return Some("its text is not UTF-8, or contains half a character (a lone surrogate)");
        }
        self.holds_more
            .then_some("more JSON follows the completion")
    }
}

/// Reads the value at the beginning of a body that is JSON but for such faults, or
/// that Python printed.
pub(super) fn repaired(body: &[u8]) -> Option<Repaired> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}');
    let read = |(value, rest): (Value, &str)| Repaired {
        value,
        holds_more: rest.contains('{'),
    };
    let mended = mended(text);
    // Python escapes other characters than JSON: its texts are read as they came.
    json(&mended).or_else(|| printed(text)).map(read)
}

/// Returns the value at a text's beginning, in JSON or as Python prints it.
pub(super) fn first(text: &str) -> Option<Value> {
    Some(json(text).or_else(|| printed(text))?.0)
}

/// Returns the JSON at a text's beginning, and what follows it.
fn json(text: &str) -> Option<(Value, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

/// Returns what Python printed at a text's beginning, and what follows it.
fn printed(text: &str) -> Option<(Value, &str)> {
    let (value, length) = literal(text)?;
    Some((value, &text[length..]))
}

/// Returns a text without such faults.
fn mended(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        found += &rest[..at];
        rest = &rest[at..];
        let number = ["NaN", "Infinity", "-Infinity"]
            .into_iter()
            .find(|it| rest.starts_with(it));
        if let Some(number) = number {
            found += "null";
            rest = &rest[number.len()..];
        } else if rest.starts_with('"') {
            let length = string(rest, &mut found);
            rest = &rest[length..];
        } else {
            found.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    found + rest
}

/// Copies the string at a text's beginning; returns its length.
fn string(text: &str, found: &mut String) -> usize {
    found.push('"');
    let mut at = 1;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' => {
                found.push('"');
                return at + 1;
            }
            '\\' => {
                let (length, is_whole) = escape(&text[at..]);
                if is_whole {
                    found.push_str(&text[at..at + length]);
                } else {
                    found.push(UNREAD);
                }
                at += length;
            }
            c => {
                if c.is_control() && c.is_ascii() && c != '\u{7f}' {
                    found.push_str(&format!("\\u{:04x}", u32::from(c)));
                } else {
                    found.push(c);
                }
                at += c.len_utf8();
            }
        }
    }
    at
}

/// Returns the length of an escape, and whether it is valid.
fn escape(text: &str) -> (usize, bool) {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let next = text[1..].chars().next();
    match (next, unit(0)) {
        (Some('u'), Some(0xd800..0xdc00)) => match unit(6) {
            Some(0xdc00..0xe000) => (12, true),
            _ => (6, false),
        },
        (Some('u'), Some(0xdc00..0xe000)) => (6, false),
        (Some('u'), Some(_)) => (6, true),
        (Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't'), _) => (2, true),
        (Some(c), _) => (1 + c.len_utf8(), false),
        (None, _) => (1, false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_read_is_and_what_cannot_is_marked() {
        for (body, expected) in [
            (&br#"{"a":"b"}"#[..], json!({"a": "b"})),
            (b"\xef\xbb\xbf{\"a\":1}", json!({"a": 1})),
            (br#"{"a":"x \ud83d"}"#, json!({"a": "x \u{fffd}"})),
            (br#"{"a":"\ude00 x"}"#, json!({"a": "\u{fffd} x"})),
            (br#"{"a":"\ud83d\ud83d\ude00"}"#, json!({"a": "\u{fffd}😀"})),
            (br#"{"a":"\ud83d\n"}"#, json!({"a": "\u{fffd}\n"})),
            (
                br#"{"a":"\ud83d\ude00 \\ud83d"}"#,
                json!({"a": "😀 \\ud83d"}),
            ),
            (b"{\"a\":\"caf\xe9\"}", json!({"a": "caf\u{fffd}"})),
            (b"{\"a\":\"b\nc\"}", json!({"a": "b\nc"})),
            (br#"{"a":"\q"}"#, json!({"a": "\u{fffd}"})),
            (
                br#"{"a":NaN,"b":-Infinity,"c":"NaN -Infinity","d":-1}"#,
                json!({"a": null, "b": null, "c": "NaN -Infinity", "d": -1}),
            ),
            (b"{\"a\":1}\n\ndata: [DONE]", json!({"a": 1})),
            (b"{'a': nan, 'b': None}", json!({"a": null, "b": null})),
            (
                br#"{'a': "it's \x1b", 'b': 'say "it\'s"'}"#,
                json!({"a": "it's \u{1b}", "b": "say \"it's\""}),
            ),
            (b"{'a': 'caf\xe9'}", json!({"a": "caf\u{fffd}"})),
        ] {
            let found = repaired(body).map(|it| it.value);
            assert_eq!(found, Some(expected), "{}", String::from_utf8_lossy(body));
        }
        for body in [
            &b""[..],
            b"<p>",
            b"{\"a\":",
            b"{\"a\":\"b",
            b"\xff\xfe",
            b"\"\\",
        ] {
            assert_eq!(repaired(body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn json_after_a_value_is_reported() {
        for (first, second) in [(r#"{"a":1}"#, r#"{"b":2}"#), ("{'a': 1}", "{'b': 2}")] {
            for (rest, expected) in [
                (second.to_owned(), true),
                (format!("\n{second}"), true),
                (format!(", {second}"), true),
                (second[..4].to_owned(), true),
                (String::new(), false),
                ("\n".to_owned(), false),
                ("\n\ndata: [DONE]".to_owned(), false),
            ] {
                let body = format!("{first}{rest}");
                let found = repaired(body.as_bytes()).expect("it begins with a value");
                assert_eq!(found.value, json!({"a": 1}), "{body}");
                assert_eq!(found.holds_more, expected, "{body}");
            }
        }
    }
}
