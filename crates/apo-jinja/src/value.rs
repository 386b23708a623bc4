//! Python's values, as far as templates meet them.
//!
//! Values hold and compare values, so lists, dicts, what changes, and comparisons are
//! parts of this module.

pub(super) mod holders;
pub(super) mod order;
pub(super) mod stateful;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::fault::{Result, Work, problem, unsupported};
use super::syntax::Uses;
use holders::{Dict, Inside, Sequence};
use stateful::{Cycler, Iterating, Joiner, Loop};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Undefined, with the reason.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text),
    List(Rc<Sequence>),
    Tuple(Rc<Sequence>),
    Dict(Rc<Dict>),
    Range(Range),
    /// What `keys`, `values` and `items` of a dict return.
    View(View, Rc<Dict>),
    /// A generator: it can be iterated over once.
    Iterator(Rc<Iterating>),
    /// A method of a value, not yet called.
    Method(Rc<(Value, String)>),
    Function(&'static str),
    Macro(Rc<Macro>),
    Namespace(Rc<Names>),
    Loop(Rc<Loop>),
    Cycler(Rc<Cycler>),
    Joiner(Rc<Joiner>),
}

/// A text; `safe` if it is marked as HTML (`|safe`, `|e`).
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(super) text: Arc<str>,
    pub(super) safe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Keys,
    Values,
    Items,
}

/// Numbers from a start to before a stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(super) start: i64,
    pub(super) stop: i64,
    pub(super) step: i64,
}

impl Range {
    pub(super) fn len(self) -> usize {
        let (span, step) = if self.step > 0 {
            (i128::from(self.stop) - i128::from(self.start), self.step)
        } else {
            (i128::from(self.start) - i128::from(self.stop), -self.step)
        };
        let step = i128::from(step);
        usize::try_from((span.max(0) + step - 1) / step).unwrap_or(usize::MAX)
    }

    pub(super) fn get(self, i: usize) -> Value {
        Value::Int(i128::from(self.start) + i as i128 * i128::from(self.step))
    }
}

/// A macro, and the scope that it was made in.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(super) number: usize,
    pub(super) scope: usize,
    /// Its name, or `None` for the body of a `call`.
    pub(super) name: Option<String>,
    pub(super) parameters: Vec<String>,
    pub(super) uses: Uses,
}

