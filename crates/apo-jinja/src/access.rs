//! Attributes, items and slices of values.

use std::rc::Rc;

use super::fault::{Result, Work, problem, unsupported};
use super::names;
use super::value::{Macro, Range, Value};

/// Returns `value.name` as the sandbox has it: a method or an attribute, or
/// else an item.
pub(super) fn attribute(value: &Value, name: &str) -> Result<Value> {
    if let Some(found) = own_attribute(value, name)? {
        return Ok(found);
    }
    let item = match value {
        // A dict has them, but the sandbox withholds them, and does not look
        // for an item of that name.
        Value::Dict(_) if names::UNSAFE_OF_DICT.contains(&name) => None,
        Value::Dict(it) => it.get_text(name).cloned(),
        _ => None,
    };
    Ok(item.unwrap_or_else(|| nothing(value, name)))
}

fn nothing(value: &Value, name: &str) -> Value {
    Value::undefined(format!(
        "'{}' object has no attribute '{name}'",
        value.type_name()
    ))
}

/// Returns the attribute that Python's type gives a value.
pub(super) fn own_attribute(value: &Value, name: &str) -> Result<Option<Value>> {
    let unknown: &[&str] = match value {
        Value::Undefined(why) => return problem(&**why),
        Value::Namespace(it) => {
            let names = it.borrow();
            let found = names.iter().find(|(it, _)| it == name);
            return Ok(found.map(|(_, value)| value.clone()));
        }
        Value::Tuple(it) if it.is_group && matches!(name, "grouper" | "list") => {
            return Ok(it.items.get(usize::from(name == "list")).cloned());
        }
        Value::Loop(it) => return it.attribute(name),
        Value::Cycler(it) if name == "current" => {
            return Ok(it.items.items.get(it.at.get()).cloned());
        }
        Value::Range(it) => match name {
            "start" => return Ok(Some(Value::Int(it.start.into()))),
            "stop" => return Ok(Some(Value::Int(it.stop.into()))),
            "step" => return Ok(Some(Value::Int(it.step.into()))),
            _ => &names::RANGE,
        },
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => &names::NUMBER,
        Value::View(..) => &names::VIEW,
        Value::Iterator(_) => &names::ITERATOR,
        Value::Macro(it) => return of_macro(it, name),
        Value::Text(it)
            if it.safe && matches!(name, "escape" | "format" | "striptags" | "unescape") =>
        {
            return unsupported(format!("'{name}' of a text that is marked as safe"));
        }
        _ => &[],
    };
    if unknown.contains(&name) {
        return unsupported(format!("the attribute '{name}' of a {}", value.type_name()));
    }
    let methods: &[&str] = match value {
        Value::Text(_) => &names::TEXT,
        Value::List(_) => &names::LIST,
        Value::Tuple(_) => &names::TUPLE,
        Value::Dict(_) => &names::DICT,
        Value::Cycler(_) => &["next", "reset"],
        Value::Function("dict") => &["fromkeys"],
        _ => &[],
    };
    let is_method = methods.contains(&name);
    Ok(is_method.then(|| Value::Method(Rc::new((value.clone(), name.to_owned())))))
}

