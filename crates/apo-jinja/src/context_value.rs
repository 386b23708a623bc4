//! What a template is given.

use super::value::Value;
use super::value::holders;

/// A value that a template is given.
#[derive(Clone, Debug)]
pub struct ContextValue(pub(crate) Value);

impl ContextValue {
    /// Python's `None`.
    pub fn none() -> Self {
        Self(Value::None)
    }

    /// Returns a list.
    pub fn list(items: Vec<Self>) -> Self {
        Self(holders::list(items.into_iter().map(|it| it.0).collect()))
    }

    /// Returns a dict with its entries in this order.
    pub fn dict(entries: Vec<(&str, Self)>) -> Self {
        let entries = entries.into_iter().map(|(key, it)| (key, it.0));
        Self(holders::dict(entries.collect()))
    }
}

impl From<&str> for ContextValue {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<bool> for ContextValue {
    fn from(truth: bool) -> Self {
        Self(Value::Bool(truth))
    }
}
