//! Finds the numbers that Python's `json` writes and JSON does not have.

use serde_json::Value;

/// What Python's `json` writes and reads for numbers that JSON does not have.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// Stands in texts in the place of such a number: no file has it in its own
/// texts without an escape.
const STANDS_FOR: char = '\u{0}';

/// Says where a text has one of these numbers, if it is JSON otherwise.
pub(crate) fn no_number(text: &str) -> Option<String> {
    let mut marked = String::with_capacity(text.len());
    let (mut in_text, mut rest) = (false, text);
    while let Some(c) = rest.chars().next() {
        let number = NO_NUMBERS.into_iter().find(|it| rest.starts_with(it));
        let len = match (in_text, number) {
            (false, Some(number)) => {
                marked += &format!("\"\\u0000{number}\"");
                rest = &rest[number.len()..];
                continue;
            }
            // What is escaped cannot end the text.
            (true, _) if c == '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => c.len_utf8(),
        };
        in_text ^= c == '"';
        marked += &rest[..len];
        rest = &rest[len..];
    }
    let value: Value = serde_json::from_str(&marked).ok()?;
    let (key, number) = marked_in(&value)?;
    Some(format!(
        "its `{key}` is {number}, which is no number that anything here can compute with; write \
         what is meant, or leave the key out"
    ))
}

/// Returns the key that leads to the first marked number, and the number.
fn marked_in(value: &Value) -> Option<(String, &str)> {
    let joined = |key: String, rest: String| match rest.as_str() {
        "" => key,
        rest => format!("{key}.{rest}"),
    };
    match value {
        Value::String(text) => Some((String::new(), text.strip_prefix(STANDS_FOR)?)),
        Value::Array(items) => items.iter().enumerate().find_map(|(i, item)| {
            let (rest, number) = marked_in(item)?;
            Some((joined(i.to_string(), rest), number))
        }),
        Value::Object(object) => object.iter().find_map(|(key, item)| {
            let (rest, number) = marked_in(item)?;
            let key: String = key.chars().take(60).collect();
            Some((joined(key.escape_debug().to_string(), rest), number))
        }),
        _ => None,
    }
}
