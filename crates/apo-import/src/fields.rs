//! A record's fields.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::fault::{Fault, reason};
use crate::record::Record;

/// A record's fields by name, as JSON text. A null field counts as missing.
#[derive(Debug)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Returns a field that is not null.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().find(|(it, _)| it == name)?;
        (value.get() != "null").then_some(*value)
    }

    /// Gives fields other names, or leaves out those that get none.
    pub fn renamed(self, name: impl Fn(Cow<'a, str>) -> Option<Cow<'a, str>>) -> Self {
        let fields = self.0.into_iter();
        Self(
            fields
                .filter_map(|(it, value)| Some((name(it)?, value)))
                .collect(),
        )
    }

    /// Returns all fields with their names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// Lists the names of the first fields.
    pub fn names(&self) -> String {
        const MOST: usize = 8;
        if self.0.is_empty() {
            return "none".into();
        }
        let shown = self.0.iter().take(MOST);
        let names: Vec<String> = shown
            .map(|(name, _)| format!("`{}`", name.chars().take(40).collect::<String>()))
            .collect();
        let more = if self.0.len() > MOST { ", …" } else { "" };
        names.join(", ") + more
    }

    /// Says which field of a form is missing in a record that has another field of it.
    pub fn lacking(&self, names: &[&str]) -> Option<String> {
        names.iter().find(|name| self.get(name).is_some())?;
        let lacks = names.iter().find(|name| self.get(name).is_none())?;
        let is_null = self.0.iter().any(|(it, _)| it == lacks);
        let how = if is_null { "null" } else { "missing" };
        Some(format!(
            "`{lacks}` is {how}; expected `{}`",
            names.join("`, `")
        ))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visited;

        impl<'de> Visitor<'de> for Visited {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Self::Value = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                let mut names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
                names.sort_unstable();
                match names.windows(2).find(|it| it[0] == it[1]) {
                    Some(twice) => Err(A::Error::custom(format!("duplicate field `{}`", twice[0]))),
                    None => Ok(fields),
                }
            }
        }

        deserializer.deserialize_map(Visited).map(Fields)
    }
}

/// A field's name, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Calls `read` with a record's text. If that fails because of Python's NaN or
/// Infinity, which are not JSON, calls it again with null or a number that is out of
/// range in their place.
pub(crate) fn of<T>(record: &Record, read: impl Fn(&str) -> Result<T, Fault>) -> Result<T, Fault> {
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

/// Parses an object's fields.
pub(crate) fn object(text: &str) -> Result<Fields<'_>, Fault> {
    if !text.trim_start().starts_with('{') {
        let found = serde_json::from_str::<&RawValue>(text).map_err(|error| no_json(&error))?;
        let problem = format!("is {}, expected an object with fields", kind(found));
        return Err(Fault::malformed(problem));
    }
    serde_json::from_str(text).map_err(|error| no_json(&error))
}

pub(crate) fn no_json(error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    // The line is that of the record, not of the file.
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |it| it.0);
    let at = error.column();
    if message == "trailing characters" {
        let problem = format!(
            "unexpected text after the record, at character {at}; expected one record per line"
        );
        return Fault::malformed(problem);
    }
    let what = if error.is_data() {
        "cannot be read"
    } else {
        "is not JSON"
    };
    Fault::malformed(format!("{what}: {message} at character {at}"))
}

/// Says what a value is.
pub(crate) fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'"') => "a text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Parses a text.
pub(crate) fn text(name: &str, value: &RawValue) -> Result<String, Fault> {
    if !value.get().starts_with('"') {
        let found = kind(value);
        return Err(Fault::malformed(format!(
            "`{name}` is {found}, expected a text"
        )));
    }
    // It is a text, so that only its escapes can be wrong.
    serde_json::from_str(value.get()).map_err(|_| {
        Fault::new(
            reason::LONE_SURROGATE,
            format!("`{name}` has a lone surrogate, such as \\ud83d: half a character"),
        )
    })
}

/// Parses a number.
pub(crate) fn number(name: &str, value: &RawValue) -> Result<f64, Fault> {
    serde_json::from_str(value.get()).map_err(|_| {
        let found = match kind(value) {
            "a number" => "infinite or too large",
            other => other,
        };
        Fault::malformed(format!("`{name}` is {found}, expected a number"))
    })
}

/// Whether a value is neither null nor empty.
pub(crate) fn is_filled(value: Option<&RawValue>) -> bool {
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

/// Returns JSON with null in place of `NaN`, and numbers out of range in place of
/// `Infinity` and `-Infinity`, all of which Python writes. Returns `None` if it has no
/// such words outside of texts.
pub(crate) fn without_nan(json: &str) -> Option<String> {
    if !json.contains("NaN") && !json.contains("Infinity") {
        return None;
    }
    let (mut mended, mut in_text, mut found) = (String::with_capacity(json.len()), false, false);
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let words = [
            ("NaN", "null"),
            ("-Infinity", "-1e999"),
            ("Infinity", "1e999"),
        ];
        let word = words
            .into_iter()
            .find(|(word, _)| !in_text && rest.starts_with(word));
        if let Some((word, json)) = word {
            mended.push_str(json);
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
            Some(r#"{"a": null, "b": [-1e999, 1e999], "c": "NaN \" NaN"}"#)
        );
        assert_eq!(without_nan(r#"{"c": "NaN", "é\\": "Infinity"}"#), None);
    }

    #[test]
    fn missing_fields_are_named() {
        let fields = |json| object(json).expect("it is an object");
        let lacks = |json| fields(json).lacking(&["chosen", "rejected"]);
        assert!(lacks(r#"{"chosen": "x"}"#).is_some_and(|it| it.contains("`rejected` is missing")));
        let null = lacks(r#"{"chosen": null, "rejected": "y"}"#);
        assert!(null.is_some_and(|it| it.contains("`chosen` is null")));
        assert_eq!(lacks(r#"{"question": "x"}"#), None);
        assert_eq!(fields(r#"{"b": 1, "a": 2}"#).names(), "`b`, `a`");
    }
}
