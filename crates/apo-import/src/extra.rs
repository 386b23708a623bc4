//! Sorts a row's extra columns, those other than its query and responses: some are
//! counted, some get the row rejected, some are ignored, and all others are reported as
//! unused. No filled column is dropped silently.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::fault::{Fault, reason};
use crate::fields::{Fields, is_filled, kind, text};
use crate::forms::{ASKED, CONTEXT, MEDIA, SYSTEM, is_read};

/// Columns that say where a row comes from. They are ignored.
pub(crate) const ORIGIN: &[&str] = &[
    "id",
    "idx",
    "index",
    "__index_level_0__",
    "uuid",
    "prompt_id",
    "source",
    "dataset",
    "subset",
    "split",
    "category",
    "language",
    "model",
    "chosen_model",
    "rejected_model",
    "chosen-model",
    "rejected-model",
    "url",
    "license",
    "timestamp",
    "created_at",
];

/// What a row has besides its query and responses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// The text of columns such as `system`.
    pub system: Option<String>,
    /// The content of columns such as `tools`, which belongs to the query, but does not
    /// fit into a table.
    pub context: Option<String>,
    /// The names of other filled columns.
    pub unused: Vec<String>,
}

impl Extra {
    /// Adds the names of unused fields of messages.
    pub(crate) fn add(&mut self, unused: &[String]) {
        self.unused.extend_from_slice(unused);
    }
}

/// Sorts the fields that a row's form does not read; `query` is the query that the
/// form reads.
///
/// # Errors
///
/// When a field belongs to the query, but `query` does not contain it.
pub(crate) fn extra(found: &Fields<'_>, used: &[&str], query: &str) -> Result<Extra, Fault> {
    let mut extra = Extra::default();
    let (mut system, mut context) = (Vec::new(), Vec::new());
    for (name, value) in found.all() {
        // An image in Parquet, whose bytes are not read, is an empty object here.
        if MEDIA.contains(&name) && (is_filled(Some(value)) || value.get().starts_with('{')) {
            let problem = format!("`{name}` is filled, expected text alone");
            return Err(Fault::new(reason::NOT_TEXT, problem));
        }
        if used.contains(&name) || ORIGIN.contains(&name) || !is_filled(Some(value)) {
            continue;
        }
        if SYSTEM.contains(&name) {
            let text = text(name, value)?;
            let text = text.trim().to_owned();
            if !text.is_empty() && !system.contains(&text) {
                system.push(text);
            }
        } else if CONTEXT.contains(&name) {
            context.push(value.get());
        } else if ASKED.contains(&name) {
            check_asked(name, value, query, used)?;
        } else if says_something(value) {
            extra.unused.push(name.chars().take(LONGEST).collect());
        }
    }
    extra.system = (!system.is_empty()).then(|| system.join("\n\n"));
    extra.context = (!context.is_empty()).then(|| context.join("\n"));
    Ok(extra)
}

/// The most characters of a column's name that are shown.
const LONGEST: usize = 40;

/// Columns that may be the query of a row and should contain the others.
const QUERIES: &[&str] = &[
    "prompt",
    "query",
    "instruction",
    "conversations",
    "question",
    "user_input",
    "text",
    "messages",
];

/// Checks that the query contains a column that may belong to it; `used` are the
/// columns that the row's form reads.
fn check_asked(name: &str, value: &RawValue, query: &str, used: &[&str]) -> Result<(), Fault> {
    let what = match kind(value) {
        "a text" => {
            let content = text(name, value)?;
            if query.contains(content.trim()) {
                return Ok(());
            }
            "a text that is"
        }
        "a number" | "a truth value" => return Ok(()),
        "a list" => "a list that is",
        _ => "an object that is",
    };
    let to_do = match QUERIES.iter().find(|it| used.contains(it)) {
        Some(asked) => format!("write it into `{asked}` if it belongs to it, or remove it"),
        None => format!(
            "the row has no `prompt`: rename `{name}` to that if it is the query, as pandas does by \
             `rename(columns={{\"{name}\": \"prompt\"}})`, or remove it"
        ),
    };
    Err(Fault::new(
        reason::OTHER_QUERY,
        format!("`{name}` holds {what} not read as part of the query; {to_do}"),
    ))
}

