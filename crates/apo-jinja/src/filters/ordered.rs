//! Filters that compare items.

use std::cmp::Ordering;

use super::super::arguments::{Arguments, is_true, text};
use super::super::fault::{Result, Work, problem};
use super::super::value::Value;
use super::super::value::holders::Sequence;
use super::super::value::order::{compare, equal, sort, sort_reversed_if};
use super::attribute::by_attribute;

fn ignore_case(value: Value, case_sensitive: bool, work: &Work) -> Result<Value> {
    match &value {
        Value::Text(it) if !case_sensitive => {
            work.text(2 * it.text.len())?;
            Ok(Value::text(it.text.to_lowercase(), it.safe))
        }
        _ => Ok(value),
    }
}

/// Returns several attributes, whose names have commas between them.
fn by_attributes(value: &Value, by: Option<&Value>, work: &Work) -> Result<Vec<Value>> {
    match by {
        Some(Value::Text(it)) => {
            let names = it.text.split(',').map(Value::from);
            names
                .map(|name| by_attribute(value, Some(&name), None, work))
                .collect()
        }
        by => Ok(vec![by_attribute(value, by, None, work)?]),
    }
}

/// `sort`, which compares all attributes that it is given.
pub(super) fn sorted(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let names = ["reverse", "case_sensitive", "attribute"];
    let [reverse, case_sensitive, by] = args.bind("sort", names)?;
    let case_sensitive = is_true(case_sensitive);
    let mut keyed = Vec::new();
    for item in value.items(work)? {
        let keys = by_attributes(&item, by.as_ref(), work)?.into_iter();
        let keys = keys.map(|it| ignore_case(it, case_sensitive, work));
        keyed.push((Value::list(keys.collect::<Result<_>>()?)?, item));
    }
    Value::list(sort_reversed_if(is_true(reverse), keyed, work)?)
}

/// `unique`, `min`, `max` and `groupby`, which compare one.
pub(super) fn order(name: &str, value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let (case_sensitive, by, default);
    if name == "groupby" {
        let names = ["attribute", "default", "case_sensitive"];
        [by, default, case_sensitive] = args.bind(name, names)?;
        if by.is_none() {
            return problem("groupby needs an attribute");
        }
    } else {
        [case_sensitive, by] = args.bind(name, ["case_sensitive", "attribute"])?;
        default = None;
    }
    let case_sensitive = is_true(case_sensitive);
    let attribute = |item: &Value| by_attribute(item, by.as_ref(), default.as_ref(), work);
    let mut keyed = Vec::new();
    for item in value.items(work)? {
        keyed.push((ignore_case(attribute(&item)?, case_sensitive, work)?, item));
    }
    match name {
        "unique" => Value::generator(unique(keyed, work)?, value, work),
        "groupby" => {
            let groups = groups(keyed, work)?.into_iter().map(|items| {
                let key = attribute(&items[0])?;
                Ok(Value::Tuple(Sequence::group(vec![
                    key,
                    Value::list(items)?,
                ])?))
            });
            Value::list(groups.collect::<Result<_>>()?)
        }
        _ => {
            let wanted = if name == "min" {
                Ordering::Less
            } else {
                Ordering::Greater
            };
            let none = || Value::undefined("no aggregated item, sequence was empty");
            Ok(best(keyed, wanted, work)?.unwrap_or_else(none))
        }
    }
}

/// Returns the first item of each key.
fn unique(keyed: Vec<(Value, Value)>, work: &Work) -> Result<Vec<Value>> {
    let mut seen: Vec<Value> = Vec::new();
    let mut found = Vec::new();
    'items: for (key, item) in keyed {
        key.check_hashable()?;
        for it in &seen {
            if equal(it, &key, work)? {
                continue 'items;
            }
        }
        seen.push(key);
        found.push(item);
    }
    Ok(found)
}

/// Returns the items of each key, in the order of the keys.
fn groups(keyed: Vec<(Value, Value)>, work: &Work) -> Result<Vec<Vec<Value>>> {
    let keyed = keyed.into_iter().map(|pair| (pair.0.clone(), pair));
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, item) in sort(keyed.collect(), work)? {
        match groups.last_mut() {
            Some((last, items)) if equal(last, &key, work)? => items.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    Ok(groups.into_iter().map(|(_, items)| items).collect())
}

/// Returns the first item whose key is the least or the greatest.
fn best(keyed: Vec<(Value, Value)>, wanted: Ordering, work: &Work) -> Result<Option<Value>> {
    let mut best: Option<(Value, Value)> = None;
    for (key, item) in keyed {
        let is_better = match &best {
            Some((best, _)) => compare(&key, best, work)? == Some(wanted),
            None => true,
        };
        if is_better {
            best = Some((key, item));
        }
    }
    Ok(best.map(|(_, item)| item))
}

pub(super) fn dict_sort(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let names = ["case_sensitive", "by", "reverse"];
    let [case_sensitive, by, reverse] = args.bind("dictsort", names)?;
    let case_sensitive = is_true(case_sensitive);
    let by_value = match by.as_ref().map_or(Ok("key"), |it| text("dictsort", it))? {
        "key" => false,
        "value" => true,
        _ => return problem("dictsort sorts by 'key' or 'value'"),
    };
    let Value::Dict(it) = value else {
        return problem("dictsort: not a dict");
    };
    let mut keyed = Vec::new();
    for (key, value) in &it.entries {
        let by = if by_value { value } else { key };
        let entry = Value::tuple(vec![key.clone(), value.clone()])?;
        keyed.push((ignore_case(by.clone(), case_sensitive, work)?, entry));
    }
    Value::list(sort_reversed_if(is_true(reverse), keyed, work)?)
}
