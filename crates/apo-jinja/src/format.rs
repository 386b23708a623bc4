//! Texts with places for values: `'{}'.format(…)` and `'%s' % …`.

use super::arguments::Arguments;
use super::fault::{Result, Work, problem, unsupported};
use super::print::{float, to_text, write_repr};
use super::python::parse_int;
use super::holders::Dict;
use super::value::{Text, Value};

/// How a value is to be written in its place.
struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn plain() -> Self {
        Self {
            fill: ' ',
            align: None,
            sign: '-',
            alternate: false,
            width: 0,
            grouping: None,
            precision: None,
            kind: None,
        }
    }

    /// Reads `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
    fn parse(text: &str) -> Result<Self> {
        let mut spec = Self::plain();
        let chars: Vec<char> = text.chars().collect();
        let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
        let mut at = 0;
        if chars.get(1).is_some_and(is_align) {
            (spec.fill, spec.align, at) = (chars[0], Some(chars[1]), 2);
        } else if chars.first().is_some_and(is_align) {
            (spec.align, at) = (Some(chars[0]), 1);
        }
        let mut take = |wanted: &[char]| {
            let found = chars.get(at).copied().filter(|c| wanted.contains(c));
            at += usize::from(found.is_some());
            found
        };
        if let Some(sign) = take(&['+', '-', ' ']) {
            spec.sign = sign;
        }
        spec.alternate = take(&['#']).is_some();
        if take(&['0']).is_some() && spec.align.is_none() {
            (spec.fill, spec.align) = ('0', Some('='));
        }
        let number = |at: &mut usize| {
            let digits = chars[*at..].iter().take_while(|c| c.is_ascii_digit());
            let digits: String = digits.collect();
            *at += digits.len();
            (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX))
        };
        spec.width = number(&mut at).unwrap_or(0);
        if let Some(c @ (',' | '_')) = chars.get(at) {
            (spec.grouping, at) = (Some(*c), at + 1);
        }
        if chars.get(at) == Some(&'.') {
            at += 1;
            spec.precision = number(&mut at);
            if spec.precision.is_none() {
                return problem("format: the precision is missing");
            }
        }
        spec.kind = chars.get(at).copied();
        if chars.len() > at + 1 {
            return problem(format!("format: {text:?} is no way to write a value"));
        }
        Ok(spec)
    }

    /// Pads a text to the width; `sign` is how many of its first characters
    /// stay before a padding of `=`.
    fn pad(&self, text: String, default: char, sign: usize, work: &Work) -> Result<String> {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return Ok(text);
        }
        work.text(missing.saturating_mul(self.fill.len_utf8()))?;
        let fill = |n: usize| self.fill.to_string().repeat(n);
        Ok(match self.align.unwrap_or(default) {
            '<' => text + &fill(missing),
            '^' => fill(missing / 2) + &text + &fill(missing - missing / 2),
            '=' => format!("{}{}{}", &text[..sign], fill(missing), &text[sign..]),
            _ => fill(missing) + &text,
        })
    }
}

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
                return problem("format: a str cannot be written so");
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
        Value::Bool(_) => unsupported("a truth value in a format of its own"),
        Value::Float(it) => format_float(*it, &spec, work),
        _ => problem(format!("format: a {} takes no format", value.type_name())),
    }
}

fn grouped(digits: &str, every: usize, with: char) -> String {
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(every) {
            out.push(with);
        }
        out.push(c);
    }
    out
}

fn format_int(it: i128, spec: &Spec, work: &Work) -> Result<String> {
    let n = it.unsigned_abs();
    let (prefix, mut digits, every) = match spec.kind {
        Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => {
            return format_float(it as f64, spec, work);
        }
        _ if spec.precision.is_some() => {
            return problem("format: a precision is not allowed for an int");
        }
        None | Some('d') => ("", n.to_string(), 3),
        Some('x') => ("0x", format!("{n:x}"), 4),
        Some('X') => ("0X", format!("{n:X}"), 4),
        Some('o') => ("0o", format!("{n:o}"), 4),
        Some('b') => ("0b", format!("{n:b}"), 4),
        Some(kind) => return unsupported(format!("an int in the format '{kind}'")),
    };
    if let Some(with) = spec.grouping {
        if spec.fill == '0' && spec.align == Some('=') {
            return unsupported("zeros before digits in groups");
        }
        digits = grouped(&digits, every, with);
    }
    let mut text = sign(it < 0, spec.sign);
    if spec.alternate {
        text += prefix;
    }
    let before = text.len();
    spec.pad(text + &digits, '>', before, work)
}

fn sign(is_negative: bool, wanted: char) -> String {
    match (is_negative, wanted) {
        (true, _) => "-".to_owned(),
        (false, '-') => String::new(),
        (false, sign) => sign.to_string(),
    }
}