/// Returns an attribute of a macro.
fn of_macro(it: &Macro, name: &str) -> Result<Option<Value>> {
    let found = match name {
        "name" => it.name.as_deref().map_or(Value::None, Value::from),
        "arguments" => {
            let names = it.parameters.iter().map(|it| Value::from(it.as_str()));
            Value::tuple(names.collect())?
        }
        "catch_kwargs" => Value::Bool(it.uses.kwargs),
        "catch_varargs" => Value::Bool(it.uses.varargs),
        "caller" => Value::Bool(it.uses.caller),
        "explicit_caller" => Value::Bool(it.parameters.iter().any(|it| it == "caller")),
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// Returns `value[index]` as the sandbox has it: an item, or else an attribute.
pub(super) fn item(value: &Value, index: &Value, work: &Work) -> Result<Value> {
    if let Value::Undefined(why) = value {
        return problem(&**why);
    }
    let nth = |len: usize| {
        let index = index.as_int()?;
        let index = if index < 0 {
            index + len as i128
        } else {
            index
        };
        usize::try_from(index).ok().filter(|i| *i < len)
    };
    let found = match value {
        Value::List(it) | Value::Tuple(it) => nth(it.items.len()).map(|i| it.items[i].clone()),
        Value::Range(it) => nth(it.len()).map(|i| it.get(i)),
        Value::Text(it) if index.as_int().is_some() => {
            work.text(it.text.len())?;
            let nth = nth(it.text.chars().count());
            let c = nth.and_then(|i| it.text.chars().nth(i));
            c.map(|c| Value::text(c.to_string(), it.safe))
        }
        Value::Dict(it) if index.check_hashable().is_ok() => it.get(index, work)?.cloned(),
        _ => None,
    };
    if let Some(found) = found {
        return Ok(found);
    }
    match index.as_text() {
        Some(name) => Ok(own_attribute(value, name)?.unwrap_or_else(|| nothing(value, name))),
        None => Ok(no_such(value)),
    }
}

fn no_such(value: &Value) -> Value {
    Value::undefined(format!("the {} has no such item", value.type_name()))
}

/// Returns the numbers of a slice; `None` for those that are left out.
fn indices(parts: &[Option<Value>; 3]) -> Result<[Option<i128>; 3]> {
    let mut numbers = [None; 3];
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = match part {
            None | Some(Value::None) => None,
            Some(part) => match part.as_int() {
                Some(it) => Some(it),
                None => return problem("slice indices must be integers or None"),
            },
        };
    }
    Ok(numbers)
}

/// Returns `value[start:stop:step]`.
pub(super) fn slice(value: &Value, parts: [Option<Value>; 3], work: &Work) -> Result<Value> {
    if let Value::Undefined(why) = value {
        return problem(&**why);
    }
    let [start, stop, step] = indices(&parts)?;
    let len = match value {
        Value::Text(_) | Value::List(_) | Value::Tuple(_) | Value::Range(_) => value.len(),
        _ => None,
    };
    let Some(len) = len else {
        return problem(format!("'{}' object cannot be sliced", value.type_name()));
    };
    let step = step.unwrap_or(1);
    if step == 0 {
        return problem("slice step cannot be zero");
    }
    let len = len as i128;
    let (least, most) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let place = |at: Option<i128>, default: i128| match at {
        None => default,
        Some(at) => (if at < 0 { at.saturating_add(len) } else { at }).clamp(least, most),
    };
    let (first, end) = if step > 0 {
        (least, most)
    } else {
        (most, least)
    };
    let (start, stop) = (place(start, first), place(stop, end));
    let mut places = Vec::new();
    let mut at = start;
    work.spend(usize::try_from((stop - start) / step).unwrap_or(0) / 8)?;
    while if step > 0 { at < stop } else { at > stop } {
        places.push(at as usize);
        at = at.saturating_add(step);
    }
    match value {
        Value::Text(it) => {
            work.text(it.text.len())?;
            let text: String = if step == 1 {
                it.text
                    .chars()
                    .skip(start as usize)
                    .take(places.len())
                    .collect()
            } else {
                let chars: Vec<char> = it.text.chars().collect();
                places.into_iter().map(|i| chars[i]).collect()
            };
            Ok(Value::text(text, it.safe))
        }
        Value::List(it) => Value::list(places.into_iter().map(|i| it.items[i].clone()).collect()),
        Value::Tuple(it) => Value::tuple(places.into_iter().map(|i| it.items[i].clone()).collect()),
        Value::Range(it) => range_of(it, start, stop, step),
        _ => problem(format!("'{}' object cannot be sliced", value.type_name())),
    }
}

/// Returns the places of a range from `start` to `stop` as a range.
fn range_of(it: &Range, start: i128, stop: i128, step: i128) -> Result<Value> {
    let at = |place: i128| {
        let at = i128::from(it.start) + place * i128::from(it.step);
        i64::try_from(at).ok()
    };
    let step = i64::try_from(step * i128::from(it.step)).ok();
    match (at(start), at(stop), step) {
        (Some(start), Some(stop), Some(step)) => Ok(Value::Range(Range { start, stop, step })),
        _ => unsupported("such a large number in a range"),
    }
}
