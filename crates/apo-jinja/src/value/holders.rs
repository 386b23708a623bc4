//! Lists, tuples and dicts.

use std::rc::Rc;

use super::super::fault::{Result, Work, problem};
use super::order::equal;
use super::{Value, View};

/// How deep lists, tuples and dicts may be nested. They are compared, printed
/// and freed by recursion.
const HEIGHT: u32 = 100;

/// What is known about the values that a value holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inside {
    /// How deep values are nested in it.
    pub(crate) height: u32,
    /// Whether one of them can change, as a namespace can.
    pub(crate) changes: bool,
}

impl Inside {
    /// Returns what is known about the holder of some values, unless it nests
    /// too deep.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<Self> {
        let mut all = Self::default();
        for value in values {
            let inside = value.inside()?;
            all.height = all.height.max(inside.height);
            all.changes |= inside.changes;
        }
        if all.height >= HEIGHT {
            return problem(format!("values are nested more than {HEIGHT} times"));
        }
        all.height += 1;
        Ok(all)
    }
}

/// The items of a list or a tuple.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) items: Vec<Value>,
    /// Whether it is a group of `groupby`, whose items have names.
    pub(crate) is_group: bool,
    pub(crate) inside: Inside,
    /// The type of an item because of which a tuple of them cannot be the key
    /// of a dict, if there is one.
    pub(crate) unhashable: Option<&'static str>,
}

/// A dict with its entries in the order in which they were set.
#[derive(Debug)]
pub(crate) struct Dict {
    pub(crate) entries: Vec<(Value, Value)>,
    pub(crate) inside: Inside,
}

impl Sequence {
    fn made(items: Vec<Value>, is_group: bool) -> Result<Rc<Self>> {
        let inside = Inside::of(&items)?;
        let unhashable = items.iter().find_map(Value::unhashable);
        Ok(Rc::new(Self {
            items,
            is_group,
            inside,
            unhashable,
        }))
    }

    /// Makes a sequence, unless it nests too deep.
    pub(crate) fn new(items: Vec<Value>) -> Result<Rc<Self>> {
        Self::made(items, false)
    }

    /// Makes a group of `groupby`, unless it nests too deep.
    pub(crate) fn group(items: Vec<Value>) -> Result<Rc<Self>> {
        Self::made(items, true)
    }
}

impl Dict {
    /// Makes a dict; if keys are equal, the last value counts.
    pub(crate) fn new(entries: Vec<(Value, Value)>, work: &Work) -> Result<Rc<Self>> {
        let mut distinct: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            key.check_hashable()?;
            let mut known = None;
            for (i, (it, _)) in distinct.iter().enumerate() {
                if equal(it, &key, work)? {
                    known = Some(i);
                    break;
                }
            }
            match known {
                Some(i) => distinct[i].1 = value,
                None => distinct.push((key, value)),
            }
        }
        let inside = Inside::of(distinct.iter().flat_map(|(key, value)| [key, value]))?;
        Ok(Rc::new(Self {
            entries: distinct,
            inside,
        }))
    }

    /// Returns the value of a key.
    pub(crate) fn get(&self, key: &Value, work: &Work) -> Result<Option<&Value>> {
        key.check_hashable()?;
        for (it, value) in &self.entries {
            if equal(it, key, work)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    pub(crate) fn get_text(&self, key: &str) -> Option<&Value> {
        let is_key = |(it, _): &&(Value, Value)| it.as_text() == Some(key);
        self.entries.iter().find(is_key).map(|(_, value)| value)
    }

    pub(crate) fn view(&self, view: View) -> Result<Vec<Value>> {
        let entries = self.entries.iter();
        match view {
            View::Keys => Ok(entries.map(|(key, _)| key.clone()).collect()),
            View::Values => Ok(entries.map(|(_, value)| value.clone()).collect()),
            View::Items => entries
                .map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()]))
                .collect(),
        }
    }
}

/// Returns a list of the values that a template is given.
pub(crate) fn list(items: Vec<Value>) -> Value {
    Value::List(Rc::new(Sequence {
        items,
        is_group: false,
        inside: Inside {
            height: 2,
            changes: false,
        },
        unhashable: None,
    }))
}

/// Returns a dict of texts that a template is given.
pub(crate) fn dict(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries.into_iter();
    let entries = entries.map(|(key, value)| (Value::from(key), value));
    Value::Dict(Rc::new(Dict {
        entries: entries.collect(),
        inside: Inside {
            height: 1,
            changes: false,
        },
    }))
}