/// The names of a namespace and their values.
pub(crate) type Names = RefCell<Vec<(String, Value)>>;

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Text {
            text: text.into(),
            safe: false,
        })
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::text(text, false)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Value {
    pub(super) fn undefined(why: impl Into<String>) -> Self {
        Self::Undefined(why.into().into())
    }

    /// Returns the value of a name that has none.
    pub(super) fn unknown(name: &str) -> Self {
        Self::undefined(format!("'{name}' is undefined"))
    }

    pub(super) fn list(items: Vec<Value>) -> Result<Self> {
        Ok(Self::List(Sequence::new(items)?))
    }

    pub(super) fn tuple(items: Vec<Value>) -> Result<Self> {
        Ok(Self::Tuple(Sequence::new(items)?))
    }

    /// Returns a generator of items that were computed from a value.
    pub(super) fn generator(items: Vec<Value>, of: &Self, work: &Work) -> Result<Self> {
        Ok(Self::Iterator(Iterating::new(items, of, work)?))
    }

    pub(super) fn text(text: impl Into<Arc<str>>, safe: bool) -> Self {
        let text = text.into();
        Self::Text(Text { text, safe })
    }

    /// Returns a text that is marked as safe.
    pub(super) fn safe_text(text: impl Into<Arc<str>>) -> Self {
        Self::text(text, true)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(it) => Some(&it.text),
            _ => None,
        }
    }

    /// Returns an integer; truth values are 0 and 1.
    pub(super) fn as_int(&self) -> Option<i128> {
        match *self {
            Self::Int(it) => Some(it),
            Self::Bool(it) => Some(i128::from(it)),
            _ => None,
        }
    }

    /// Returns a number.
    pub(super) fn as_float(&self) -> Option<f64> {
        match *self {
            Self::Float(it) => Some(it),
            _ => self.as_int().map(|it| it as f64),
        }
    }

    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    /// Whether it counts as true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(it) => *it,
            Self::Int(it) => *it != 0,
            Self::Float(it) => *it != 0.0,
            Self::Text(it) => !it.text.is_empty(),
            Self::List(it) | Self::Tuple(it) => !it.items.is_empty(),
            Self::Dict(it) | Self::View(_, it) => !it.entries.is_empty(),
            Self::Range(it) => it.len() > 0,
            _ => true,
        }
    }

    /// Returns what Python calls its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "undefined value",
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Range(_) => "range",
            Self::View(..) => "view of a dict",
            Self::Iterator(_) => "generator",
            Self::Method(_) => "method",
            Self::Function(_) => "function",
            Self::Macro(_) => "macro",
            Self::Namespace(_) => "namespace",
            Self::Loop(_) => "loop",
            Self::Cycler(_) => "cycler",
            Self::Joiner(_) => "joiner",
        }
    }

    /// Returns how many items it has, if Python's `len` can tell.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Undefined(_) => Some(0),
            Self::Text(it) => Some(it.text.chars().count()),
            Self::List(it) | Self::Tuple(it) => Some(it.items.len()),
            Self::Dict(it) | Self::View(_, it) => Some(it.entries.len()),
            Self::Range(it) => Some(it.len()),
            Self::Loop(it) => it.len(),
            _ => None,
        }
    }

    pub(super) fn is_iterable(&self) -> bool {
        matches!(self, Self::Iterator(_) | Self::Loop(_)) || self.len().is_some()
    }

    /// Returns its items as Python iterates over them.
    pub(super) fn items(&self, work: &Work) -> Result<Vec<Value>> {
        // Items of a text are texts of their own.
        let units = match self {
            Self::Text(it) => 2 * it.text.len(),
            _ => self.len().unwrap_or(0),
        };
        work.spend(units)?;
        match self {
            Self::Undefined(_) => Ok(Vec::new()),
            Self::Text(it) => {
                let mut buffer = [0; 4];
                let text = it.text.chars();
                Ok(text
                    .map(|c| Value::from(&*c.encode_utf8(&mut buffer)))
                    .collect())
            }
            Self::List(it) | Self::Tuple(it) => Ok(it.items.clone()),
            Self::Dict(it) => it.view(View::Keys),
            Self::View(view, it) => it.view(*view),
            Self::Range(it) => Ok((0..it.len()).map(|i| it.get(i)).collect()),
            Self::Iterator(it) => it.rest(work),
            Self::Loop(_) => unsupported("going through `loop` itself"),
            _ => problem(format!("'{}' object is not iterable", self.type_name())),
        }
    }

    /// Returns what is known about the values that it holds.
    pub(super) fn inside(&self) -> Result<Inside> {
        match self {
            Self::List(it) | Self::Tuple(it) => Ok(it.inside),
            Self::Dict(it) | Self::View(_, it) => Ok(it.inside),
            Self::Iterator(it) => Ok(Inside {
                height: it.items.inside.height,
                changes: it.can_change(),
            }),
            Self::Cycler(it) => Ok(Inside {
                height: it.items.inside.height,
                changes: true,
            }),
            Self::Joiner(it) => Ok(it.separator.inside),
            // What it holds is freed and printed separately.
            Self::Namespace(_) => Ok(Inside {
                height: 0,
                changes: true,
            }),
            Self::Method(_) | Self::Loop(_) => {
                unsupported(format!("a {} inside another value", self.type_name()))
            }
            _ => Ok(Inside::default()),
        }
    }

    /// Whether what it holds can change.
    pub(super) fn can_change(&self) -> bool {
        self.inside().is_ok_and(|it| it.changes)
    }

    /// Checks that it may be the key of a dict.
    pub(super) fn check_hashable(&self) -> Result<()> {
        match self.unhashable() {
            Some(name) => problem(format!("unhashable type: '{name}'")),
            None => Ok(()),
        }
    }

    /// The type because of which it cannot be the key of a dict; `None` if it
    /// can.
    pub(super) fn unhashable(&self) -> Option<&'static str> {
        match self {
            Self::List(_) | Self::Dict(_) | Self::View(..) => Some(self.type_name()),
            Self::Tuple(it) => it.unhashable,
            _ => None,
        }
    }
}
