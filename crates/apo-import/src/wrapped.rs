//! Recognises files that are one JSON object with the records in it, either as a list
//! in one of its fields, or column by column.

use serde_json::value::RawValue;

use crate::fields::{self, Fields, kind};
use crate::forms::is_read;

/// The number of known fields that make an object a record.
const ENOUGH: usize = 2;

/// Says where the records are in a text that is one object, but not a record itself.
pub(crate) fn problem(json: &[u8], names: &[&str]) -> Option<String> {
    let json = json.trim_ascii();
    // If it does not end like an object, it has many lines, or was cut.
    if !json.starts_with(b"{") || !json.ends_with(b"}") {
        return None;
    }
    let text = std::str::from_utf8(json).ok()?;
    let found = fields::object(text).ok()?;
    if is_columns(&found, names) {
        return Some(
            "is one object with a column in each field; expected a list of records, as pandas \
             writes it by `to_json(PATH, orient=\"records\")`"
                .into(),
        );
    }
    let mut lists = found.all().filter(|(name, _)| !is_read(name, names));
    lists.find_map(|(name, value)| in_list(name, value, names))
}

/// Returns a field in the syntax of jq.
fn step(name: &str) -> String {
    let is_word = |it: char| it.is_ascii_alphabetic() || it == '_';
    if !name.is_empty() && name.chars().all(is_word) {
        return format!(".{name}");
    }
    format!(".[{}]", serde_json::Value::from(name))
}

/// Counts the fields of an object that records have.
fn n_read(found: &Fields<'_>, names: &[&str]) -> usize {
    found.all().filter(|it| is_read(it.0, names)).count()
}

/// Says that a field is a list of records, or of objects that hold one each. Returns
/// `None` if it is not.
fn in_list(name: &str, list: &RawValue, names: &[&str]) -> Option<String> {
    let items: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let first = fields::object(items.first()?.get()).ok()?;
    let (path, each) = if n_read(&first, names) >= ENOUGH {
        (step(name), String::new())
    } else {
        let is_record = |value: &RawValue| {
            let record = fields::object(value.get());
            record.is_ok_and(|it| n_read(&it, names) >= ENOUGH)
        };
        let (inner, _) = first.all().find(|it| is_record(it.1))?;
        (
            format!("[{}[]{}]", step(name), step(inner)),
            format!(", each in its field `{inner}`"),
        )
    };
    Some(format!(
        "is one object that holds the records in the list `{name}`{each}; expected the list alone: \
         `jq '{path}' FILE > NEW.json` writes it"
    ))
}

/// Whether each field is a column: a list, or an object with numbers as names. The
/// lists `text` and `score` of APO's authors are a record.
fn is_columns(found: &Fields<'_>, names: &[&str]) -> bool {
    let is_column = |value: &RawValue| match kind(value) {
        "a list" => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
            // A list of messages may be a record's.
            items.first().is_some_and(|it| kind(it) != "an object")
        }
        "an object" => {
            let rows = fields::object(value.get());
            rows.is_ok_and(|it| it.all().next().is_some_and(|it| it.0 == "0"))
        }
        _ => false,
    };
    let read: Vec<_> = found.all().filter(|it| is_read(it.0, names)).collect();
    read.len() >= ENOUGH
        && found.get("text").is_none()
        && read.iter().all(|(_, value)| is_column(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::{ANSWER_FIELDS, PREFERENCE_FIELDS};

    #[test]
    fn the_list_of_records_is_named_and_a_record_is_not_one() {
        let row = r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#;
        for (json, expected) in [
            (format!(r#"{{"data": [{row}]}}"#), Some("jq '.data'")),
            (
                format!(r#"{{"version": 1, "train": [{row}], "n": 1}}"#),
                Some("jq '.train'"),
            ),
            (
                format!(
                    r#"{{"features": [{{"name": "prompt"}}], "rows": [{{"row_idx": 0, "row": {row}}}]}}"#
                ),
                Some("jq '[.rows[].row]'"),
            ),
            (
                r#"{"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]}"#.into(),
                Some("orient"),
            ),
            (
                r#"{"prompt": {"0": "a"}, "chosen": {"0": "b"}, "id": {"0": 3}}"#.into(),
                Some("orient"),
            ),
            (
                r#"{"chosen": [[{"role": "user"}]], "rejected": [[]]}"#.into(),
                Some("orient"),
            ),
            (row.into(), None),
            (r#"{"text": ["a", "b"], "score": [1, 2]}"#.into(), None),
            (
                r#"{"chosen": [{"role": "user"}], "rejected": [{"role": "user"}]}"#.into(),
                None,
            ),
            (
                r#"{"chosen": {"from": "gpt"}, "rejected": {"from": "gpt"}}"#.into(),
                None,
            ),
            (
                r#"{"summaries": [{"text": "a"}], "choice": 1}"#.into(),
                None,
            ),
            (format!("{row}\n{row}"), None),
            ("{".into(), None),
        ] {
            let found = problem(json.as_bytes(), PREFERENCE_FIELDS);
            assert_eq!(found.is_some(), expected.is_some(), "{json}: {found:?}");
            let found = found.unwrap_or_default();
            assert!(
                found.contains(expected.unwrap_or_default()),
                "{json}: {found}"
            );
        }
        let answers = br#"{"data": [{"instruction": "a", "output": "b"}]}"#;
        assert!(problem(answers, ANSWER_FIELDS).is_some());
        let messages = br#"{"messages": [{"role": "user", "content": "a"}]}"#;
        assert_eq!(problem(messages, ANSWER_FIELDS), None);
    }
}
