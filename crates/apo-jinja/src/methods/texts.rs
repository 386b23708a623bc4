//! Methods of texts.

use super::super::arguments::{Arguments, int, is_true, optional_text, size, text};
use super::super::fault::{Result, Work, problem, unsupported};
use super::super::format;
use super::super::print::is_printable;
use super::super::python::{self, Ends};
use super::super::value::{Text, Value};

/// Returns the arguments of `replace`: the old text, the new text, and how
/// often to replace it at most.
pub(super) fn replacement(args: Arguments) -> Result<(Text, Text, i128)> {
    let [old, new, count] = args.bind("replace", ["", "", "count"])?;
    let (Some(Value::Text(old)), Some(Value::Text(new))) = (old, new) else {
        return problem("replace needs two texts");
    };
    let count = count.map_or(Ok(-1), |it| int("replace", &it))?;
    Ok((old, new, count))
}

/// Calls a method of a text, as one that is not marked as safe.
pub(super) fn text_method(of: &str, name: &str, args: Arguments, work: &Work) -> Result<Value> {
    work.text(2 * of.len())?;
    let found = match name {
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = args.bind(name, [""])?;
            let chars = optional_text(name, chars.as_ref())?;
            work.spend(of.len() / 64 * chars.map_or(0, str::len))?;
            let ends = match name {
                "lstrip" => Ends::Left,
                "rstrip" => Ends::Right,
                _ => Ends::Both,
            };
            Value::from(python::strip(of, chars, ends))
        }
        "split" | "rsplit" => {
            let [separator, most] = args.bind(name, ["sep", "maxsplit"])?;
            let separator = optional_text(name, separator.as_ref())?;
            let most = most.map_or(Ok(-1), |it| int(name, &it))?;
            let parts = python::split(of, name == "rsplit", separator, most)?;
            texts(&parts, work)?
        }
        "splitlines" => {
            let [keep] = args.bind(name, ["keepends"])?;
            texts(&python::split_lines(of, is_true(keep)), work)?
        }
        "join" => {
            let [items] = args.all(name, [""])?;
            join(of, &items, work)?
        }
        "removeprefix" | "removesuffix" => {
            let [part] = args.all(name, [""])?;
            let part = text(name, &part)?;
            let rest = if name == "removeprefix" {
                of.strip_prefix(part)
            } else {
                of.strip_suffix(part)
            };
            Value::from(rest.unwrap_or(of))
        }
        "partition" | "rpartition" => {
            let [separator] = args.all(name, [""])?;
            let separator = text(name, &separator)?;
            if separator.is_empty() {
                return problem("empty separator");
            }
            let (parts, none) = if name == "partition" {
                (of.split_once(separator), [of, "", ""])
            } else {
                (of.rsplit_once(separator), ["", "", of])
            };
            let parts = parts.map_or(none, |(before, after)| [before, separator, after]);
            Value::tuple(parts.map(Value::from).to_vec())?
        }
        "replace" => {
            let (old, new, count) = replacement(args)?;
            Value::from(replace(of, &old.text, &new.text, count, work)?)
        }
        "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count"
            if args.positional.len() > 1 =>
        {
            return in_part(of, name, args, work);
        }
        "startswith" | "endswith" => {
            let [parts] = args.all(name, [""])?;
            Value::Bool(begins_or_ends(of, name, parts)?)
        }
        "find" | "rfind" | "index" | "rindex" | "count" => {
            let [part] = args.all(name, [""])?;
            Value::Int(found(of, name, text(name, &part)?)?)
        }
        "center" | "ljust" | "rjust" => {
            let [width, fill] = args.bind(name, ["", ""])?;
            let width = width.map_or(Ok(0), |it| size(name, &it))?;
            let fill = fill.as_ref().map_or(Ok(" "), |it| text(name, it))?;
            if fill.chars().count() != 1 {
                return problem(format!("{name}: the padding is not one character"));
            }
            Value::from(pad(of, width, fill, name, work)?)
        }
        "zfill" => {
            let [width] = args.all(name, [""])?;
            let n = size(name, &width)?.saturating_sub(of.chars().count());
            work.text(n)?;
            let sign = usize::from(of.starts_with(['-', '+']));
            Value::from(format!("{}{}{}", &of[..sign], "0".repeat(n), &of[sign..]))
        }
        "expandtabs" => {
            let [size_] = args.bind(name, ["tabsize"])?;
            let size_ = size_.map_or(Ok(8), |it| size(name, &it))?;
            work.text(of.matches('\t').count().saturating_mul(size_))?;
            Value::from(expand_tabs(of, size_))
        }
        "format" => Value::from(format::braces(of, &args, work)?),
        _ => {
            let [] = args.bind(name, [])?;
            return without_arguments(of, name);
        }
    };
    Ok(found)
}

fn join(separator: &str, items: &Value, work: &Work) -> Result<Value> {
    let items = items.items(work)?;
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        let item = text("join", item)?;
        work.text(separator.len() + item.len())?;
        if i > 0 {
            out += separator;
        }
        out += item;
    }
    Ok(Value::from(out))
}

