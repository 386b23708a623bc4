//! `text % values`.

use super::super::fault::{Result, Work, problem, unsupported};
use super::super::holders::Dict;
use super::super::print::{to_text, write_repr};
use super::super::python::parse_int;
use super::super::value::{Text, Value};
use super::{Spec, format_float, format_int};

/// `text % values`.
pub(crate) fn percent(text: &Text, values: &Value, work: &Work) -> Result<Value> {
    if text.safe {
        return unsupported("'%' on a text that is marked as safe");
    }
    let is_list = matches!(values, Value::List(_) | Value::Range(_));
    let (values, names): (Vec<Value>, Option<&Dict>) = match values {
        Value::Tuple(it) => (it.items.clone(), None),
        Value::Dict(it) => (vec![values.clone()], Some(it)),
        Value::Undefined(_) => {
            return unsupported(format!("'%' with a {}", values.type_name()));
        }
        it => (vec![it.clone()], None),
    };
    work.text(text.text.len())?;
    let (mut out, mut rest, mut used) = (String::new(), &*text.text, 0);
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        rest = after;
        let mut key = None;
        if let Some(named) = rest.strip_prefix('(') {
            let Some((name, after)) = named.split_once(')').filter(|(it, _)| !it.contains('('))
            else {
                return problem("'%': the end of a name is missing");
            };
            (key, rest) = (Some(name), after);
        }
        let mut next = || match values.get(used) {
            Some(value) if names.is_none() || key.is_none() => {
                used += 1;
                Ok(value.clone())
            }
            _ => problem("'%': not enough values for the text"),
        };
        let mut spec = Spec::plain();
        let flags = rest.len() - rest.trim_start_matches(['-', '+', ' ', '#', '0']).len();
        let (flags, after) = rest.split_at(flags);
        rest = after;
        let mut number = |rest: &mut &str| -> Result<Option<i128>> {
            if let Some(after) = rest.strip_prefix('*') {
                *rest = after;
                return match next()?.as_int() {
                    Some(it) => Ok(Some(it)),
                    None => problem("'%': '*' needs an int"),
                };
            }
            let len = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, after) = rest.split_at(len);
            *rest = after;
            if len == 0 {
                Ok(None)
            } else {
                parse_int(digits, 10)
            }
        };
        let width = number(&mut rest)?.unwrap_or(0);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            let precision = number(&mut rest)?.unwrap_or(0).max(0);
            spec.precision = Some(usize::try_from(precision).unwrap_or(usize::MAX));
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let Some(kind) = rest.chars().next() else {
            return problem("'%': the text ends in a place");
        };
        rest = &rest[kind.len_utf8()..];
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        let left = flags.contains('-') || width < 0;
        spec.align = Some(if left { '<' } else { '>' });
        for flag in ['+', ' '] {
            if spec.sign == '-' && flags.contains(flag) {
                spec.sign = flag;
            }
        }
        spec.alternate = flags.contains('#');
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match (key, names) {
            (Some(key), Some(names)) => match names.get_text(key) {
                Some(value) => value.clone(),
                None => return problem(format!("'%': there is no value for '{key}'")),
            },
            (Some(_), None) => return problem("'%': names need a dict"),
            (None, _) => next()?,
        };
        out += &percent_value(&value, kind, &mut spec, flags.contains('0') && !left, work)?;
    }
    out += rest;
    // Here Python takes a list or a range for a mapping, which need not be
    // used.
    if used < values.len() && names.is_none() && !is_list {
        return problem("'%': not all values are used by the text");
    }
    Ok(Value::from(out))
}

fn percent_value(
    value: &Value,
    kind: char,
    spec: &mut Spec,
    zeros: bool,
    work: &Work,
) -> Result<String> {
    let wrong = || {
        problem(format!(
            "'%{kind}' needs a number, found a {}",
            value.type_name()
        ))
    };
    match kind {
        's' | 'r' => {
            if matches!(value, Value::Text(it) if it.safe) {
                return unsupported("formatting a text that is marked as safe");
            }
            let mut text = String::new();
            if kind == 's' {
                text = to_text(value, work)?;
            } else {
                write_repr(&mut text, value, work)?;
            }
            if let Some(most) = spec.precision {
                text = text.chars().take(most).collect();
            }
            spec.pad(text, '>', 0, work)
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            if spec.precision.is_some() {
                return unsupported("a precision of an int in '%'");
            }
            let int = match (value, kind) {
                (Value::Float(it), 'd' | 'i' | 'u') if it.abs() < 1e38 => *it as i128,
                (Value::Float(_), 'd' | 'i' | 'u') => {
                    return unsupported("such a large float in '%d'");
                }
                _ => match value.as_int() {
                    Some(it) => it,
                    None => return wrong(),
                },
            };
            spec.kind = Some(if matches!(kind, 'i' | 'u') { 'd' } else { kind });
            if zeros {
                (spec.fill, spec.align) = ('0', Some('='));
            }
            format_int(int, spec, work)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let Some(float) = value.as_float() else {
                return wrong();
            };
            spec.kind = Some(kind);
            if zeros {
                (spec.fill, spec.align) = ('0', Some('='));
            }
            format_float(float, spec, work)
        }
        _ => unsupported(format!("'%{kind}'")),
    }
}
