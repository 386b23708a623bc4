//! Comparisons: `==`, `<`, `in`, and sorting.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use super::super::fault::{Result, Work, problem, unsupported};
use super::{Value, View};

/// Whether both values are numbers.
fn are_numbers(a: &Value, b: &Value) -> bool {
    a.as_float().is_some() && b.as_float().is_some()
}

/// Compares numbers as Python does, integers and floats by their exact values;
/// returns `None` if one is not a number.
fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    /// From here on, a float may be equal to several integers when they are
    /// rounded.
    const EXACT: u128 = 1 << 53;
    let mixed = |int: i128, real: f64| {
        if int.unsigned_abs() < EXACT || !real.is_finite() {
            (int as f64).partial_cmp(&real)
        } else {
            // Such a large float is whole, or is far from the integer.
            Some(int.cmp(&(real as i128)))
        }
    };
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Float(a), b) => mixed(b.as_int()?, *a).map(Ordering::reverse),
        (a, Value::Float(b)) => mixed(a.as_int()?, *b),
        (a, b) => Some(a.as_int()?.cmp(&b.as_int()?)),
    }
}

/// Whether two values are equal.
pub(crate) fn equal(a: &Value, b: &Value, work: &Work) -> Result<bool> {
    work.spend(1)?;
    if are_numbers(a, b) {
        return Ok(compare_numbers(a, b) == Some(Ordering::Equal));
    }
    match (a, b) {
        (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => Ok(true),
        (Value::Text(a), Value::Text(b)) => {
            if a.text.len() == b.text.len() && !Arc::ptr_eq(&a.text, &b.text) {
                work.text(a.text.len())?;
            }
            Ok(Arc::ptr_eq(&a.text, &b.text) || a.text == b.text)
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.items.len() != b.items.len() {
                return Ok(false);
            }
            for (a, b) in a.items.iter().zip(&b.items) {
                if !equal(a, b, work)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Dict(a), Value::Dict(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.entries.len() != b.entries.len() {
                return Ok(false);
            }
            for (key, value) in &a.entries {
                match b.get(key, work)? {
                    Some(other) if equal(value, other, work)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Range(a), Value::Range(b)) => Ok(a.len() == b.len()
            && (a.len() == 0 || a.start == b.start && (a.len() == 1 || a.step == b.step))),
        (Value::Namespace(a), Value::Namespace(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::Iterator(a), Value::Iterator(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::View(View::Keys, a), Value::View(View::Keys, b)) => {
            if a.entries.len() != b.entries.len() {
                return Ok(false);
            }
            for (key, _) in &a.entries {
                if b.get(key, work)?.is_none() {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::View(..), Value::View(..)) => unsupported("comparing views of dicts"),
        (Value::Macro(a), Value::Macro(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::Function(a), Value::Function(b)) => Ok(a == b),
        (Value::Loop(a), Value::Loop(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::Cycler(a), Value::Cycler(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::Joiner(a), Value::Joiner(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::Method(_), Value::Method(_)) => {
            unsupported(format!("comparing a {}", a.type_name()))
        }
        _ => Ok(false),
    }
}

/// Compares two values by `<`; returns `None` if neither is less or equal
/// (NaN).
pub(crate) fn compare(a: &Value, b: &Value, work: &Work) -> Result<Option<Ordering>> {
    work.spend(1)?;
    if are_numbers(a, b) {
        return Ok(compare_numbers(a, b));
    }
    match (a, b) {
        (Value::Undefined(why), _) | (_, Value::Undefined(why)) => problem(&**why),
        (Value::Text(a), Value::Text(b)) => {
            work.text(a.text.len().min(b.text.len()))?;
            Ok(Some(a.text.cmp(&b.text)))
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            for (a, b) in a.items.iter().zip(&b.items) {
                if !equal(a, b, work)? {
                    return compare(a, b, work);
                }
            }
            Ok(Some(a.items.len().cmp(&b.items.len())))
        }
        (Value::View(..), Value::View(..)) => unsupported("comparing views of dicts"),
        _ => problem(format!(
            "'<' not supported between '{}' and '{}'",
            a.type_name(),
            b.type_name()
        )),
    }
}

/// Sorts by keys as Python does: stable, by `<` alone.
pub(crate) fn sort<T>(keyed: Vec<(Value, T)>, work: &Work) -> Result<Vec<T>> {
    sort_reversed_if(false, keyed, work)
}

/// As [`sort`], but if `reverse` the greatest key comes first.
pub(crate) fn sort_reversed_if<T>(
    reverse: bool,
    mut keyed: Vec<(Value, T)>,
    work: &Work,
) -> Result<Vec<T>> {
    work.spend(keyed.len())?;
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        let (a, b) = if reverse { (b, a) } else { (a, b) };
        match compare(a, b, work) {
            Ok(Some(order)) => order,
            Ok(None) => {
                failed = unsupported::<()>("sorting NaN").err();
                Ordering::Equal
            }
            Err(error) => {
                failed = Some(error);
                Ordering::Equal
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, it)| it).collect()),
    }
}

/// Whether a value is in another, as Python's `in` has it.
pub(crate) fn contains(holder: &Value, value: &Value, work: &Work) -> Result<bool> {
    match holder {
        Value::Text(holder) => match value {
            Value::Text(value) => {
                work.text(holder.text.len())?;
                Ok(holder.text.contains(&*value.text))
            }
            _ => problem(format!(
                "'in <string>' requires string as left operand, not {}",
                value.type_name()
            )),
        },
        Value::Dict(holder) | Value::View(View::Keys, holder) => {
            Ok(holder.get(value, work)?.is_some())
        }
        Value::Iterator(it) => {
            while let Some(item) = it.next(work)? {
                if equal(&item, value, work)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => {
            for item in holder.items(work)? {
                if equal(&item, value, work)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}
