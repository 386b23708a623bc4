//! Operators.

use super::fault::{Result, Work, problem, unsupported};
use super::format;
use super::syntax::{Binary, Comparison};
use super::value::order::{compare, contains, equal};
use super::value::{Text, Value};
use std::cmp::Ordering;

/// A float holds every integer below this exactly.
const EXACT: u128 = 1 << 53;

const TOO_LARGE: &str = "an integer of more than 38 digits";

pub(super) fn binary(op: Binary, a: &Value, b: &Value, work: &Work) -> Result<Value> {
    if let (Binary::Remainder, Value::Text(text)) = (op, a) {
        return format::percent(text, b, work);
    }
    if let (Value::Undefined(why), _) | (_, Value::Undefined(why)) = (a, b) {
        return problem(&**why);
    }
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return integers(op, a, b);
    }
    if let (Some(x), Some(y)) = (a.as_float(), b.as_float()) {
        return reals(op, x, y);
    }
    match (op, a, b) {
        (Binary::Add, Value::Text(a), Value::Text(b)) => add_texts(a, b, work),
        (Binary::Add, Value::List(a), Value::List(b)) => {
            work.spend(a.items.len() + b.items.len())?;
            Value::list(a.items.iter().chain(&b.items).cloned().collect())
        }
        (Binary::Add, Value::Tuple(a), Value::Tuple(b)) => {
            work.spend(a.items.len() + b.items.len())?;
            Value::tuple(a.items.iter().chain(&b.items).cloned().collect())
        }
        (Binary::Multiply, of, times) | (Binary::Multiply, times, of)
            if times.as_int().is_some()
                && matches!(of, Value::Text(_) | Value::List(_) | Value::Tuple(_)) =>
        {
            let times = times.as_int().unwrap_or(0).max(0);
            repeat(of, usize::try_from(times).unwrap_or(usize::MAX), work)
        }
        _ => problem(format!(
            "unsupported operand types: '{}' and '{}'",
            a.type_name(),
            b.type_name()
        )),
    }
}

fn add_texts(a: &Text, b: &Text, work: &Work) -> Result<Value> {
    work.text(a.text.len() + b.text.len())?;
    let mut out = String::with_capacity(a.text.len() + b.text.len());
    let safe = a.safe || b.safe;
    for it in [a, b] {
        if safe && !it.safe {
            out += &escape(&it.text, work)?;
        } else {
            out += &it.text;
        }
    }
    Ok(Value::text(out, safe))
}

fn repeat(of: &Value, times: usize, work: &Work) -> Result<Value> {
    let items = |items: &[Value]| -> Result<Vec<Value>> {
        work.spend(items.len().saturating_mul(times))?;
        Ok(items
            .iter()
            .cycle()
            .take(items.len() * times)
            .cloned()
            .collect())
    };
    match of {
        Value::Text(it) => {
            work.text(it.text.len().saturating_mul(times))?;
            Ok(Value::text(it.text.repeat(times), it.safe))
        }
        Value::List(it) => Value::list(items(&it.items)?),
        Value::Tuple(it) => Value::tuple(items(&it.items)?),
        _ => unsupported("repeating this"),
    }
}

/// HTML as Python's markupsafe writes it.
pub(super) fn escape(text: &str, work: &Work) -> Result<String> {
    work.text(5 * text.len())?;
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\'' => escaped += "&#39;",
            '"' => escaped += "&#34;",
            c => escaped.push(c),
        }
    }
    Ok(escaped)
}

fn integers(op: Binary, a: i128, b: i128) -> Result<Value> {
    let checked = match op {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Divide => {
            if b == 0 {
                return problem("division by zero");
            }
            if a.unsigned_abs() >= EXACT || b.unsigned_abs() >= EXACT {
                return unsupported("dividing integers of more than 15 digits");
            }
            return Ok(Value::Float(a as f64 / b as f64));
        }
        Binary::FloorDivide | Binary::Remainder if b == 0 => {
            return problem("division by zero");
        }
        Binary::FloorDivide => a.checked_div(b).map(|quotient| {
            let inexact = a.wrapping_rem(b) != 0;
            quotient - i128::from(inexact && (a < 0) != (b < 0))
        }),
        Binary::Remainder => {
            let rest = a.wrapping_rem(b);
            Some(if rest != 0 && (rest < 0) != (b < 0) {
                rest + b
            } else {
                rest
            })
        }
        Binary::Power if b < 0 => return reals(op, a as f64, b as f64),
        Binary::Power => match a {
            0 | 1 => Some(if b == 0 { 1 } else { a }),
            -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
            _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        },
    };
    match checked {
        Some(it) => Ok(Value::Int(it)),
        None => unsupported(TOO_LARGE),
    }
}

fn reals(op: Binary, a: f64, b: f64) -> Result<Value> {
    let result = match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide | Binary::FloorDivide | Binary::Remainder if b == 0.0 => {
            return problem("division by zero");
        }
        Binary::Divide => a / b,
        Binary::FloorDivide | Binary::Remainder => {
            let mut rest = a % b;
            let mut quotient = (a - rest) / b;
            if rest == 0.0 {
                rest = 0.0_f64.copysign(b);
            } else if (b < 0.0) != (rest < 0.0) {
                rest += b;
                quotient -= 1.0;
            }
            if op == Binary::Remainder {
                rest
            } else if quotient == 0.0 {
                0.0_f64.copysign(a / b)
            } else {
                let floor = quotient.floor();
                if quotient - floor > 0.5 {
                    floor + 1.0
                } else {
                    floor
                }
            }
        }
        Binary::Power if a == 0.0 && b < 0.0 => {
            return problem("0.0 cannot be raised to a negative power");
        }
        Binary::Power if a < 0.0 && a.is_finite() && b.is_finite() && b.fract() != 0.0 => {
            return unsupported("a complex number");
        }
        Binary::Power => {
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() {
                return problem("the result of '**' is too large");
            }
            power
        }
    };
    Ok(Value::Float(result))
}

pub(super) fn negative(of: &Value) -> Result<Value> {
    match of {
        Value::Undefined(why) => problem(&**why),
        Value::Float(it) => Ok(Value::Float(-it)),
        _ => match of.as_int() {
            Some(it) => match it.checked_neg() {
                Some(it) => Ok(Value::Int(it)),
                None => unsupported(TOO_LARGE),
            },
            None => problem(format!(
                "bad operand type for unary -: '{}'",
                of.type_name()
            )),
        },
    }
}

pub(super) fn positive(of: &Value) -> Result<Value> {
    match of {
        Value::Float(_) => Ok(of.clone()),
        _ => negative(of).and_then(|it| negative(&it)),
    }
}

pub(super) fn compares(op: Comparison, a: &Value, b: &Value, work: &Work) -> Result<bool> {
    let order = match op {
        Comparison::Equal => return equal(a, b, work),
        Comparison::Unequal => return Ok(!equal(a, b, work)?),
        Comparison::In => return contains(b, a, work),
        Comparison::NotIn => return Ok(!contains(b, a, work)?),
        _ => compare(a, b, work)?,
    };
    Ok(match op {
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}
