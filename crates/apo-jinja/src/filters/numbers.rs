//! Filters of numbers.

use super::super::arguments::{Arguments, int, text};
use super::super::fault::{Result, problem, unsupported};
use super::super::python;
use super::super::value::Value;

/// Applies `abs`, `round`, `int` or `float`.
pub(super) fn number(name: &str, value: Value, args: Arguments) -> Result<Value> {
    if let Value::Undefined(why) = &value {
        return problem(&**why);
    }
    match name {
        "abs" => {
            let [] = args.bind(name, [])?;
            match value {
                Value::Float(it) => Ok(Value::Float(it.abs())),
                _ => Ok(Value::Int(int(name, &value)?.abs())),
            }
        }
        "round" => {
            let [precision, method] = args.bind(name, ["precision", "method"])?;
            let precision = precision.map_or(Ok(0), |it| int(name, &it))?;
            let method = method.as_ref().map_or(Ok("common"), |it| text(name, it))?;
            round(&value, precision, method)
        }
        "int" => {
            let [default, base] = args.bind(name, ["default", "base"])?;
            let base = base.map_or(Ok(10), |it| int(name, &it))?;
            to_int(&value, default.unwrap_or(Value::Int(0)), base)
        }
        _ => {
            let [default] = args.bind(name, ["default"])?;
            let default = default.unwrap_or(Value::Float(0.0));
            let found = match &value {
                Value::Text(it) => python::parse_float(&it.text)?,
                it => it.as_float(),
            };
            Ok(found.map_or(default, Value::Float))
        }
    }
}

fn round(value: &Value, precision: i128, method: &str) -> Result<Value> {
    let places = usize::try_from(precision).ok().filter(|it| *it <= 300);
    let Some(places) = places else {
        return unsupported("rounding to fewer than 0 or more than 300 places");
    };
    let power = 10_f64.powi(i32::try_from(places).unwrap_or(0));
    let rounded = match (method, value) {
        ("common", Value::Float(it)) if it.is_finite() => {
            format!("{it:.places$}").parse().unwrap_or(*it)
        }
        ("common", Value::Float(it)) => *it,
        ("common", _) => return Ok(Value::Int(int("round", value)?)),
        ("ceil" | "floor", _) => {
            let Some(it) = value.as_float().filter(|it| it.is_finite()) else {
                return problem("round: not a number");
            };
            if places > 15 || it.abs() > 1e15 {
                return unsupported("rounding such a large number up or down");
            }
            let scaled = it * power;
            let whole = if method == "ceil" {
                scaled.ceil()
            } else {
                scaled.floor()
            };
            // Python's integers have no negative zero.
            (whole + 0.0) / power
        }
        _ => return problem("round: the method must be common, ceil or floor"),
    };
    Ok(Value::Float(rounded))
}

/// Applies `int`; `default` stands for what is not a number.
fn to_int(value: &Value, default: Value, base: i128) -> Result<Value> {
    let whole = |it: f64| {
        if it.abs() < 1e37 {
            Ok(Value::Int(it as i128))
        } else {
            unsupported("an integer of more than 38 digits")
        }
    };
    match value {
        Value::Text(it) => {
            let base = u32::try_from(base).ok();
            let Some(base) = base.filter(|it| *it == 0 || (2..=36).contains(it)) else {
                return unsupported("this base of an integer");
            };
            if let Some(found) = python::parse_int(&it.text, base)? {
                return Ok(Value::Int(found));
            }
            match python::parse_float(&it.text)? {
                Some(it) if it.is_finite() => whole(it),
                _ => Ok(default),
            }
        }
        Value::Float(it) if it.is_nan() => Ok(default),
        Value::Float(it) if it.is_infinite() => {
            problem("int: cannot convert float infinity to integer")
        }
        Value::Float(it) => whole(*it),
        _ => Ok(value.as_int().map_or(default, Value::Int)),
    }
}
