//! Jinja's filters.

use super::arguments::{Arguments, int, optional_text, size, text};
use super::checks::check;
use super::fault::{Result, Work, problem, unsupported};
use super::format;
use super::json::tojson;
use super::methods::{self, pad, replace, soft_text};
use super::names;
use super::operators::{binary, escape, item, own_attribute};
use super::print::to_text;
use super::python;
use super::syntax::Binary;
use super::value::{Dict, Sequence, Value, View, compare, equal, sort};
use std::cmp::Ordering;

/// Applies a filter.
#[expect(clippy::too_many_lines, reason = "a table of filters")]
pub(super) fn filter(name: &str, value: Value, args: Arguments, work: &Work) -> Result<Value> {
    work.spend(1)?;
    let found = match name {
        "default" | "d" => {
            let [default, boolean] = args.bind(name, ["default_value", "boolean"])?;
            let boolean = boolean.is_some_and(|it| it.is_true());
            if value.is_undefined() || (boolean && !value.is_true()) {
                default.unwrap_or_else(|| Value::from(""))
            } else {
                value
            }
        }
        "tojson" => tojson(&value, args, work)?,
        "trim" => {
            let [chars] = args.bind(name, ["chars"])?;
            let of = soft_text(&value, work)?;
            let chars = optional_text(name, chars.as_ref())?;
            work.text(2 * of.text.len())?;
            work.spend(of.text.len() / 64 * chars.map_or(0, str::len))?;
            Value::text(python::strip(&of.text, chars, true, true), of.safe)
        }
        "length" | "count" => {
            let [] = args.bind(name, [])?;
            if let Value::Text(it) = &value {
                work.text(it.text.len())?;
            }
            match value.len() {
                Some(n) => Value::Int(n as i128),
                None => {
                    return problem(format!("a {} has no length", value.type_name()));
                }
            }
        }
        "string" => {
            let [] = args.bind(name, [])?;
            Value::Text(soft_text(&value, work)?)
        }
        "list" => {
            let [] = args.bind(name, [])?;
            Value::list(value.items(work)?)?
        }
        "join" => {
            let [separator, by] = args.bind(name, ["d", "attribute"])?;
            let separator = separator.map_or(Ok(String::new()), |it| to_text(&it, work))?;
            let mut out = String::new();
            for (i, item) in value.items(work)?.iter().enumerate() {
                let item = by_attribute(item, by.as_ref(), work)?;
                let item = to_text(&item, work)?;
                work.text(separator.len() + item.len())?;
                if i > 0 {
                    out += &separator;
                }
                out += &item;
            }
            Value::from(out)
        }
        "map" => return map(&value, args, work),
        "select" | "reject" => return select(&value, args, name == "select", false, work),
        "selectattr" | "rejectattr" => {
            return select(&value, args, name == "selectattr", true, work);
        }
        "first" | "last" | "reverse" => {
            let [] = args.bind(name, [])?;
            return ends(name, value, work);
        }
        "upper" | "lower" | "capitalize" => {
            let of = Value::Text(soft_text(&value, work)?);
            methods::call(&of, name, args, work)?
        }
        "title" => {
            let [] = args.bind(name, [])?;
            Value::from(title(&soft_text(&value, work)?.text, work)?)
        }
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let (Some(old), Some(new)) = (old, new) else {
                return problem("replace needs two texts");
            };
            let count = match count {
                None | Some(Value::None) => -1,
                Some(it) => int(name, &it)?,
            };
            let (of, old) = (to_text(&value, work)?, to_text(&old, work)?);
            Value::from(replace(&of, &old, &to_text(&new, work)?, count, work)?)
        }
        "e" | "escape" | "forceescape" => {
            let [] = args.bind(name, [])?;
            match &value {
                Value::Text(it) if it.safe && name != "forceescape" => value,
                _ => Value::text(escape(&to_text(&value, work)?, work)?, true),
            }
        }
        "safe" => {
            let [] = args.bind(name, [])?;
            Value::text(to_text(&value, work)?, true)
        }
        "int" | "float" | "round" | "abs" => return number(name, value, args),
        "indent" => indent(&value, args, work)?,
        "sort" | "unique" | "min" | "max" | "groupby" => return order(name, &value, args, work),
        "dictsort" => return dict_sort(&value, args, work),
        "items" => {
            let [] = args.bind(name, [])?;
            match &value {
                Value::Undefined(_) => Value::iterator(Vec::new())?,
                Value::Dict(it) => {
                    work.spend(2 * it.entries.len())?;
                    Value::iterator(it.view(View::Items)?)?
                }
                _ => return problem("items: not a mapping"),
            }
        }
        "sum" => {
            let [by, start] = args.bind(name, ["attribute", "start"])?;
            let mut sum = start.unwrap_or(Value::Int(0));
            if matches!(sum, Value::Text(_)) {
                return problem("sum: cannot sum texts");
            }
            for item in value.items(work)? {
                let item = by_attribute(&item, by.as_ref(), work)?;
                if matches!(item, Value::Float(_)) {
                    return unsupported(
                        "the sum of floats, which Python's versions round differently,",
                    );
                }
                sum = binary(Binary::Add, &sum, &item, work)?;
            }
            sum
        }
        "batch" | "slice" => return groups(name, &value, args, work),
        "attr" => {
            let [name] = args.all(name, ["name"])?;
            let name = to_text(&name, work)?;
            match own_attribute(&value, &name)? {
                Some(found) => found,
                None => Value::undefined(format!("there is no attribute '{name}'")),
            }
        }
        "format" => {
            let of = soft_text(&value, work)?;
            let values = match (args.positional.is_empty(), args.named.is_empty()) {
                (false, false) => return problem("format: arguments by place and by name"),
                (true, false) => {
                    let named = args.named.into_iter();
                    let entries = named.map(|(name, value)| (Value::from(name), value));
                    Value::Dict(Dict::new(entries.collect(), work)?)
                }
                _ => Value::tuple(args.positional)?,
            };
            format::percent(&of, &values, work)?
        }
        "center" => {
            let [width] = args.bind(name, ["width"])?;
            let of = plain(name, &value, work)?;
            let width = width.map_or(Ok(80), |it| size(name, &it))?;
            Value::from(pad(&of, width, " ", name, work)?)
        }
        "wordcount" => {
            let [] = args.bind(name, [])?;
            let of = soft_text(&value, work)?;
            let (mut n, mut in_word) = (0, false);
            for c in of.text.chars() {
                let is_part = c == '_' || python::is_letter(c)? || python::is_digit(c)?;
                n += i128::from(is_part && !in_word);
                in_word = is_part;
            }
            Value::Int(n)
        }
        "truncate" => truncate(&value, args, work)?,
        "urlencode" => {
            let [] = args.bind(name, [])?;
            Value::from(url_encode(&value, work)?)
        }
        _ if names::FILTERS.contains(&name) => return unsupported(format!("the filter '{name}'")),
        _ => return problem(format!("no filter named '{name}'")),
    };
    Ok(found)
}

