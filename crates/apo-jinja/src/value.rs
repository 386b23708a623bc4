//! Python's values, as far as templates meet them.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use super::fault::{Result, Work, problem, unsupported};

/// How deep lists, tuples and dicts may be nested into each other. They are
/// compared, printed and freed by recursion.
const HEIGHT: u32 = 100;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing, with why there is nothing.
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
    /// A generator: it is gone through once.
    Iterator(Rc<Iterating>),
    /// A method of a value, not yet called.
    Method(Rc<(Value, String)>),
    Function(&'static str),
    Macro(Macro),
    Namespace(Rc<RefCell<Vec<(String, Value)>>>),
    Loop(Rc<Loop>),
    Cycler(Rc<Cycler>),
    Joiner(Rc<Joiner>),
}

/// A text; safe when it is marked as HTML (`|safe`, `|e`).
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(super) text: Arc<str>,
    pub(super) safe: bool,
}

/// The items of a list or a tuple.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(super) items: Vec<Value>,
    /// Whether it is a group of `groupby`, whose items have names.
    pub(super) is_group: bool,
    height: u32,
    /// Why a tuple of the items cannot be the key of a dict, if so: the type of
    /// one of them.
    unhashable: Option<&'static str>,
}

/// A dict, its entries in the order in which they were set.
#[derive(Debug)]
pub(crate) struct Dict {
    pub(super) entries: Vec<(Value, Value)>,
    height: u32,
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

/// A generator's items and how many were taken.
#[derive(Debug)]
pub(crate) struct Iterating {
    items: Rc<Sequence>,
    taken: Cell<usize>,
}

/// A macro, and the scope that it was made in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Macro {
    pub(super) number: usize,
    pub(super) scopes: usize,
    pub(super) scope: u64,
}

/// What `loop` knows.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(super) items: Rc<Sequence>,
    pub(super) index: Cell<usize>,
    pub(super) depth: usize,
    pub(super) changed: RefCell<Option<Vec<Value>>>,
    /// For a recursive loop: its number, and the scope that it stands in.
    pub(super) recursive: Option<Macro>,
}

#[derive(Debug)]
pub(crate) struct Cycler {
    pub(super) items: Vec<Value>,
    pub(super) at: Cell<usize>,
}

#[derive(Debug)]
pub(crate) struct Joiner {
    pub(super) separator: Value,
    pub(super) used: Cell<bool>,
}

impl Sequence {
    /// Makes a sequence, unless it nests too deep.
    pub(super) fn new(items: Vec<Value>) -> Result<Rc<Self>> {
        let height = height(items.iter())?;
        let unhashable = items.iter().find_map(Value::unhashable);
        Ok(Rc::new(Self {
            items,
            is_group: false,
            height,
            unhashable,
        }))
    }

    /// Makes the items of a `loop`, which may be values that no list holds.
    pub(super) fn of_loop(items: Vec<Value>) -> Rc<Self> {
        Rc::new(Self {
            items,
            is_group: false,
            height: 0,
            unhashable: None,
        })
    }

    pub(super) fn group(items: Vec<Value>) -> Result<Rc<Self>> {
        let height = height(items.iter())?;
        let unhashable = items.iter().find_map(Value::unhashable);
        Ok(Rc::new(Self {
            items,
            is_group: true,
            height,
            unhashable,
        }))
    }
}

/// Returns the height of what holds some values.
fn height<'a>(values: impl Iterator<Item = &'a Value>) -> Result<u32> {
    let mut most = 0;
    for value in values {
        let of_value = match value {
            Value::List(it) | Value::Tuple(it) => it.height,
            Value::Dict(it) | Value::View(_, it) => it.height,
            Value::Iterator(it) => it.items.height,
            Value::Method(_)
            | Value::Function(_)
            | Value::Macro(_)
            | Value::Namespace(_)
            | Value::Loop(_)
            | Value::Cycler(_)
            | Value::Joiner(_) => {
                return unsupported(format!("a {} inside another value", value.type_name()));
            }
            _ => 0,
        };
        most = most.max(of_value);
    }
    if most >= HEIGHT {
        return problem(format!("values are nested into each other {HEIGHT} times"));
    }
    Ok(most + 1)
}

