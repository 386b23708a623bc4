//! Filters of texts.

use super::super::arguments::{Arguments, int, is_true, size, text};
use super::super::fault::{Result, Work, problem, unsupported};
use super::super::format::percent;
use super::super::methods::soft_text;
use super::super::print::{to_text, write_repr};
use super::super::python;
use super::super::value::holders::Dict;
use super::super::value::order::sort;
use super::super::value::{Value, View};

/// Applies `format`: `value % arguments`.
pub(super) fn format(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let of = soft_text(value, work)?;
    let values = match (args.positional.is_empty(), args.named.is_empty()) {
        (false, false) => return problem("format: arguments by place and by name"),
        (true, false) => {
            let named = args.named.into_iter();
            let entries = named.map(|(name, value)| (Value::from(name), value));
            Value::Dict(Dict::new(entries.collect(), work)?)
        }
        _ => Value::tuple(args.positional)?,
    };
    percent(&of, &values, work)
}

/// Counts words: runs of letters, digits and underscores.
pub(super) fn word_count(of: &str) -> Result<Value> {
    let (mut n, mut in_word) = (0, false);
    for c in of.chars() {
        let is_part = c == '_' || python::is_letter(c)? || python::is_digit(c)?;
        n += i128::from(is_part && !in_word);
        in_word = is_part;
    }
    Ok(Value::Int(n))
}

pub(super) fn title(of: &str, work: &Work) -> Result<String> {
    work.text(3 * of.len())?;
    let is_break = |c: char| python::is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<');
    let mut out = String::with_capacity(of.len());
    let mut rest = of;
    while let Some(c) = rest.chars().next() {
        let len = if is_break(c) {
            rest.find(|c| !is_break(c))
        } else {
            rest.find(is_break)
        };
        let (word, after) = rest.split_at(len.unwrap_or(rest.len()));
        let (first, more) = word.split_at(c.len_utf8());
        out += &first.to_uppercase();
        out += &more.to_lowercase();
        rest = after;
    }
    Ok(out)
}

pub(super) fn indent(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let [width, first, blank] = args.bind("indent", ["width", "first", "blank"])?;
    let (first, blank) = (is_true(first), is_true(blank));
    let of = match value {
        Value::Text(it) if it.safe => {
            return unsupported("'indent' of a text that is marked as safe");
        }
        it => text("indent", it)?,
    };
    let indention = match width {
        Some(Value::Text(it)) => it.text.to_string(),
        width => {
            let width = width.map_or(Ok(4), |it| size("indent", &it))?;
            work.text(width)?;
            " ".repeat(width)
        }
    };
    let with_end = format!("{of}\n");
    let lines = python::split_lines(&with_end, false);
    work.text(2 * of.len() + lines.len().saturating_mul(indention.len() + 1))?;
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 {
            first
        } else {
            blank || !line.is_empty()
        } {
            out += &indention;
        }
        out += line;
    }
    Ok(Value::from(out))
}

pub(super) fn truncate(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let names = ["length", "killwords", "end", "leeway"];
    let [length, kill, end, leeway] = args.bind("truncate", names)?;
    let of = match value {
        Value::Text(it) if it.safe => {
            return unsupported("'truncate' of a text that is marked as safe");
        }
        it => it.as_text().unwrap_or_default(),
    };
    let Some(n) = value.len() else {
        return problem(format!("truncate: a {} has no length", value.type_name()));
    };
    let length = length.map_or(Ok(255), |it| int("truncate", &it))?;
    let end = end.as_ref().map_or(Ok("..."), |it| text("truncate", it))?;
    let leeway = match leeway {
        None | Some(Value::None) => 5,
        Some(it) => int("truncate", &it)?,
    };
    let end_length = end.chars().count() as i128;
    if length < end_length || leeway < 0 {
        return problem("truncate: the length is below that of the end, or the leeway is negative");
    }
    work.text(2 * of.len())?;
    if n as i128 <= length.saturating_add(leeway) {
        return Ok(value.clone());
    }
    if value.as_text().is_none() {
        return unsupported(format!("cutting a {} by 'truncate'", value.type_name()));
    }
    let kept = usize::try_from(length - end_length).unwrap_or(usize::MAX);
    let mut kept: String = of.chars().take(kept).collect();
    if !is_true(kill)
        && let Some(at) = kept.rfind(' ')
    {
        kept.truncate(at);
    }
    Ok(Value::from(kept + end))
}

pub(super) fn url_encode(value: &Value, work: &Work) -> Result<String> {
    let quote = |value: &Value, is_query: bool| -> Result<String> {
        let of = to_text(value, work)?;
        work.text(3 * of.len())?;
        let mut out = String::new();
        for byte in of.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                    out.push(byte.into());
                }
                b'/' if !is_query => out.push('/'),
                b' ' if is_query => out.push('+'),
                _ => out += &format!("%{byte:02X}"),
            }
        }
        Ok(out)
    };
    let items = match value {
        Value::Undefined(_) => return unsupported("'urlencode' of an undefined value"),
        Value::Dict(it) => it.view(View::Items)?,
        it if it.is_iterable() && it.as_text().is_none() => it.items(work)?,
        it => return quote(it, false),
    };
    let mut parts = Vec::new();
    for pair in items {
        match &pair.items(work)?[..] {
            [key, value] => parts.push(format!("{}={}", quote(key, true)?, quote(value, true)?)),
            _ => return problem("urlencode: not pairs"),
        }
    }
    Ok(parts.join("&"))
}

/// Python's `pprint.pformat`, for what fits into a line.
pub(super) fn pprint(value: &Value, work: &Work) -> Result<Value> {
    /// How long a line may be.
    const WIDTH: usize = 80;
    let mut out = String::new();
    write_repr(&mut out, &sorted(value, work)?, work)?;
    if out.chars().count() > WIDTH {
        return unsupported("'pprint' of what does not fit into a line");
    }
    Ok(Value::from(out))
}

/// Returns a value with its dicts sorted by their keys.
fn sorted(value: &Value, work: &Work) -> Result<Value> {
    let all = |items: &[Value]| -> Result<Vec<Value>> {
        work.spend(1 + items.len())?;
        items.iter().map(|it| sorted(it, work)).collect()
    };
    match value {
        Value::List(it) => Value::list(all(&it.items)?),
        Value::Tuple(it) => Value::tuple(all(&it.items)?),
        Value::Dict(it) => {
            work.spend(1 + 2 * it.entries.len())?;
            let mut keyed = Vec::new();
            for (key, value) in &it.entries {
                keyed.push((key.clone(), (key.clone(), sorted(value, work)?)));
            }
            Ok(Value::Dict(Dict::new(sort(keyed, work)?, work)?))
        }
        it => Ok(it.clone()),
    }
}