/// Returns a value's text, which is not marked as safe.
fn plain(name: &str, value: &Value, work: &Work) -> Result<String> {
    let of = soft_text(value, work)?;
    if of.safe {
        return unsupported(format!("'{name}' of a text that is marked as safe"));
    }
    work.text(of.text.len())?;
    Ok(of.text.to_string())
}

/// Returns what an attribute's name, or several with points between them, lead
/// to; the value itself where there is none.
fn by_attribute(value: &Value, by: Option<&Value>, work: &Work) -> Result<Value> {
    let mut found = value.clone();
    match by {
        None | Some(Value::None) => {}
        Some(Value::Text(by)) => {
            for part in by.text.split('.') {
                let is_number = !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
                let key = match part.parse() {
                    Ok(number) if is_number => Value::Int(number),
                    _ => Value::from(part),
                };
                found = item(&found, &key, work)?;
            }
        }
        Some(by) => found = item(&found, by, work)?,
    }
    Ok(found)
}

fn ignore_case(value: Value, case_sensitive: bool, work: &Work) -> Result<Value> {
    match &value {
        Value::Text(it) if !case_sensitive => {
            work.text(2 * it.text.len())?;
            Ok(Value::text(it.text.to_lowercase(), it.safe))
        }
        _ => Ok(value),
    }
}

/// Filters and tests that go by name may go by further names; not forever.
fn check_depth(args: &Arguments) -> Result<()> {
    if args.positional.len() > 20 {
        return unsupported("a filter with more than 20 arguments");
    }
    Ok(())
}

fn map(value: &Value, mut args: Arguments, work: &Work) -> Result<Value> {
    check_depth(&args)?;
    let mut found = Vec::new();
    if args.positional.is_empty() && args.named.iter().any(|(it, _)| it == "attribute") {
        let [by, default] = args.bind("map", ["attribute", "default"])?;
        for item in value.items(work)? {
            let item = by_attribute(&item, by.as_ref(), work)?;
            found.push(match &default {
                Some(default) if item.is_undefined() && !matches!(default, Value::None) => {
                    default.clone()
                }
                _ => item,
            });
        }
        return Value::iterator(found);
    }
    if args.positional.is_empty() {
        return problem("map needs a filter");
    }
    let name = args.positional.remove(0);
    let name = text("map", &name)?;
    for item in value.items(work)? {
        let args = Arguments {
            positional: args.positional.clone(),
            named: args.named.clone(),
        };
        found.push(filter(name, item, args, work)?);
    }
    Value::iterator(found)
}

