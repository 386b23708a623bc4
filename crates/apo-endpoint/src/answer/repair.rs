//! Reads JSON that is not quite: with bytes that are not UTF-8, half a
//! character, raw control characters, or numbers that are none; or printed by
//! Python.

use serde_json::Value;

use super::literal::literal;

/// What stands where a text could not be read.
pub(super) const UNREAD: char = '\u{fffd}';

/// Returns the value of a body that is JSON but for such faults: each faulty
/// part of a text is [`UNREAD`], each number that is none is null.
pub(super) fn repaired(body: &[u8]) -> Option<Value> {
    let text = mended(body);
    // What follows the value is none of it.
    first(&text)
}

/// Returns the value at a text's beginning, in JSON or as Python prints it.
pub(super) fn first(text: &str) -> Option<Value> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let found = values.next()?.ok();
    found.or_else(|| Some(literal(text)?.0))
}

/// Whether another object, or the beginning of one, follows a body's first value.
pub(super) fn holds_more(body: &[u8]) -> bool {
    let text = mended(body);
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    values.next().is_some_and(|first| first.is_ok()) && text[values.byte_offset()..].contains('{')
}

/// Returns the text of a body without such faults.
fn mended(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}');
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

/// Returns the length of an escape, and whether it says something.
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
        ] {
            let found = repaired(body);
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
}