fn format_float(it: f64, spec: &Spec, work: &Work) -> Result<String> {
    if spec.alternate {
        return unsupported("'#' in the format of a float");
    }
    let digits = if it.is_finite() {
        let text = match spec.kind {
            None if spec.precision.is_none() => float(it.abs()),
            None => return unsupported("a precision without a type in a format"),
            Some('%') => {
                let precision = precision(spec, work)?;
                format!("{:.precision$}%", it.abs() * 100.0)
            }
            Some(kind) => digits_of(it.abs(), kind, precision(spec, work)?)?,
        };
        match spec.grouping {
            None => text,
            Some(_) if spec.fill == '0' && spec.align == Some('=') => {
                return unsupported("zeros before digits in groups");
            }
            Some(with) => {
                let end = text
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(text.len());
                grouped(&text[..end], 3, with) + &text[end..]
            }
        }
    } else {
        let text = if it.is_nan() { "nan" } else { "inf" };
        match spec.kind {
            Some('E' | 'F' | 'G') => text.to_uppercase(),
            Some('%') => format!("{text}%"),
            _ => text.to_owned(),
        }
    };
    let text = sign(it.is_sign_negative() && !it.is_nan(), spec.sign);
    let before = text.len();
    spec.pad(text + &digits, '>', before, work)
}

/// Returns the digits behind the point that are asked for, 6 by default.
fn precision(spec: &Spec, work: &Work) -> Result<usize> {
    /// All digits of any real number, and more.
    const MOST: usize = 1100;
    let precision = spec.precision.unwrap_or(6);
    work.text(precision)?;
    if precision > MOST {
        return unsupported(format!("a precision of more than {MOST} digits"));
    }
    Ok(precision)
}

/// A number of at least nothing in one of C's formats.
fn digits_of(it: f64, kind: char, precision: usize) -> Result<String> {
    let exponential = |precision: usize| {
        let text = format!("{it:.precision$e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        (digits.to_owned(), exponent)
    };
    let with_exponent = |digits: &str, exponent: i32| {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    };
    let text = match kind.to_ascii_lowercase() {
        'f' => format!("{it:.precision$}"),
        'e' => {
            let (digits, exponent) = exponential(precision);
            with_exponent(&digits, exponent)
        }
        'g' => {
            let precision = precision.max(1);
            let (digits, exponent) = exponential(precision - 1);
            let shorter = |text: &str| {
                if text.contains('.') {
                    text.trim_end_matches('0').trim_end_matches('.').to_owned()
                } else {
                    text.to_owned()
                }
            };
            if exponent < -4 || exponent >= precision as i32 {
                with_exponent(&shorter(&digits), exponent)
            } else {
                let behind = (precision as i32 - 1 - exponent) as usize;
                shorter(&format!("{it:.behind$}"))
            }
        }
        _ => return problem(format!("format: unknown format '{kind}' for a float")),
    };
    Ok(if kind.is_ascii_uppercase() {
        text.to_uppercase()
    } else {
        text
    })
}

/// `text.format(…)`.
pub(super) fn braces(text: &str, args: &Arguments, work: &Work) -> Result<String> {
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
        let found = if name.is_empty() || name.bytes().all(|it| it.is_ascii_digit()) {
            let place = if name.is_empty() {
                let place = next;
                next = next.map(|it| it + 1);
                place
            } else {
                // Places count by themselves or have numbers, not both.
                if next.is_some_and(|it| it > 0) {
                    return problem("format: cannot switch from automatic to numbered places");
                }
                next = None;
                name.parse().ok()
            };
            let Some(place) = place else {
                return problem("format: cannot switch from numbered to automatic places");
            };
            args.positional.get(place)
        } else {
            let named = args.named.iter().find(|(it, _)| it == name);
            named.map(|(_, value)| value)
        };
        let Some(value) = found else {
            return problem(format!("format: there is no value for '{{{name}}}'"));
        };
        let converted;
        let value = match conversion {
            "" => value,
            "s" => {
                converted = Value::from(to_text(value, work)?);
                &converted
            }
            "r" => {
                let mut text = String::new();
                write_repr(&mut text, value, work)?;
                converted = Value::from(text);
                &converted
            }
            _ => return unsupported(format!("the conversion '!{conversion}'")),
        };
        out += &format_value(value, spec, work)?;
    }
    Ok(out + rest)
}

/// `text % values`.
pub(super) fn percent(text: &Text, values: &Value, work: &Work) -> Result<Value> {
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
                    None => problem("'%': '*' wants an int"),
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
            (Some(_), None) => return problem("'%': names want a dict"),
            (None, _) => next()?,
        };
        out += &percent_value(&value, kind, &mut spec, flags.contains('0') && !left, work)?;
    }
    out += rest;
    // To Python a list or a range is a mapping here, of which nothing need be used.
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
            "'%{kind}' wants a number, found a {}",
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
                    return unsupported("so large a float in '%d'");
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