fn select(
    value: &Value,
    mut args: Arguments,
    wanted: bool,
    of_attribute: bool,
    work: &Work,
) -> Result<Value> {
    check_depth(&args)?;
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
        let of = by_attribute(&item, by.as_ref(), work)?;
        let holds = match &test {
            None => of.is_true(),
            Some(test) => check(text("select", test)?, &of, &args, work)?,
        };
        if holds == wanted {
            found.push(item);
        }
    }
    Value::iterator(found)
}

fn ends(name: &str, value: Value, work: &Work) -> Result<Value> {
    if let (Value::Iterator(_), "first") = (&value, name) {
        let none = || Value::undefined("no first item, sequence was empty");
        return Ok(value.next().unwrap_or_else(none));
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
            Value::iterator(items)
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

fn title(of: &str, work: &Work) -> Result<String> {
    work.text(3 * of.len())?;
    let is_break = |c: char| python::is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<');
    let mut out = String::with_capacity(of.len());
    let mut rest = of;
    while let Some(c) = rest.chars().next() {
        let len = if is_break(c) {
            rest.find(|c| !is_break(c))
        } else {
            rest.find(is_break)
        };
        let (word, after) = rest.split_at(len.unwrap_or(rest.len()));
        let (first, more) = word.split_at(c.len_utf8());
        out += &first.to_uppercase();
        out += &more.to_lowercase();
        rest = after;
    }
    Ok(out)
}

fn number(name: &str, value: Value, args: Arguments) -> Result<Value> {
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
            let places = usize::try_from(precision).ok().filter(|it| *it <= 300);
            let Some(places) = places else {
                return unsupported("rounding to fewer than 0 or more than 300 places");
            };
            let power = 10_f64.powi(i32::try_from(places).unwrap_or(0));
            let rounded = match (method, &value) {
                ("common", Value::Float(it)) if it.is_finite() => {
                    format!("{it:.places$}").parse().unwrap_or(*it)
                }
                ("common", Value::Float(it)) => *it,
                ("common", _) => return Ok(Value::Int(int(name, &value)?)),
                ("ceil" | "floor", _) => {
                    let Some(it) = value.as_float().filter(|it| it.is_finite()) else {
                        return problem("round: not a number");
                    };
                    if places > 15 || it.abs() > 1e15 {
                        return unsupported("rounding so large a number up or down");
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
        "int" => {
            let [default, base] = args.bind(name, ["default", "base"])?;
            let default = default.unwrap_or(Value::Int(0));
            let base = base.map_or(Ok(10), |it| int(name, &it))?;
            let whole = |it: f64| {
                if it.abs() < 1e37 {
                    Ok(Value::Int(it as i128))
                } else {
                    unsupported("an integer of more than 38 digits")
                }
            };
            match &value {
                Value::Text(it) => {
                    let base = u32::try_from(base).ok();
                    let Some(base) = base.filter(|it| *it == 0 || (2..=36).contains(it)) else {
                        return unsupported("such a base of an integer");
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

fn indent(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let [width, first, blank] = args.bind("indent", ["width", "first", "blank"])?;
    let is_true = |it: Option<Value>| it.is_some_and(|it| it.is_true());
    let (first, blank) = (is_true(first), is_true(blank));
    let of = match value {
        Value::Text(it) if it.safe => {
            return unsupported("'indent' of a text that is marked as safe");
        }
        it => text("indent", it)?,
    };
    let indention = match width {
        Some(Value::Text(it)) => it.text.to_string(),
        width => {
            let width = width.map_or(Ok(4), |it| size("indent", &it))?;
            work.text(width)?;
            " ".repeat(width)
        }
    };
    let with_end = format!("{of}\n");
    let lines = python::split_lines(&with_end, false);
    work.text(2 * of.len() + lines.len().saturating_mul(indention.len() + 1))?;
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 {
            first
        } else {
            blank || !line.is_empty()
        } {
            out += &indention;
        }
        out += line;
    }
    Ok(Value::from(out))
}

fn order(name: &str, value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let (reverse, case_sensitive, by, default);
    match name {
        "sort" => {
            let names = ["reverse", "case_sensitive", "attribute"];
            [reverse, case_sensitive, by] = args.bind(name, names)?;
            default = None;
        }
        "groupby" => {
            let names = ["attribute", "default", "case_sensitive"];
            [by, default, case_sensitive] = args.bind(name, names)?;
            reverse = None;
            if by.is_none() {
                return problem("groupby needs an attribute");
            }
        }
        _ => {
            [case_sensitive, by] = args.bind(name, ["case_sensitive", "attribute"])?;
            (reverse, default) = (None, None);
        }
    }
    let is_true = |it: &Option<Value>| it.as_ref().is_some_and(Value::is_true);
    let case_sensitive = is_true(&case_sensitive);
    if let Some(Value::Text(it)) = &by
        && it.text.contains(',')
    {
        return unsupported(format!("{name} by several attributes"));
    }
    let attribute = |item: &Value| -> Result<Value> {
        let found = by_attribute(item, by.as_ref(), work)?;
        Ok(match &default {
            Some(default) if found.is_undefined() => default.clone(),
            _ => found,
        })
    };
    let mut keyed = Vec::new();
    for item in value.items(work)? {
        keyed.push((ignore_case(attribute(&item)?, case_sensitive, work)?, item));
    }
    match name {
        "sort" => Value::list(sort(keyed, is_true(&reverse), work)?),
        "unique" => {
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
            Value::iterator(found)
        }
        "groupby" => {
            let pairs = keyed
                .into_iter()
                .map(|(key, item)| Value::tuple(vec![key.clone(), item]).map(|pair| (key, pair)));
            let pairs = sort(pairs.collect::<Result<_>>()?, false, work)?;
            let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
            for pair in pairs {
                let Value::Tuple(pair) = pair else { continue };
                let (key, item) = (pair.items[0].clone(), pair.items[1].clone());
                match groups.last_mut() {
                    Some((last, items)) if equal(last, &key, work)? => items.push(item),
                    _ => groups.push((key, vec![item])),
                }
            }
            let groups = groups.into_iter().map(|(_, items)| {
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
            let none = || Value::undefined("no aggregated item, sequence was empty");
            Ok(best.map_or_else(none, |(_, item)| item))
        }
    }
}

fn dict_sort(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let names = ["case_sensitive", "by", "reverse"];
    let [case_sensitive, by, reverse] = args.bind("dictsort", names)?;
    let is_true = |it: Option<Value>| it.is_some_and(|it| it.is_true());
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
    Value::list(sort(keyed, is_true(reverse), work)?)
}

fn groups(name: &str, value: &Value, args: Arguments, work: &Work) -> Result<Value> {
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
        return Value::iterator(found);
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
    Value::iterator(found)
}

fn truncate(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let names = ["length", "killwords", "end", "leeway"];
    let [length, kill, end, leeway] = args.bind("truncate", names)?;
    let of = match value {
        Value::Text(it) if it.safe => {
            return unsupported("'truncate' of a text that is marked as safe");
        }
        it => text("truncate", it)?,
    };
    let length = length.map_or(Ok(255), |it| int("truncate", &it))?;
    let end = end.as_ref().map_or(Ok("..."), |it| text("truncate", it))?;
    let leeway = match leeway {
        None | Some(Value::None) => 5,
        Some(it) => int("truncate", &it)?,
    };
    let end_length = end.chars().count() as i128;
    if length < end_length || leeway < 0 {
        return problem(
            "truncate: the length is less than that of the end, or the leeway negative",
        );
    }
    work.text(2 * of.len())?;
    if of.chars().count() as i128 <= length.saturating_add(leeway) {
        return Ok(value.clone());
    }
    let kept = usize::try_from(length - end_length).unwrap_or(usize::MAX);
    let mut kept: String = of.chars().take(kept).collect();
    if !kill.is_some_and(|it| it.is_true())
        && let Some(at) = kept.rfind(' ')
    {
        kept.truncate(at);
    }
    Ok(Value::from(kept + end))
}

fn url_encode(value: &Value, work: &Work) -> Result<String> {
    let quote = |value: &Value, is_query: bool| -> Result<String> {
        let of = to_text(value, work)?;
        work.text(3 * of.len())?;
        let mut out = String::new();
        for byte in of.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                    out.push(byte.into());
                }
                b'/' if !is_query => out.push('/'),
                b' ' if is_query => out.push('+'),
                _ => out += &format!("%{byte:02X}"),
            }
        }
        Ok(out)
    };
    let items = match value {
        Value::Undefined(_) => return unsupported("'urlencode' of an undefined value"),
        Value::Dict(it) => it.view(View::Items)?,
        it if it.is_iterable() && it.as_text().is_none() => it.items(work)?,
        it => return quote(it, false),
    };
    let mut parts = Vec::new();
    for pair in items {
        match &pair.items(work)?[..] {
            [key, value] => parts.push(format!("{}={}", quote(key, true)?, quote(value, true)?)),
            _ => return problem("urlencode: not pairs"),
        }
    }
    Ok(parts.join("&"))
}
