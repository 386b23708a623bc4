//! The bodies of errors: where servers put their messages and codes.

use serde_json::Value;

use super::excerpt::excerpt;
use super::repair::first;

/// Fields that hold a code, a type or a reason.
const NAMES: &[&str] = &[
    "code",
    "error_code",
    "type",
    "__type",
    "error_type",
    "status",
    "reason",
    "exception",
];

/// Fields that hold an error inside an error.
const INNER: &[&str] = &[
    "error",
    "errors",
    "innererror",
    "inner_error",
    "detail",
    "details",
    "message",
];

/// How deeply an error may be nested in others.
const DEPTH: usize = 5;

/// Returns the error in a body: an object, or else a text. Google sends a list of
/// one error, others a text that is JSON itself.
pub(super) fn fault(json: Option<Value>, body: &[u8]) -> Value {
    let plain = || Value::String(String::from_utf8_lossy(body).into_owned());
    match json {
        Some(object @ Value::Object(_)) => object,
        Some(Value::Array(items)) => match items.into_iter().next() {
            Some(first @ (Value::Object(_) | Value::String(_))) => first,
            _ => plain(),
        },
        Some(Value::String(text)) => match first(&text) {
            Some(object @ Value::Object(_)) => object,
            _ => Value::String(text),
        },
        _ => plain(),
    }
}

/// Returns the codes, types and reasons of an error, of the errors inside it, and
/// of the error that a router passes on as text.
pub(super) fn error_names(json: &Value) -> Vec<String> {
    let mut names = Vec::new();
    gather(json, DEPTH, &mut names);
    if let Some(inner) = passed_on(json) {
        gather(&inner, DEPTH, &mut names);
    }
    names
}

fn gather(json: &Value, depth: usize, names: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    match json {
        Value::Array(items) => items.iter().for_each(|it| gather(it, depth - 1, names)),
        Value::String(text) => {
            if let Some(inner) = within(text) {
                gather(&inner, depth - 1, names);
            }
        }
        Value::Object(_) => {
            let fields = NAMES.iter().map(|name| &json[name]);
            let fields = fields.chain([&json["base_resp"]["status_code"]]);
            names.extend(fields.filter_map(|name| match name {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }));
            for name in INNER {
                gather(&json[name], depth - 1, names);
            }
        }
        _ => {}
    }
}

/// Returns the object that a message consists of or contains, as `Error code: 400 -
/// {…}` does, in JSON or as Python prints it, also as bytes. A quoted object may be
/// part of the prompt, and does not count.
fn within(text: &str) -> Option<Value> {
    let at = text.find('{')?;
    let (before, object) = text.split_at(at);
    let printed = before
        .strip_suffix(['\'', '"'])
        .and_then(|it| it.strip_suffix('b'));
    let leads = |before: &str| {
        let before = before.trim_end_matches([' ', '\n', '[']);
        let leads = before.is_empty() || before.ends_with([':', '-', '\n']);
        leads && !before.contains(['"', '\'', '`', '“'])
    };
    if let Some(before) = printed {
        let Value::String(bytes) = first(&text[before.len()..]).filter(|_| leads(before))? else {
            return None;
        };
        return first(&bytes);
    }
    first(object).filter(|_| leads(before))
}

/// Returns the error of another server that a router passes on.
fn passed_on(json: &Value) -> Option<Value> {
    let raw = json["error"]["metadata"]["raw"].as_str()?;
    let inner = first(raw)?;
    // Only once: what it passes on in turn is ignored.
    (inner.is_object() && inner["error"]["metadata"].is_null()).then_some(inner)
}

/// Returns the server's message about an error.
pub(super) fn error_message(json: &Value) -> String {
    let text = sentence(json, DEPTH);
    let mut text = text.unwrap_or_else(|| json.to_string());
    if let Some(raw) = json["error"]["metadata"]["raw"].as_str() {
        text += ": ";
        text += &passed_on(json).map_or_else(|| raw.to_owned(), |inner| error_message(&inner));
    }
    excerpt(text.as_bytes())
}

/// Returns the first message in an error's fields, or in those of one inside it.
fn sentence(json: &Value, depth: usize) -> Option<String> {
    let error = &json["error"];
    let candidates = [
        &error["message"],
        error,
        &error["error"]["message"],
        &json["message"],
        &json["detail"],
        &json["detail"][0]["msg"],
        &json["errors"][0]["message"],
        &json["errors"][0],
        &json["base_resp"]["status_msg"],
        &json["error_msg"],
        &json["msg"],
    ];
    let found = |value: &Value| {
        let text = excerpt(value.as_str()?.as_bytes());
        let inner = within(value.as_str()?).filter(|_| depth > 1);
        let inner = inner.and_then(|it| sentence(&it, depth - 1));
        Some(inner.unwrap_or(text)).filter(|it| !it.is_empty())
    };
    let inside = || {
        let held = [&error["message"], &json["message"], &json["detail"], error];
        held.into_iter()
            .filter(|it| it.is_object() && depth > 1)
            .find_map(|it| sentence(it, depth - 1))
    };
    candidates.into_iter().find_map(found).or_else(inside)
}
