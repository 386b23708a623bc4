//! With which values a key changes nothing.

use serde_json::Value;

/// The value, beside null, with which a key changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// Only null and empty values.
    Empty,
    False,
    True,
    Zero,
    One,
    /// Null, false, 0 and empty values.
    Blank,
    /// One of these words, in any case.
    Word(&'static str),
}

impl Off {
    pub(super) fn is(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => true,
            (Self::Empty | Self::Blank, Value::Array(it)) => it.is_empty(),
            (Self::Empty | Self::Blank, Value::Object(it)) => it.is_empty(),
            (Self::Blank, Value::String(it)) => it.is_empty(),
            (Self::False | Self::Blank, Value::Bool(it)) => !it,
            (Self::True, Value::Bool(it)) => *it,
            (Self::Zero | Self::Blank, Value::Number(it)) => it.as_f64() == Some(0.0),
            (Self::One, Value::Number(it)) => it.as_f64() == Some(1.0),
            // One number for each of several things.
            (Self::One, Value::Array(it)) => it.iter().all(|it| it.as_f64() == Some(1.0)),
            (Self::Word(words), Value::String(it)) => {
                let mut words = words.split_whitespace();
                words.any(|word| word.eq_ignore_ascii_case(it))
            }
            _ => false,
        }
    }

    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Empty => "null",
            Self::False => "false",
            Self::True => "true",
            Self::Zero => "0",
            Self::One => "1",
            Self::Blank => "null, false, 0 or empty",
            Self::Word(words) => words.split_whitespace().next().unwrap_or_default(),
        }
    }
}