impl Dict {
    /// Makes a dict; of equal keys the last value counts.
    pub(super) fn new(entries: Vec<(Value, Value)>, work: &Work) -> Result<Rc<Self>> {
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
        let height = height(distinct.iter().flat_map(|(key, value)| [key, value]))?;
        Ok(Rc::new(Self {
            entries: distinct,
            height,
        }))
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &Value, work: &Work) -> Result<Option<&Value>> {
        key.check_hashable()?;
        for (it, value) in &self.entries {
            if equal(it, key, work)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    pub(super) fn get_text(&self, key: &str) -> Option<&Value> {
        let is_key = |(it, _): &&(Value, Value)| it.as_text() == Some(key);
        self.entries.iter().find(is_key).map(|(_, value)| value)
    }

    pub(super) fn view(&self, view: View) -> Result<Vec<Value>> {
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

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Text {
            text: text.into(),
            safe: false,
        })
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

    pub(super) fn list(items: Vec<Value>) -> Result<Self> {
        Ok(Self::List(Sequence::new(items)?))
    }

    pub(super) fn tuple(items: Vec<Value>) -> Result<Self> {
        Ok(Self::Tuple(Sequence::new(items)?))
    }

    pub(super) fn iterator(items: Vec<Value>) -> Result<Self> {
        Ok(Self::Iterator(Rc::new(Iterating {
            items: Sequence::new(items)?,
            taken: Cell::new(0),
        })))
    }

    pub(super) fn text(text: impl Into<Arc<str>>, safe: bool) -> Self {
        let text = text.into();
        Self::Text(Text { text, safe })
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
            Self::Loop(it) => !it.items.items.is_empty(),
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

    /// Returns how many items it has, where Python's `len` would.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Undefined(_) => Some(0),
            Self::Text(it) => Some(it.text.chars().count()),
            Self::List(it) | Self::Tuple(it) => Some(it.items.len()),
            Self::Dict(it) | Self::View(_, it) => Some(it.entries.len()),
            Self::Range(it) => Some(it.len()),
            Self::Loop(it) => Some(it.items.items.len()),
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
            Self::Iterator(it) => {
                let rest = &it.items.items[it.taken.get()..];
                work.spend(rest.len())?;
                it.taken.set(it.items.items.len());
                Ok(rest.to_vec())
            }
            Self::Loop(_) => unsupported("going through `loop` itself"),
            _ => problem(format!("'{}' object is not iterable", self.type_name())),
        }
    }

    /// Takes the next item of a generator.
    pub(super) fn next(&self) -> Option<Value> {
        let Self::Iterator(it) = self else {
            return None;
        };
        let item = it.items.items.get(it.taken.get()).cloned();
        it.taken.set(it.taken.get() + usize::from(item.is_some()));
        item
    }

    /// Checks that it may be the key of a dict.
    pub(super) fn check_hashable(&self) -> Result<()> {
        match self.unhashable() {
            Some(name) => problem(format!("unhashable type: '{name}'")),
            None => Ok(()),
        }
    }

    /// The type for which it cannot be the key of a dict; none where it can.
    fn unhashable(&self) -> Option<&'static str> {
        match self {
            Self::List(_) | Self::Dict(_) | Self::View(..) => Some(self.type_name()),
            Self::Tuple(it) => it.unhashable,
            _ => None,
        }
    }
}

/// Returns a list of the values that a template is given.
pub(crate) fn list(items: Vec<Value>) -> Value {
    let (is_group, height) = (false, 2);
    Value::List(Rc::new(Sequence {
        items,
        is_group,
        height,
        unhashable: None,
    }))
}

/// Returns a dict of texts that a template is given.
pub(crate) fn dict(entries: Vec<(&str, Value)>) -> Value {
    let entries = entries.into_iter();
    let entries = entries.map(|(key, value)| (Value::from(key), value));
    Value::Dict(Rc::new(Dict {
        entries: entries.collect(),
        height: 1,
    }))
}

/// Whether both values are numbers.
fn are_numbers(a: &Value, b: &Value) -> bool {
    a.as_float().is_some() && b.as_float().is_some()
}

/// Compares numbers as Python does, integers and reals by what they stand for;
/// none where one is no number.
fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    /// The least integer that not every real can tell from its neighbours.
    const EXACT: u128 = 1 << 53;
    let mixed = |int: i128, real: f64| {
        if int.unsigned_abs() < EXACT || !real.is_finite() {
            (int as f64).partial_cmp(&real)
        } else {
            // So large a real either is whole or is far from the integer.
            Some(int.cmp(&(real as i128)))
        }
    };
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Float(a), b) => mixed(b.as_int()?, *a).map(Ordering::reverse),
        (a, Value::Float(b)) => mixed(a.as_int()?, *b),
        (a, b) => Some(a.as_int()?.cmp(&b.as_int()?)),
    }
}

