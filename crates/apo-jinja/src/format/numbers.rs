//! Numbers in a format.

use super::super::fault::{Result, Work, problem, unsupported};
use super::super::print::float;
use super::spec::Spec;

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

pub(super) fn format_int(it: i128, spec: &Spec, work: &Work) -> Result<String> {
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

pub(super) fn format_float(it: f64, spec: &Spec, work: &Work) -> Result<String> {
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

/// Returns how many digits after the point are asked for, 6 by default.
fn precision(spec: &Spec, work: &Work) -> Result<usize> {
    /// More than any float has.
    const MOST: usize = 1100;
    let precision = spec.precision.unwrap_or(6);
    work.text(precision)?;
    if precision > MOST {
        return unsupported(format!("a precision of more than {MOST} digits"));
    }
    Ok(precision)
}

/// Writes a number that is not negative in one of C's formats.
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
