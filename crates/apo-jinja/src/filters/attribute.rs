//! Attributes of items, as filters name them.

use super::super::access::item;
use super::super::fault::{Result, Work};
use super::super::value::Value;

/// Returns a value's attribute, or for names with dots between them the
/// attribute of an attribute; without a name, the value itself. A default
/// replaces each attribute that does not exist.
pub(super) fn by_attribute(
    value: &Value,
    by: Option<&Value>,
    default: Option<&Value>,
    work: &Work,
) -> Result<Value> {
    let default = default.filter(|it| !matches!(it, Value::None));
    let next = |of: &Value, key: &Value| {
        let found = item(of, key, work)?;
        Ok(match default {
            Some(default) if found.is_undefined() => default.clone(),
            _ => found,
        })
    };
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
                found = next(&found, &key)?;
            }
        }
        Some(by) => found = next(&found, by)?,
    }
    Ok(found)
}