/// Whether a value is or contains a text, a number or a truth value.
fn says_something(value: &RawValue) -> bool {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'"') => true,
        Some(b'[' | b'{') => {
            // Finds quotes that begin neither a name nor an empty text. If the first
            // item of a list is not a text, the others are not taken for texts.
            let (mut before, mut in_text, mut escaped) = (b' ', false, false);
            for (i, byte) in json.bytes().enumerate() {
                if in_text {
                    in_text = escaped || byte != b'"';
                    escaped = !escaped && byte == b'\\';
                } else if byte == b'"' {
                    if matches!(before, b':' | b'[') && json.as_bytes().get(i + 1) != Some(&b'"') {
                        return true;
                    }
                    in_text = true;
                }
                if !in_text && (byte.is_ascii_digit() || matches!(byte, b't' | b'f')) {
                    return true;
                }
                if !in_text && !byte.is_ascii_whitespace() {
                    before = byte;
                }
            }
            false
        }
        _ => json != "null",
    }
}

/// Whether no form reads a column and nothing else reports it, so that the user needs a
/// warning that it is not used.
pub(crate) fn is_unknown(name: &str, known: &[&str]) -> bool {
    !is_read(name, known) && !ORIGIN.contains(&name)
}

/// The columns that no row of a run used.
#[derive(Clone, Debug, Default)]
pub struct Unused {
    names: BTreeSet<String>,
    n_more: u64,
}

impl Unused {
    /// The most names that are kept.
    const MOST: usize = 64;

    /// The most names that are shown.
    const SHOWN: usize = 8;

    /// Adds names of columns.
    pub fn add(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if self.names.len() < Self::MOST || self.names.contains(&name) {
                self.names.insert(name);
            } else {
                self.n_more += 1;
            }
        }
    }

    /// Says which columns were not used; returns `None` if all were.
    pub fn sentence(&self) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let shown: Vec<String> = self
            .names
            .iter()
            .take(Self::SHOWN)
            .map(|name| format!("`{name}`"))
            .collect();
        let more = if self.names.len() > Self::SHOWN || self.n_more > 0 {
            " and more"
        } else {
            ""
        };
        let shown = shown.join(", ");
        Some(match self.names.len() {
            1 => format!("the column {shown} is unknown and not used"),
            _ => format!("the columns {shown}{more} are unknown and not used"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_at_any_depth() {
        let holds = |json: &str| {
            says_something(&RawValue::from_string(json.to_owned()).expect("it is JSON"))
        };
        for json in [
            r#""a""#,
            r#"["a"]"#,
            r#"{"a": "b"}"#,
            r#"{"a\"": [1, {"b": "c"}]}"#,
            r#"[[], ["a"]]"#,
            r#"{"a": 1, "b\\": [2, 3]}"#,
            "[1]",
            "3",
            "true",
            r#"[{"a": false}]"#,
        ] {
            assert!(holds(json), "{json}");
        }
        for json in [r#"{"a": ""}"#, "null", "[null, {}]", r#"{"1t": null}"#] {
            assert!(!holds(json), "{json}");
        }
    }

    #[test]
    fn many_names_are_one_line() {
        let mut unused = Unused::default();
        assert_eq!(unused.sentence(), None);
        unused.add(["b".into(), "a".into(), "b".into()]);
        let sentence = unused.sentence().expect("two names");
        assert!(sentence.contains("columns `a`, `b`"), "{sentence}");
        unused.add((0..1000).map(|i| i.to_string()));
        let sentence = unused.sentence().expect("many names");
        assert!(
            sentence.len() < 200 && sentence.contains(" and more are"),
            "{sentence}"
        );
    }
}
