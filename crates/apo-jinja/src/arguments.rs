//! The arguments of calls, filters and tests, as Python binds them.

use super::fault::{Result, problem};
use super::value::Value;

/// Arguments, evaluated.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(String, Value)>,
}

impl Arguments {
    /// Binds them to parameters; one without a name is bound by its place only.
    pub(super) fn bind<const N: usize>(
        self,
        what: &str,
        parameters: [&str; N],
    ) -> Result<[Option<Value>; N]> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            return problem(format!(
                "{what} takes up to {N} arguments, {} are given",
                self.positional.len()
            ));
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            let place = parameters.iter().position(|it| *it == name);
            let Some(place) = place.filter(|_| !name.is_empty()) else {
                return problem(format!("{what} has no argument '{name}'"));
            };
            if bound[place].replace(value).is_some() {
                return problem(format!("{what} got the argument '{name}' twice"));
            }
        }
        Ok(bound)
    }

    /// Binds them to parameters that all must be given.
    pub(super) fn all<const N: usize>(
        self,
        what: &str,
        parameters: [&str; N],
    ) -> Result<[Value; N]> {
        let bound = self.bind(what, parameters)?;
        if bound.iter().any(Option::is_none) {
            return problem(format!("{what} needs {N} arguments"));
        }
        Ok(bound.map(|it| it.unwrap_or(Value::None)))
    }
}

/// Returns an argument as a text.
pub(super) fn text<'a>(what: &str, value: &'a Value) -> Result<&'a str> {
    match value.as_text() {
        Some(text) => Ok(text),
        None => problem(format!(
            "{what}: expected a str, found a {}",
            value.type_name()
        )),
    }
}

/// Returns an argument as a text, or `None` if it is absent or Python's `None`.
pub(super) fn optional_text<'a>(what: &str, value: Option<&'a Value>) -> Result<Option<&'a str>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => text(what, value).map(Some),
    }
}

/// Returns an argument as an integer.
pub(super) fn int(what: &str, value: &Value) -> Result<i128> {
    match value.as_int() {
        Some(it) => Ok(it),
        None => problem(format!(
            "{what}: expected an int, found a {}",
            value.type_name()
        )),
    }
}

/// Whether an argument is given and counts as true.
pub(super) fn is_true(value: Option<Value>) -> bool {
    value.is_some_and(|it| it.is_true())
}

/// Returns an argument as a size; a negative one is 0.
pub(super) fn size(what: &str, value: &Value) -> Result<usize> {
    let size = int(what, value)?;
    Ok(usize::try_from(size.max(0)).unwrap_or(usize::MAX))
}
