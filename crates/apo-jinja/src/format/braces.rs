//! `text.format(…)`.

use std::borrow::Cow;

use super::super::arguments::Arguments;
use super::super::fault::{Result, Work, problem, unsupported};
use super::super::print::{to_text, write_repr};
use super::super::value::Value;
use super::numbers::{format_float, format_int};
use super::spec::Spec;

/// Formats a value as `format(value, spec)` does.
fn format_value(value: &Value, spec: &str, work: &Work) -> Result<String> {
    if spec.is_empty() {
        return to_text(value, work);
    }
    let spec = Spec::parse(spec)?;
    match value {
        Value::Text(it) => {
            if it.safe {
                return unsupported("formatting a text that is marked as safe");
            }
            if spec.align == Some('=') && spec.fill != '0'
                || spec.sign != '-'
                || spec.alternate
                || spec.grouping.is_some()
                || !matches!(spec.kind, None | Some('s'))
            {
                return problem("format: a str cannot be written in this format");
            }
            if spec.align == Some('=') {
                return unsupported("a str padded with zeros by format");
            }
            work.text(it.text.len())?;
            let most = spec.precision.unwrap_or(usize::MAX);
            spec.pad(it.text.chars().take(most).collect(), '<', 0, work)
        }
        Value::Int(it) => format_int(*it, &spec, work),
        Value::Bool(it) if spec.kind.is_some() => format_int(i128::from(*it), &spec, work),
        Value::Bool(_) => unsupported("a truth value with a format"),
        Value::Float(it) => format_float(*it, &spec, work),
        _ => problem(format!("format: a {} takes no format", value.type_name())),
    }
}

/// `text.format(…)`.
pub(crate) fn braces(text: &str, args: &Arguments, work: &Work) -> Result<String> {
    work.text(text.len())?;
    let mut out = String::new();
    let mut rest = text;
    let mut next = Some(0);
    while let Some(at) = rest.find(['{', '}']) {
        out += &rest[..at];
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if rest.starts_with(brace) {
            out += brace;
            rest = &rest[1..];
            continue;
        }
        if brace == "}" {
            return problem("format: a single '}'");
        }
        let Some(end) = rest.find(['{', '}']) else {
            return problem("format: a '{' without its '}'");
        };
        if rest[end..].starts_with('{') {
            return unsupported("a place in the format of a place");
        }
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = field.split_once('!').unwrap_or((field, ""));
        if name.contains(['.', '[']) {
            return unsupported("an attribute or an item in a format");
        }
        let Some(value) = found(name, args, &mut next)? else {
            return problem(format!("format: there is no value for '{{{name}}}'"));
        };
        let value = converted(value, conversion, work)?;
        out += &format_value(&value, spec, work)?;
    }
    Ok(out + rest)
}

/// Returns the argument of a place: the one of its name, of its number, or the next.
/// `next` is the number of the next one; `None` once the text numbers its places.
fn found<'a>(
    name: &str,
    args: &'a Arguments,
    next: &mut Option<usize>,
) -> Result<Option<&'a Value>> {
    if !name.bytes().all(|it| it.is_ascii_digit()) {
        let named = args.named.iter().find(|(it, _)| it == name);
        return Ok(named.map(|(_, value)| value));
    }
    let place = if name.is_empty() {
        let place = *next;
        *next = next.map(|it| it + 1);
        place
    } else {
        // Places are numbered either automatically or by the text, not both.
        if next.is_some_and(|it| it > 0) {
            return problem("format: cannot switch from automatic to numbered places");
        }
        *next = None;
        name.parse().ok()
    };
    match place {
        Some(place) => Ok(args.positional.get(place)),
        None => problem("format: cannot switch from numbered to automatic places"),
    }
}

/// Applies the conversion after `!` to a value.
fn converted<'a>(value: &'a Value, conversion: &str, work: &Work) -> Result<Cow<'a, Value>> {
    match conversion {
        "" => Ok(Cow::Borrowed(value)),
        "s" => Ok(Cow::Owned(Value::from(to_text(value, work)?))),
        "r" => {
            let mut text = String::new();
            write_repr(&mut text, value, work)?;
            Ok(Cow::Owned(Value::from(text)))
        }
        _ => unsupported(format!("the conversion '!{conversion}'")),
    }
}