/// Tells whether a text begins (`startswith`) or ends with a part, or with one of
/// several.
fn begins_or_ends(of: &str, name: &str, parts: Value) -> Result<bool> {
    let parts = match &parts {
        Value::Tuple(it) => it.items.clone(),
        _ => vec![parts],
    };
    let mut found = false;
    for part in &parts {
        let part = text(name, part)?;
        found |= if name == "startswith" {
            of.starts_with(part)
        } else {
            of.ends_with(part)
        };
    }
    Ok(found)
}

/// Returns where a part is, from the left or the right; for `count`, how often.
fn found(of: &str, name: &str, part: &str) -> Result<i128> {
    if name == "count" {
        return Ok(of.matches(part).count() as i128);
    }
    let at = if name.starts_with('r') {
        of.rfind(part)
    } else {
        of.find(part)
    };
    match at {
        Some(at) => Ok(of[..at].chars().count() as i128),
        None if name.ends_with("find") => Ok(-1),
        None => problem("substring not found"),
    }
}

/// Calls a method on a part of the text, from one place or between two.
fn in_part(of: &str, name: &str, args: Arguments, work: &Work) -> Result<Value> {
    let [wanted, start, end] = args.bind(name, ["", "", ""])?;
    let length = of.chars().count() as i128;
    let place = |at: Option<Value>, default: i128| match at {
        None | Some(Value::None) => Ok(default),
        Some(at) => {
            let at = int(name, &at)?;
            Ok(if at < 0 {
                at.saturating_add(length).max(0)
            } else {
                at
            })
        }
    };
    let (start, end) = (place(start, 0)?, place(end, length)?.min(length));
    let args = Arguments {
        positional: wanted.into_iter().collect(),
        named: Vec::new(),
    };
    // Such a part does not even hold an empty text.
    if start > end {
        text_method("", name, args, work)?;
        return match name {
            "startswith" | "endswith" => Ok(Value::Bool(false)),
            "count" => Ok(Value::Int(0)),
            "find" | "rfind" => Ok(Value::Int(-1)),
            _ => problem("substring not found"),
        };
    }
    let byte = |at: i128| {
        let mut places = of.char_indices().map(|(i, _)| i);
        places.nth(at as usize).unwrap_or(of.len())
    };
    let found = text_method(&of[byte(start)..byte(end)], name, args, work)?;
    Ok(match found {
        Value::Int(at) if at >= 0 && name != "count" => Value::Int(at + start),
        found => found,
    })
}

fn without_arguments(of: &str, name: &str) -> Result<Value> {
    let all = |is: fn(char) -> Result<bool>| -> Result<Value> {
        for c in of.chars() {
            if !is(c)? {
                return Ok(Value::Bool(false));
            }
        }
        Ok(Value::Bool(!of.is_empty()))
    };
    match name {
        "upper" => Ok(Value::from(of.to_uppercase())),
        "lower" => Ok(Value::from(of.to_lowercase())),
        "capitalize" => Ok(Value::from(python::capitalize(of)?)),
        "title" => Ok(Value::from(python::title(of)?)),
        "swapcase" => Ok(Value::from(python::swap_case(of)?)),
        "casefold" if of.is_ascii() => Ok(Value::from(of.to_lowercase())),
        "isdigit" => all(python::is_digit),
        "isdecimal" | "isnumeric" if of.is_ascii() => all(python::is_digit),
        "isalpha" => all(python::is_letter),
        "isalnum" => all(|c| Ok(python::is_letter(c)? || python::is_digit(c)?)),
        "isspace" => all(|c| Ok(python::is_space(c))),
        "isascii" => Ok(Value::Bool(of.is_ascii())),
        "isprintable" => Ok(Value::Bool(of.chars().all(is_printable))),
        "isupper" | "islower" => Ok(Value::Bool(python::is_case(of, name == "isupper")?)),
        _ => unsupported(format!("'{name}' of this text")),
    }
}

fn texts(parts: &[&str], work: &Work) -> Result<Value> {
    work.spend(2 * parts.len())?;
    Value::list(parts.iter().map(|it| Value::from(*it)).collect())
}

/// Replaces a part of a text, at most `count` times unless that is negative.
pub(crate) fn replace(of: &str, old: &str, new: &str, count: i128, work: &Work) -> Result<String> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let n = of.matches(old).count().min(most);
    work.text(of.len() + n.saturating_mul(new.len()))?;
    Ok(of.replacen(old, new, most))
}

/// Pads a text to a width, as `center`, `ljust` or `rjust`.
pub(crate) fn pad(of: &str, width: usize, fill: &str, how: &str, work: &Work) -> Result<String> {
    let missing = width.saturating_sub(of.chars().count());
    work.text(missing.saturating_mul(fill.len()))?;
    let left = match how {
        "ljust" => 0,
        "rjust" => missing,
        // Python's own rounding.
        _ => missing / 2 + (missing & width & 1),
    };
    Ok(fill.repeat(left) + of + &fill.repeat(missing - left))
}

fn expand_tabs(of: &str, size: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for c in of.chars() {
        match c {
            '\t' if size == 0 => {}
            '\t' => {
                let n = size - column % size;
                out += &" ".repeat(n);
                column += n;
            }
            c => {
                column = if matches!(c, '\n' | '\r') {
                    0
                } else {
                    column + 1
                };
                out.push(c);
            }
        }
    }
    out
}
