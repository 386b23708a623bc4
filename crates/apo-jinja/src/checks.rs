//! Jinja's tests, such as `x is defined`.

use super::arguments::Arguments;
use super::fault::{Result, Work, problem, unsupported};
use super::names;
use super::operators::{binary, compares};
use super::print::to_text;
use super::python;
use super::syntax::{Binary, Comparison};
use super::value::Value;
use super::value::order::equal;
use std::rc::Rc;

/// Whether a test holds of a value.
pub(super) fn check(name: &str, value: &Value, args: &Arguments, work: &Work) -> Result<bool> {
    work.spend(1)?;
    let comparison = match name {
        "eq" | "==" | "equalto" => Some(Comparison::Equal),
        "ne" | "!=" => Some(Comparison::Unequal),
        "lt" | "<" | "lessthan" => Some(Comparison::Less),
        "le" | "<=" => Some(Comparison::LessOrEqual),
        "gt" | ">" | "greaterthan" => Some(Comparison::Greater),
        "ge" | ">=" => Some(Comparison::GreaterOrEqual),
        "in" => Some(Comparison::In),
        _ => None,
    };
    let takes_one = comparison.is_some() || matches!(name, "divisibleby" | "sameas");
    let expected = usize::from(takes_one);
    if !args.named.is_empty() || args.positional.len() != expected {
        if names::TESTS.contains(&name) {
            return problem(format!("the test '{name}' takes {expected} arguments"));
        }
        return problem(format!("no test named '{name}'"));
    }
    if let (Some(op), [other]) = (comparison, &args.positional[..]) {
        return compares(op, value, other, work);
    }
    let remainder = |by: &Value, wanted: i128| {
        let rest = binary(Binary::Remainder, value, by, work)?;
        equal(&rest, &Value::Int(wanted), work)
    };
    let is = match name {
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "none" => matches!(value, Value::None),
        "string" => matches!(value, Value::Text(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => value.as_float().is_some(),
        "iterable" => value.is_iterable(),
        "sequence" => value.len().is_some() && !matches!(value, Value::View(..) | Value::Loop(_)),
        "callable" => matches!(
            value,
            Value::Undefined(_)
                | Value::Method(_)
                | Value::Function(_)
                | Value::Macro(_)
                | Value::Loop(_)
                | Value::Joiner(_)
        ),
        "escaped" => matches!(value, Value::Text(it) if it.safe),
        "odd" => return remainder(&Value::Int(2), 1),
        "even" => return remainder(&Value::Int(2), 0),
        "divisibleby" => return remainder(&args.positional[0], 0),
        "sameas" => return is_same(value, &args.positional[0]),
        "lower" | "upper" => {
            return python::is_case(&to_text(value, work)?, name == "upper");
        }
        "filter" | "test" => {
            value.check_hashable()?;
            let known: &[&str] = if name == "filter" {
                &names::FILTERS
            } else {
                &names::TESTS
            };
            value.as_text().is_some_and(|it| known.contains(&it))
        }
        _ => return problem(format!("no test named '{name}'")),
    };
    Ok(is)
}

/// Whether two values are one object, as far as Python guarantees it.
fn is_same(a: &Value, b: &Value) -> Result<bool> {
    Ok(match (a, b) {
        (Value::None, Value::None) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::List(a), Value::List(b)) => Rc::ptr_eq(a, b),
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
        (Value::Namespace(a), Value::Namespace(b)) => Rc::ptr_eq(a, b),
        (Value::Macro(a), Value::Macro(b)) => Rc::ptr_eq(a, b),
        // Python keeps one of each small integer.
        (Value::Int(a), Value::Int(b)) if a != b || (-5..=256).contains(a) => a == b,
        _ if std::mem::discriminant(a) != std::mem::discriminant(b) => false,
        _ => return unsupported(format!("'sameas' of a {}", a.type_name())),
    })
}
