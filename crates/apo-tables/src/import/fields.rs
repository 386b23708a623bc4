//! A record's fields, and why one is not what it should be.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Record;

/// Why a record is not taken, in one word each, as the rejects table names it.
pub mod reason {
    /// It is no JSON, or a field is missing or of another type.
    pub const MALFORMED: &str = "malformed";
    /// It is not UTF-8.
    pub const NOT_UTF8: &str = "not_utf8";
    /// Half of a surrogate pair stands in a text, as `\ud83d` alone: half a
    /// character, which no text in UTF-8 can hold.
    pub const LONE_SURROGATE: &str = "lone_surrogate";
    /// A message is of a tool, or calls one.
    pub const TOOL_TURN: &str = "tool_turn";
    /// A message holds something other than text, as an image.
    pub const NOT_TEXT: &str = "not_text";
    /// A message's role is unknown.
    pub const UNKNOWN_ROLE: &str = "unknown_role";
    /// A message quotes what begins a turn, so that its text would be read back
    /// as other turns.
    pub const QUOTES_A_TURN: &str = "quotes_a_turn";
    /// Its own scores do not prefer either response.
    pub const SAME_SCORE: &str = "same_score";
}

/// Why a record is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of fault, one word.
    pub reason: &'static str,
    /// What is wrong, for people: the field and what it is.
    pub detail: String,
}

impl Fault {
    /// Makes a fault.
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(reason::MALFORMED, detail)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Fault {}

/// The fields that some form of a record has. A field of null is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    pub prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    pub chosen: Option<&'a RawValue>,
    #[serde(borrow)]
    pub rejected: Option<&'a RawValue>,
    #[serde(borrow)]
    pub score_chosen: Option<&'a RawValue>,
    #[serde(borrow)]
    pub score_rejected: Option<&'a RawValue>,
    #[serde(borrow)]
    pub question: Option<&'a RawValue>,
    #[serde(borrow)]
    pub answer_0: Option<&'a RawValue>,
    #[serde(borrow)]
    pub answer_1: Option<&'a RawValue>,
    #[serde(borrow)]
    pub score_0: Option<&'a RawValue>,
    #[serde(borrow)]
    pub score_1: Option<&'a RawValue>,
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub score: Option<&'a RawValue>,
    #[serde(borrow)]
    pub user_input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub completion_a: Option<&'a RawValue>,
    #[serde(borrow)]
    pub completion_b: Option<&'a RawValue>,
    #[serde(borrow)]
    pub responses_and_scores: Option<&'a RawValue>,
    #[serde(borrow)]
    pub instruction: Option<&'a RawValue>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub query: Option<&'a RawValue>,
    #[serde(borrow)]
    pub response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub completion: Option<&'a RawValue>,
    #[serde(borrow)]
    pub answer: Option<&'a RawValue>,
    #[serde(borrow)]
    pub golden: Option<&'a RawValue>,
    #[serde(borrow)]
    pub messages: Option<&'a RawValue>,
    #[serde(borrow)]
    pub conversations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub query_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub system: Option<&'a RawValue>,
    #[serde(borrow)]
    pub system_prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    pub tools: Option<&'a RawValue>,
    #[serde(borrow)]
    pub images: Option<&'a RawValue>,
}

/// Calls `read` with a record's text; once more where Python's NaN, which is no
/// JSON, kept it from being read, and then with null in its place.
pub(super) fn of<T>(record: &Record, read: impl Fn(&str) -> Result<T, Fault>) -> Result<T, Fault> {
    let text = record.text()?;
    let found = read(text);
    if let Err(Fault {
        reason: reason::MALFORMED,
        ..
    }) = &found
        && let Some(mended) = without_nan(text)
    {
        return read(&mended);
    }
    found
}

/// Reads an object's fields.
pub(super) fn object(text: &str) -> Result<Fields<'_>, Fault> {
    if !text.trim_start().starts_with('{') {
        let found = serde_json::from_str::<&RawValue>(text).map_err(|error| no_json(&error))?;
        let problem = format!("is {}, expected an object with fields", kind(found));
        return Err(Fault::malformed(problem));
    }
    serde_json::from_str(text).map_err(|error| no_json(&error))
}

fn no_json(error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    // The line is that of the record, not of the file.
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |it| it.0);
    let at = error.column();
    let what = if error.is_data() {
        "cannot be read"
    } else {
        "is no JSON"
    };
    Fault::malformed(format!("{what}: {message} at character {at}"))
}

