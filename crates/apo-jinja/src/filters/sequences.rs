//! Filters of lists.

use super::super::arguments::{Arguments, size, text};
use super::super::checks::check;
use super::super::fault::{Result, Work, problem, unsupported};
use super::super::operators::binary;
use super::super::print::to_text;
use super::super::syntax::Binary;
use super::super::value::Value;
use super::attribute::by_attribute;

/// Joins items, or an attribute of each, to one text.
pub(super) fn join(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let [separator, by] = args.bind("join", ["d", "attribute"])?;
    let separator = separator.map_or(Ok(String::new()), |it| to_text(&it, work))?;
    let mut out = String::new();
    for (i, item) in value.items(work)?.iter().enumerate() {
        let item = by_attribute(item, by.as_ref(), None, work)?;
        let item = to_text(&item, work)?;
        work.text(separator.len() + item.len())?;
        if i > 0 {
            out += &separator;
        }
        out += &item;
    }
    Ok(Value::from(out))
}

/// Adds items, or an attribute of each.
pub(super) fn sum(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let [by, start] = args.bind("sum", ["attribute", "start"])?;
    let mut sum = start.unwrap_or(Value::Int(0));
    if matches!(sum, Value::Text(_)) {
        return problem("sum: cannot sum texts");
    }
    for item in value.items(work)? {
        let item = by_attribute(&item, by.as_ref(), None, work)?;
        if matches!(item, Value::Float(_)) {
            return unsupported("the sum of floats, which Python's versions round differently,");
        }
        sum = binary(Binary::Add, &sum, &item, work)?;
    }
    Ok(sum)
}

/// Filters may call filters and tests by name, but not without end.
pub(super) fn check_depth(args: &Arguments) -> Result<()> {
    if args.positional.len() > 20 {
        return unsupported("a filter with more than 20 arguments");
    }
    Ok(())
}

/// `select` and `reject`, and of an attribute `selectattr` and `rejectattr`.
pub(super) fn select(name: &str, value: &Value, mut args: Arguments, work: &Work) -> Result<Value> {
    check_depth(&args)?;
    if !value.is_true() {
        return Value::generator(Vec::new(), value, work);
    }
    let (wanted, of_attribute) = (name.starts_with("select"), name.ends_with("attr"));
    let by = match (of_attribute, args.positional.is_empty()) {
        (true, true) => return problem("missing the name of an attribute"),
        (true, false) => Some(args.positional.remove(0)),
        _ => None,
    };
    let test = if args.positional.is_empty() {
        None
    } else {
        Some(args.positional.remove(0))
    };
    let mut found = Vec::new();
    for item in value.items(work)? {
        let of = by_attribute(&item, by.as_ref(), None, work)?;
        let holds = match &test {
            None => of.is_true(),
            Some(test) => check(text("select", test)?, &of, &args, work)?,
        };
        if holds == wanted {
            found.push(item);
        }
    }
    Value::generator(found, value, work)
}

pub(super) fn ends(name: &str, value: Value, work: &Work) -> Result<Value> {
    if let (Value::Iterator(it), "first") = (&value, name) {
        let none = || Value::undefined("no first item, sequence was empty");
        return Ok(it.next(work)?.unwrap_or_else(none));
    }
    if let (Value::Text(it), "reverse") = (&value, name) {
        work.text(it.text.len())?;
        return Ok(Value::text(
            it.text.chars().rev().collect::<String>(),
            it.safe,
        ));
    }
    if let (Value::Iterator(_), "last") = (&value, name) {
        return problem("a generator cannot be reversed");
    }
    let is_generator = matches!(value, Value::Iterator(_));
    let mut items = value.items(work)?;
    if name == "reverse" {
        items.reverse();
        return if is_generator {
            Value::list(items)
        } else {
            Value::generator(items, &value, work)
        };
    }
    let found = if name == "first" {
        items.into_iter().next()
    } else {
        items.pop()
    };
    let none = || Value::undefined(format!("no {name} item, sequence was empty"));
    Ok(found.unwrap_or_else(none))
}

pub(super) fn groups(name: &str, value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let n = if name == "batch" {
        "linecount"
    } else {
        "slices"
    };
    let [n, fill] = args.bind(name, [n, "fill_with"])?;
    let n = match n {
        Some(n) => size(name, &n)?,
        None => return problem(format!("{name} needs a number")),
    };
    if n == 0 {
        return unsupported(format!("{name} by less than 1"));
    }
    let fill = fill.filter(|it| !matches!(it, Value::None));
    let items = value.items(work)?;
    let mut found = Vec::new();
    if name == "batch" {
        for chunk in items.chunks(n) {
            let mut chunk = chunk.to_vec();
            if let Some(fill) = &fill {
                work.spend(n - chunk.len())?;
                chunk.resize(n, fill.clone());
            }
            found.push(Value::list(chunk)?);
        }
        return Value::generator(found, value, work);
    }
    work.spend(n)?;
    let (each, longer) = (items.len() / n, items.len() % n);
    let mut items = items.into_iter();
    for i in 0..n {
        let is_longer = i < longer;
        let mut part: Vec<Value> = items.by_ref().take(each + usize::from(is_longer)).collect();
        if let Some(fill) = fill.as_ref().filter(|_| !is_longer) {
            part.push(fill.clone());
        }
        found.push(Value::list(part)?);
    }
    Value::generator(found, value, work)
}
