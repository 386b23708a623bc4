//! Python's methods, as templates call them.

mod safe;
mod texts;

pub(super) use texts::{pad, replace};

use super::arguments::Arguments;
use super::fault::{Result, Work, problem, unsupported};
use super::print::to_text;
use super::value::holders::Dict;
use super::value::order::equal;
use super::value::stateful::Loop;
use super::value::{Text, Value, View};
use safe::safe_text_method;
use std::rc::Rc;
use texts::text_method;

/// Calls a method of a value.
pub(super) fn call(of: &Value, name: &str, args: Arguments, work: &Work) -> Result<Value> {
    match of {
        Value::Text(it) if it.safe => safe_text_method(it, name, args, work),
        Value::Text(it) => text_method(&it.text, name, args, work),
        Value::List(it) | Value::Tuple(it) => match name {
            "copy" => {
                let [] = args.bind(name, [])?;
                work.spend(it.items.len())?;
                Value::list(it.items.clone())
            }
            "count" => {
                let [wanted] = args.all(name, [""])?;
                let mut n = 0;
                for item in &it.items {
                    n += i128::from(equal(item, &wanted, work)?);
                }
                Ok(Value::Int(n))
            }
            _ => {
                let [wanted] = args.all(name, [""])?;
                for (i, item) in it.items.iter().enumerate() {
                    if equal(item, &wanted, work)? {
                        return Ok(Value::Int(i as i128));
                    }
                }
                problem("the value is not in the list")
            }
        },
        Value::Dict(it) => dict_method(it, name, args, work),
        Value::Cycler(it) => {
            let [] = args.bind(name, [])?;
            work.change();
            let at = it.at.get();
            if name == "reset" {
                it.at.set(0);
                return Ok(Value::None);
            }
            it.at.set((at + 1) % it.items.items.len());
            Ok(it.items.items[at].clone())
        }
        Value::Loop(it) => loop_method(it, name, args, work),
        _ => unsupported(format!("'{name}' of a {}", of.type_name())),
    }
}

/// Calls a method of `loop`.
fn loop_method(of: &Loop, name: &str, args: Arguments, work: &Work) -> Result<Value> {
    if !args.named.is_empty() {
        return problem(format!("loop.{name} takes no arguments by name"));
    }
    let values = args.positional;
    if name == "cycle" {
        return of.cycle(&values);
    }
    of.has_changed(values, work).map(Value::Bool)
}

fn dict_method(of: &Rc<Dict>, name: &str, args: Arguments, work: &Work) -> Result<Value> {
    let view = match name {
        "get" => {
            let [key, default] = args.bind(name, ["", ""])?;
            let Some(key) = key else {
                return problem("get needs a key");
            };
            let found = of.get(&key, work)?.cloned();
            return Ok(found.or(default).unwrap_or(Value::None));
        }
        "copy" => {
            let [] = args.bind(name, [])?;
            return Ok(Value::Dict(of.clone()));
        }
        "keys" => View::Keys,
        "values" => View::Values,
        "items" => View::Items,
        _ => return unsupported(format!("'{name}' of a dict")),
    };
    let [] = args.bind(name, [])?;
    Ok(Value::View(view, of.clone()))
}

/// Returns a text, or any other value as text.
pub(super) fn soft_text(value: &Value, work: &Work) -> Result<Text> {
    Ok(match value {
        Value::Text(it) => it.clone(),
        it => Text {
            text: to_text(it, work)?.into(),
            safe: false,
        },
    })
}