/// Says what a value is.
pub(super) fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'"') => "a text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Reads a text.
pub(super) fn text(name: &str, value: &RawValue) -> Result<String, Fault> {
    if !value.get().starts_with('"') {
        let found = kind(value);
        return Err(Fault::malformed(format!(
            "`{name}` is {found}, expected a text"
        )));
    }
    // That it is a text is known: what is left to fail are its escapes.
    serde_json::from_str(value.get()).map_err(|_| {
        Fault::new(
            reason::LONE_SURROGATE,
            format!("`{name}` has a lone surrogate, such as \\ud83d: half a character"),
        )
    })
}

/// Reads a number.
pub(super) fn number(name: &str, value: &RawValue) -> Result<f64, Fault> {
    serde_json::from_str(value.get()).map_err(|_| {
        let found = kind(value);
        Fault::malformed(format!("`{name}` is {found}, expected a number"))
    })
}

/// Whether a value says something: not null, nor empty.
pub(super) fn is_filled(value: Option<&RawValue>) -> bool {
    value.is_some_and(|it| {
        let text: String = it
            .get()
            .chars()
            .filter(|it| !it.is_ascii_whitespace())
            .take(5)
            .collect();
        !matches!(text.as_str(), "null" | "\"\"" | "[]" | "{}")
    })
}

/// Tells what keeps a record from being of a form of which it has a field.
pub(super) fn lacking(record: &str, names: &[&str]) -> Option<String> {
    let found: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(record).ok()?;
    let value = |name: &&&str| found.get(**name);
    let has_one = names
        .iter()
        .any(|name| value(&name).is_some_and(|it| it.get() != "null"));
    if !has_one {
        return None;
    }
    let lacks = names.iter().find_map(|name| match value(&name) {
        None => Some(format!("`{name}` is missing")),
        Some(it) if it.get() == "null" => Some(format!("`{name}` is null")),
        Some(_) => None,
    });
    lacks.map(|lacks| format!("{lacks}; expected `{}`", names.join("`, `")))
}

/// Names a record's fields, the first of many.
pub(super) fn names(record: &str) -> String {
    const MOST: usize = 8;
    let found: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(record).unwrap_or_default();
    if found.is_empty() {
        return "none".into();
    }
    let names: Vec<String> = found
        .keys()
        .take(MOST)
        .map(|name| format!("`{}`", name.chars().take(40).collect::<String>()))
        .collect();
    let more = if found.len() > MOST { ", …" } else { "" };
    names.join(", ") + more
}

/// Returns JSON with null in the place of `NaN`, `Infinity` and `-Infinity`,
/// which Python writes and reads; none where there are no such words outside of
/// texts.
pub(super) fn without_nan(json: &str) -> Option<String> {
    if !json.contains("NaN") && !json.contains("Infinity") {
        return None;
    }
    let (mut mended, mut in_text, mut found) = (String::with_capacity(json.len()), false, false);
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"]
            .into_iter()
            .find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            mended.push_str("null");
            found = true;
            rest = &rest[word.len()..];
            continue;
        }
        let taken = match first {
            '\\' if in_text => {
                first.len_utf8() + rest[1..].chars().next().map_or(0, char::len_utf8)
            }
            _ => first.len_utf8(),
        };
        in_text ^= first == '"';
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    found.then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_null_outside_of_texts_alone() {
        assert_eq!(
            without_nan(r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" NaN"}"#).as_deref(),
            Some(r#"{"a": null, "b": [null, null], "c": "NaN \" NaN"}"#)
        );
        assert_eq!(without_nan(r#"{"c": "NaN", "é\\": "Infinity"}"#), None);
    }

    #[test]
    fn what_a_record_lacks_is_told() {
        let lacks = |json| lacking(json, &["chosen", "rejected"]);
        assert!(lacks(r#"{"chosen": "x"}"#).is_some_and(|it| it.contains("`rejected` is missing")));
        let null = lacks(r#"{"chosen": null, "rejected": "y"}"#);
        assert!(null.is_some_and(|it| it.contains("`chosen` is null")));
        assert_eq!(lacks(r#"{"question": "x"}"#), None);
        assert_eq!(names(r#"{"b": 1, "a": 2}"#), "`b`, `a`");
    }
}
