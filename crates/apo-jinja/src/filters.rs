//! Jinja's filters.

mod attribute;
mod numbers;
mod ordered;
mod sequences;
mod texts;

use super::access::own_attribute;
use super::arguments::{Arguments, int, is_true, optional_text, size, text};
use super::fault::{Result, Work, problem, unsupported};
use super::json::tojson;
use super::methods::{self, pad, replace, soft_text};
use super::names;
use super::operators::escape;
use super::print::to_text;
use super::python::{self, Ends};
use super::value::{Value, View};
use attribute::by_attribute;

/// Applies a filter.
#[expect(clippy::too_many_lines, reason = "a table of filters")]
pub(super) fn filter(name: &str, value: Value, args: Arguments, work: &Work) -> Result<Value> {
    work.spend(1)?;
    let found = match name {
        "default" | "d" => {
            let [default, boolean] = args.bind(name, ["default_value", "boolean"])?;
            if value.is_undefined() || (is_true(boolean) && !value.is_true()) {
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
            Value::text(python::strip(&of.text, chars, Ends::Both), of.safe)
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
        "join" => sequences::join(&value, args, work)?,
        "map" => return map(&value, args, work),
        "select" | "reject" | "selectattr" | "rejectattr" => {
            return sequences::select(name, &value, args, work);
        }
        "first" | "last" | "reverse" => {
            let [] = args.bind(name, [])?;
            return sequences::ends(name, value, work);
        }
        "upper" | "lower" | "capitalize" => {
            let of = Value::Text(soft_text(&value, work)?);
            methods::call(&of, name, args, work)?
        }
        "title" => {
            let [] = args.bind(name, [])?;
            Value::from(texts::title(&soft_text(&value, work)?.text, work)?)
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
                _ => Value::safe_text(escape(&to_text(&value, work)?, work)?),
            }
        }
        "safe" => {
            let [] = args.bind(name, [])?;
            Value::safe_text(to_text(&value, work)?)
        }
        "int" | "float" | "round" | "abs" => return numbers::number(name, value, args),
        "indent" => texts::indent(&value, args, work)?,
        "sort" => return ordered::sorted(&value, args, work),
        "unique" | "min" | "max" | "groupby" => {
            return ordered::order(name, &value, args, work);
        }
        "dictsort" => return ordered::dict_sort(&value, args, work),
        "items" => {
            let [] = args.bind(name, [])?;
            match &value {
                Value::Undefined(_) => Value::generator(Vec::new(), &value, work)?,
                Value::Dict(it) => {
                    work.spend(2 * it.entries.len())?;
                    Value::generator(it.view(View::Items)?, &value, work)?
                }
                _ => return problem("items: not a mapping"),
            }
        }
        "sum" => sequences::sum(&value, args, work)?,
        "batch" | "slice" => return sequences::groups(name, &value, args, work),
        "attr" => {
            let [name] = args.all(name, ["name"])?;
            let name = to_text(&name, work)?;
            match own_attribute(&value, &name)? {
                Some(found) => found,
                None => Value::undefined(format!("there is no attribute '{name}'")),
            }
        }
        "format" => texts::format(&value, args, work)?,
        "center" => {
            let [width] = args.bind(name, ["width"])?;
            let of = unmarked(name, &value, work)?;
            let width = width.map_or(Ok(80), |it| size(name, &it))?;
            Value::from(pad(&of, width, " ", name, work)?)
        }
        "wordcount" => {
            let [] = args.bind(name, [])?;
            texts::word_count(&soft_text(&value, work)?.text)?
        }
        "pprint" => {
            let [] = args.bind(name, [])?;
            texts::pprint(&value, work)?
        }
        "truncate" => texts::truncate(&value, args, work)?,
        "urlencode" => {
            let [] = args.bind(name, [])?;
            Value::from(texts::url_encode(&value, work)?)
        }
        _ if names::FILTERS.contains(&name) => return unsupported(format!("the filter '{name}'")),
        _ => return problem(format!("no filter named '{name}'")),
    };
    Ok(found)
}

/// `map`, which applies a filter to each item, or takes an attribute of each.
fn map(value: &Value, mut args: Arguments, work: &Work) -> Result<Value> {
    sequences::check_depth(&args)?;
    let mut found = Vec::new();
    // Jinja does not iterate over what counts as false.
    if !value.is_true() {
        return Value::generator(found, value, work);
    }
    if args.positional.is_empty() && args.named.iter().any(|(it, _)| it == "attribute") {
        let [by, default] = args.bind("map", ["attribute", "default"])?;
        for item in value.items(work)? {
            found.push(by_attribute(&item, by.as_ref(), default.as_ref(), work)?);
        }
        return Value::generator(found, value, work);
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
    Value::generator(found, value, work)
}

/// Returns a value's text, which is not marked as safe.
fn unmarked(name: &str, value: &Value, work: &Work) -> Result<String> {
    let of = soft_text(value, work)?;
    if of.safe {
        return unsupported(format!("'{name}' of a text that is marked as safe"));
    }
    work.text(of.text.len())?;
    Ok(of.text.to_string())
}