/// Whether two values are equal.
pub(super) fn equal(a: &Value, b: &Value, work: &Work) -> Result<bool> {
    work.spend(1)?;
    if are_numbers(a, b) {
        return Ok(compare_numbers(a, b) == Some(Ordering::Equal));
    }
    match (a, b) {
        (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => Ok(true),
        (Value::Text(a), Value::Text(b)) => {
            if a.text.len() == b.text.len() && !Arc::ptr_eq(&a.text, &b.text) {
                work.text(a.text.len())?;
            }
            Ok(Arc::ptr_eq(&a.text, &b.text) || a.text == b.text)
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.items.len() != b.items.len() {
                return Ok(false);
            }
            for (a, b) in a.items.iter().zip(&b.items) {
                if !equal(a, b, work)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Dict(a), Value::Dict(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.entries.len() != b.entries.len() {
                return Ok(false);
            }
            for (key, value) in &a.entries {
                match b.get(key, work)? {
                    Some(other) if equal(value, other, work)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Range(a), Value::Range(b)) => Ok(a.len() == b.len()
            && (a.len() == 0 || a.start == b.start && (a.len() == 1 || a.step == b.step))),
        (Value::Namespace(a), Value::Namespace(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::Iterator(a), Value::Iterator(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::View(..), Value::View(..)) => unsupported("comparing views of dicts"),
        (Value::Method(_), Value::Method(_))
        | (Value::Macro(_), Value::Macro(_))
        | (Value::Function(_), Value::Function(_))
        | (Value::Loop(_), Value::Loop(_))
        | (Value::Cycler(_), Value::Cycler(_))
        | (Value::Joiner(_), Value::Joiner(_)) => {
            unsupported(format!("comparing a {}", a.type_name()))
        }
        _ => Ok(false),
    }
}

/// Compares two values by `<`; none where neither is less or equal (NaN).
pub(super) fn compare(a: &Value, b: &Value, work: &Work) -> Result<Option<Ordering>> {
    work.spend(1)?;
    if are_numbers(a, b) {
        return Ok(compare_numbers(a, b));
    }
    match (a, b) {
        (Value::Undefined(why), _) | (_, Value::Undefined(why)) => problem(&**why),
        (Value::Text(a), Value::Text(b)) => {
            work.text(a.text.len().min(b.text.len()))?;
            Ok(Some(a.text.cmp(&b.text)))
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            for (a, b) in a.items.iter().zip(&b.items) {
                if !equal(a, b, work)? {
                    return compare(a, b, work);
                }
            }
            Ok(Some(a.items.len().cmp(&b.items.len())))
        }
        (Value::View(..), Value::View(..)) => unsupported("comparing views of dicts"),
        _ => problem(format!(
            "'<' not supported between '{}' and '{}'",
            a.type_name(),
            b.type_name()
        )),
    }
}

/// Sorts as Python does: stable, by `<` alone.
pub(super) fn sort(
    mut keyed: Vec<(Value, Value)>,
    reverse: bool,
    work: &Work,
) -> Result<Vec<Value>> {
    work.spend(keyed.len())?;
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        let (a, b) = if reverse { (b, a) } else { (a, b) };
        match compare(a, b, work) {
            Ok(Some(order)) => order,
            Ok(None) => {
                failed = unsupported::<()>("sorting NaN").err();
                Ordering::Equal
            }
            Err(error) => {
                failed = Some(error);
                Ordering::Equal
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, value)| value).collect()),
    }
}

/// Whether a value is in another, as Python's `in` has it.
pub(super) fn contains(holder: &Value, value: &Value, work: &Work) -> Result<bool> {
    match holder {
        Value::Text(holder) => match value {
            Value::Text(value) => {
                work.text(holder.text.len())?;
                Ok(holder.text.contains(&*value.text))
            }
            _ => problem(format!(
                "'in <string>' requires string as left operand, not {}",
                value.type_name()
            )),
        },
        Value::Dict(holder) | Value::View(View::Keys, holder) => {
            Ok(holder.get(value, work)?.is_some())
        }
        Value::Iterator(_) => {
            while let Some(item) = holder.next() {
                if equal(&item, value, work)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => {
            for item in holder.items(work)? {
                if equal(&item, value, work)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}
