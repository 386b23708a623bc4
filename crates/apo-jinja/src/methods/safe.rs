//! Methods of texts that are marked as safe.

use super::super::arguments::Arguments;
use super::super::fault::{Result, Work, unsupported};
use super::super::operators::escape;
use super::super::value::{Text, Value};
use super::texts::{replace, replacement, text_method};

/// Calls a method of a text that is marked as safe. It gives no text, or one
/// that is made of this text alone and is safe as well.
pub(super) fn safe_text_method(
    of: &Text,
    name: &str,
    args: Arguments,
    work: &Work,
) -> Result<Value> {
    match name {
        "strip" | "lstrip" | "rstrip" | "split" | "rsplit" | "splitlines" | "partition"
        | "rpartition" | "removeprefix" | "removesuffix" | "zfill" | "expandtabs"
        | "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count"
        | "isdigit" | "isalpha" | "isalnum" | "isspace" | "isupper" | "islower" | "upper"
        | "lower" | "capitalize" | "title" | "swapcase" | "casefold" => {}
        "replace" => return replace_in_safe(&of.text, args, work),
        _ => return unsupported(format!("'{name}' of a text that is marked as safe")),
    }
    let safe = |it: &Value| match it {
        Value::Text(it) => Value::safe_text(it.text.clone()),
        it => it.clone(),
    };
    match text_method(&of.text, name, args, work)? {
        Value::List(it) => Value::list(it.items.iter().map(safe).collect()),
        Value::Tuple(it) => Value::tuple(it.items.iter().map(safe).collect()),
        found => Ok(safe(&found)),
    }
}

/// `replace` of a text that is marked as safe: the new text is escaped, unless
/// it is marked, too.
fn replace_in_safe(of: &str, args: Arguments, work: &Work) -> Result<Value> {
    let (old, new, count) = replacement(args)?;
    let new = if new.safe {
        new.text.to_string()
    } else {
        escape(&new.text, work)?
    };
    let replaced = replace(of, &old.text, &new, count, work)?;
    Ok(Value::safe_text(replaced))
}
