//! `text % values`.

use super::super::fault::{Result, Work, problem, unsupported};
use super::super::print::{to_text, write_repr};
use super::super::python::parse_int;
use super::super::value::holders::Dict;
use super::super::value::{Text, Value};
use super::numbers::{format_float, format_int};
use super::spec::Spec;

/// The values that the places of a text take.
struct Values<'a> {
    list: Vec<Value>,
    /// Set if places may name them.
    names: Option<&'a Dict>,
    /// Number of values that are taken.
    used: usize,
}

/// A place of a text: what is between `%` and its kind, and the kind.
struct Place<'a> {
    key: Option<&'a str>,
    flags: &'a str,
    /// Below zero for a value on the left.
    width: i128,
    precision: Option<usize>,
    kind: char,
}

/// `text % values`.
pub(crate) fn percent(text: &Text, values: &Value, work: &Work) -> Result<Value> {
    if text.safe {
        return unsupported("'%' on a text that is marked as safe");
    }
    // Python takes a list or a range for a mapping here, and a mapping need not be used.
    let may_be_unused = matches!(values, Value::List(_) | Value::Range(_) | Value::Dict(_));
    let mut values = Values::of(values)?;
    work.text(text.text.len())?;
    let (mut out, mut rest) = (String::new(), &*text.text);
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        rest = after;
        let place = Place::read(&mut rest, &mut values)?;
        if place.kind == '%' {
            out.push('%');
            continue;
        }
        let value = values.at(&place)?;
        out += &percent_value(&value, &place, work)?;
    }
    out += rest;
    if values.used < values.list.len() && !may_be_unused {
        return problem("'%': not all values are used by the text");
    }
    Ok(Value::from(out))
}

impl<'a> Values<'a> {
    fn of(values: &'a Value) -> Result<Self> {
        let (list, names) = match values {
            Value::Tuple(it) => (it.items.clone(), None),
            Value::Dict(it) => (vec![values.clone()], Some(&**it)),
            Value::Undefined(_) => {
                return unsupported(format!("'%' with a {}", values.type_name()));
            }
            it => (vec![it.clone()], None),
        };
        Ok(Self {
            list,
            names,
            used: 0,
        })
    }

    /// Takes the next value; `key` is the name at the place, which takes none from a
    /// dict.
    fn next(&mut self, key: Option<&str>) -> Result<Value> {
        match self.list.get(self.used) {
            Some(value) if self.names.is_none() || key.is_none() => {
                self.used += 1;
                Ok(value.clone())
            }
            _ => problem("'%': not enough values for the text"),
        }
    }

    /// Returns the value of a place, by its name or the next one.
    fn at(&mut self, place: &Place) -> Result<Value> {
        match (place.key, self.names) {
            (Some(key), Some(names)) => match names.get_text(key) {
                Some(value) => Ok(value.clone()),
                None => problem(format!("'%': there is no value for '{key}'")),
            },
            (Some(_), None) => problem("'%': names need a dict"),
            (None, _) => self.next(None),
        }
    }

    /// Reads a width or precision: digits, or `*` for the next value.
    fn number(&mut self, rest: &mut &str, key: Option<&str>) -> Result<Option<i128>> {
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            return match self.next(key)?.as_int() {
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
    }
}

impl<'a> Place<'a> {
    /// Reads what follows a `%`, and leaves the rest of the text.
    fn read(rest: &mut &'a str, values: &mut Values) -> Result<Self> {
        let mut key = None;
        if let Some(named) = rest.strip_prefix('(') {
            let Some((name, after)) = named.split_once(')').filter(|(it, _)| !it.contains('('))
            else {
                return problem("'%': the end of a name is missing");
            };
            (key, *rest) = (Some(name), after);
        }
        let flags = rest.len() - rest.trim_start_matches(['-', '+', ' ', '#', '0']).len();
        let (flags, after) = rest.split_at(flags);
        *rest = after;
        let width = values.number(rest, key)?.unwrap_or(0);
        let mut precision = None;
        if let Some(after) = rest.strip_prefix('.') {
            *rest = after;
            let found = values.number(rest, key)?.unwrap_or(0).max(0);
            precision = Some(usize::try_from(found).unwrap_or(usize::MAX));
        }
        *rest = rest.trim_start_matches(['h', 'l', 'L']);
        let Some(kind) = rest.chars().next() else {
            return problem("'%': the text ends in a place");
        };
        *rest = &rest[kind.len_utf8()..];
        Ok(Self {
            key,
            flags,
            width,
            precision,
            kind,
        })
    }

    fn is_left(&self) -> bool {
        self.flags.contains('-') || self.width < 0
    }

    /// Whether numbers are filled up with zeros.
    fn has_zeros(&self) -> bool {
        self.flags.contains('0') && !self.is_left()
    }

    fn spec(&self) -> Spec {
        let mut spec = Spec::unset();
        spec.width = usize::try_from(self.width.unsigned_abs()).unwrap_or(usize::MAX);
        spec.precision = self.precision;
        spec.align = Some(if self.is_left() { '<' } else { '>' });
        for flag in ['+', ' '] {
            if spec.sign == '-' && self.flags.contains(flag) {
                spec.sign = flag;
            }
        }
        spec.alternate = self.flags.contains('#');
        spec
    }
}

fn percent_value(value: &Value, place: &Place, work: &Work) -> Result<String> {
    let (kind, mut spec) = (place.kind, place.spec());
    let is_number = !matches!(kind, 's' | 'r');
    if is_number && place.has_zeros() {
        (spec.fill, spec.align) = ('0', Some('='));
    }
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
            format_int(int, &spec, work)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let Some(float) = value.as_float() else {
                return wrong();
            };
            spec.kind = Some(kind);
            format_float(float, &spec, work)
        }
        _ => unsupported(format!("'%{kind}'")),
    }
}
