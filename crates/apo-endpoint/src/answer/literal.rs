//! Reads what Python prints for dictionaries and lists. Routers written in Python
//! put such text into their errors: `{'error': {'code': 'content_filter', 'param': None}}`.

use std::str::Chars;

use serde_json::{Map, Number, Value};

/// Replaces what could not be read in a text.
pub(super) const UNREAD: char = '\u{fffd}';

/// How deeply values may be nested, the same as in `serde_json`.
const DEPTH: usize = 128;

/// Returns the dictionary, list or text at a text's beginning as JSON, and its
/// length in bytes. Bytes become a text, and a tuple becomes a list.
pub(super) fn literal(text: &str) -> Option<(Value, usize)> {
    let mut literal = Literal { text, at: 0 };
    let value = literal.value(DEPTH)?;
    let is_kept = value.is_object() || value.is_array() || value.is_string();
    is_kept.then_some((value, literal.at))
}

struct Literal<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Literal<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Consumes a mark if it comes next.
    fn takes(&mut self, mark: &str) -> bool {
        self.skip_blank();
        let is_next = self.rest().starts_with(mark);
        self.at += if is_next { mark.len() } else { 0 };
        is_next
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth == 0 {
            return None;
        }
        self.skip_blank();
        match self.rest().chars().next()? {
            '{' => self.dictionary(depth),
            '[' => self.items("[", "]", depth),
            '(' => self.items("(", ")", depth),
            '\'' | '"' => self.string(),
            'b' | 'u' if self.rest()[1..].starts_with(['\'', '"']) => {
                self.at += 1;
                self.string()
            }
            _ => self.word(),
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        self.takes("{");
        while !self.takes("}") {
            let name = match self.value(depth - 1)? {
                Value::String(name) => name,
                Value::Array(_) | Value::Object(_) => return None,
                other => other.to_string(),
            };
            if !self.takes(":") {
                return None;
            }
            let value = self.value(depth - 1)?;
            fields.insert(name, value);
            if !self.takes(",") && !self.rest().starts_with('}') {
                return None;
            }
        }
        Some(Value::Object(fields))
    }

    fn items(&mut self, open: &str, close: &str, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.takes(open);
        while !self.takes(close) {
            items.push(self.value(depth - 1)?);
            if !self.takes(",") && !self.rest().starts_with(close) {
                return None;
            }
        }
        Some(Value::Array(items))
    }

    fn string(&mut self) -> Option<Value> {
        let quote = self.rest().chars().next()?;
        let mut found = String::new();
        let mut inside = self.rest()[1..].chars();
        loop {
            match inside.next()? {
                c if c == quote => break,
                '\\' => found.push(escaped(&mut inside)?),
                c => found.push(c),
            }
        }
        self.at = self.text.len() - inside.as_str().len();
        Some(Value::String(found))
    }

    /// Consumes a constant or a number.
    fn word(&mut self) -> Option<Value> {
        let rest = self.rest();
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
        let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let word = &rest[..length];
        self.at += length;
        Some(match word {
            "None" | "null" | "nan" | "inf" | "-inf" | "NaN" | "Infinity" | "-Infinity" => {
                Value::Null
            }
            "True" | "true" => Value::Bool(true),
            "False" | "false" => Value::Bool(false),
            _ => Value::Number(word.parse::<Number>().ok()?),
        })
    }
}

/// Returns the character that an escape means; [`UNREAD`] for half a character.
fn escaped(inside: &mut Chars) -> Option<char> {
    let digits = match inside.next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        other => return Some(other),
    };
    let code = u32::from_str_radix(inside.as_str().get(..digits)?, 16).ok()?;
    *inside = inside.as_str()[digits..].chars();
    Some(char::from_u32(code).unwrap_or(UNREAD))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_python_prints_is_read_as_the_json_it_would_be() {
        // python3 -c 'print(VALUE)'
        for (text, expected) in [
            ("{}", json!({})),
            ("[]", json!([])),
            (
                "{'a': None, 'b': True, 'c': False}",
                json!({"a": null, "b": true, "c": false}),
            ),
            (
                "{'a': 1, 'b': -2.5, 'c': 1e+16, 'd': nan}",
                json!({"a": 1, "b": -2.5, "c": 1e16, "d": null}),
            ),
            (
                "{'a': [1, ('b',), {'c': \"it's\"}]}",
                json!({"a": [1, ["b"], {"c": "it's"}]}),
            ),
            (
                r#"{'a': 'say "it\'s" \\ \n\t\x1b\xe9 \u2028\U0001f600'}"#,
                json!({"a": "say \"it's\" \\ \n\t\u{1b}é \u{2028}\u{1f600}"}),
            ),
            ("{1: 'a', None: 'b'}", json!({"1": "a", "null": "b"})),
            (r#"b'{"a": "it\'s"}'"#, json!(r#"{"a": "it's"}"#)),
            ("{'a': '\\ud83d'}", json!({"a": "\u{fffd}"})),
            // Mixtures of the two, from templates that print into JSON.
            ("{'a': null, \"b\": true}", json!({"a": null, "b": true})),
        ] {
            assert_eq!(literal(text), Some((expected, text.len())), "{text}");
        }
        assert_eq!(literal("{'a': 1}. Model: m").unwrap().1, 8);
    }

    #[test]
    fn other_text_is_not_read() {
        for text in [
            "",
            "{",
            "{'a'",
            "{'a':",
            "{'a': 1",
            "{'a' 1}",
            "{'a': <Error object at 0x7f>}",
            "{'a': 1 'b': 2}",
            "['a' 'b']",
            "{'a': 'b}",
            "{'a': '\\x1'}",
            "{[1]: 2}",
            "{'a': b}",
            "None",
            "1",
            "it's",
        ] {
            assert_eq!(literal(text), None, "{text}");
        }
        assert_eq!(literal(&"[".repeat(1 << 20)), None);
        assert_eq!(literal(&"{'a':".repeat(1 << 20)), None);
    }
}
