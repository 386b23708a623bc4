//! Python's methods of texts and maps, as templates call them.

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Python's methods of texts and maps; what minijinja's own collection lacks or
/// does otherwise comes first.
pub(crate) fn method(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if value.kind() == ValueKind::String
        && let Some(text) = value.as_str()
        && let Some(found) = text_method(text, method, args)?
    {
        return Ok(found);
    }
    pycompat::unknown_method_callback(state, value, method, args)
}

fn text_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let found = match method {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            Value::from(strip(text, chars, method != "rstrip", method != "lstrip"))
        }
        "split" | "rsplit" => {
            let (separator, most): (Option<&str>, Option<i64>) = split_args(args)?;
            return split(text, method == "rsplit", separator, most).map(Some);
        }
        "splitlines" if args.is_empty() => split_lines(text),
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            if separator.is_empty() {
                return Err(empty_separator());
            }
            let (parts, none) = if method == "partition" {
                (text.split_once(separator), [text, "", ""])
            } else {
                (text.rsplit_once(separator), ["", "", text])
            };
            let parts = parts.map_or(none, |(before, after)| [before, separator, after]);
            Value::from(Tuple::from(parts.map(Value::from).to_vec()))
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// Takes `sep` and `maxsplit`, in their places or by name.
fn split_args(args: &[Value]) -> Result<(Option<&str>, Option<i64>), Error> {
    let (separator, most, kwargs): (Option<&Value>, Option<i64>, Kwargs) = from_args(args)?;
    let separator = separator.filter(|it| !it.is_none());
    let separator = match separator {
        None => None,
        Some(it) => Some(it.as_str().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOperation,
                "split: the separator is no text",
            )
        })?),
    };
    let most = match most {
        None => kwargs.get::<Option<i64>>("maxsplit")?,
        most => most,
    };
    kwargs.assert_all_used()?;
    Ok((separator, most))
}

fn empty_separator() -> Error {
    Error::new(ErrorKind::InvalidOperation, "empty separator")
}

/// What Python takes for whitespace.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub(crate) fn strip(text: &str, chars: Option<&str>, left: bool, right: bool) -> String {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if left {
        text.trim_start_matches(goes)
    } else {
        text
    };
    let text = if right {
        text.trim_end_matches(goes)
    } else {
        text
    };
    text.to_owned()
}

fn split(
    text: &str,
    from_right: bool,
    separator: Option<&str>,
    most: Option<i64>,
) -> Result<Value, Error> {
    let n = usize::try_from(most.unwrap_or(-1)).map_or(usize::MAX, |n| n.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(empty_separator()),
        Some(separator) if from_right => text.rsplitn(n, separator).collect(),
        Some(separator) => text.splitn(n, separator).collect(),
        None if from_right => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end_matches(is_space);
            while !rest.is_empty() {
                let at = rest.rfind(is_space).filter(|_| parts.len() + 1 < n);
                let from = at.map_or(0, |at| {
                    at + rest[at..].chars().next().map_or(0, char::len_utf8)
                });
                parts.push(&rest[from..]);
                rest = rest[..at.unwrap_or(0)].trim_end_matches(is_space);
            }
            parts
        }
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_start_matches(is_space);
            while !rest.is_empty() {
                let at = rest.find(is_space).filter(|_| parts.len() + 1 < n);
                parts.push(&rest[..at.unwrap_or(rest.len())]);
                rest = rest[at.unwrap_or(rest.len())..].trim_start_matches(is_space);
            }
            parts
        }
    };
    if from_right {
        parts.reverse();
    }
    Ok(Value::from_iter(parts))
}

fn split_lines(text: &str) -> Value {
    let text = text.replace("\r\n", "\n");
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines: Vec<&str> = text.split(ends).collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    Value::from_iter(lines)
}
