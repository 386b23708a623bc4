//! Values that change: generators, cyclers, joiners, and `loop`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::super::fault::{Result, Work, problem, unsupported};
use super::Value;
use super::holders::Sequence;
use super::order::equal;

/// A generator's items and how many were taken. Python computes them when they
/// are taken. Here they are computed at once, so those that depend on something
/// that can change are refused after a change.
#[derive(Debug)]
pub(crate) struct Iterating {
    pub(crate) items: Rc<Sequence>,
    taken: Cell<usize>,
    /// How often something had changed when the items were computed, if they
    /// depend on it.
    changes: Option<u64>,
}

impl Iterating {
    /// Makes a generator of items that were computed from a value.
    pub(crate) fn new(items: Vec<Value>, of: &Value, work: &Work) -> Result<Rc<Self>> {
        Ok(Rc::new(Self {
            items: Sequence::new(items)?,
            taken: Cell::new(0),
            changes: of.can_change().then(|| work.changes()),
        }))
    }

    /// Whether its items depend on what can change.
    pub(crate) fn can_change(&self) -> bool {
        self.changes.is_some() || self.items.inside.changes
    }

    fn check(&self, work: &Work) -> Result<()> {
        let is_stale = self.changes.is_some_and(|it| it != work.changes());
        if is_stale && self.taken.get() < self.items.items.len() {
            return unsupported("a generator of what a namespace held before it was changed");
        }
        Ok(())
    }

    /// Takes all items that are left.
    pub(crate) fn rest(&self, work: &Work) -> Result<Vec<Value>> {
        self.check(work)?;
        let rest = &self.items.items[self.taken.get()..];
        work.spend(rest.len())?;
        self.taken.set(self.items.items.len());
        Ok(rest.to_vec())
    }

    /// Takes the next item.
    pub(crate) fn next(&self, work: &Work) -> Result<Option<Value>> {
        self.check(work)?;
        let item = self.items.items.get(self.taken.get()).cloned();
        self.taken
            .set(self.taken.get() + usize::from(item.is_some()));
        Ok(item)
    }
}

#[derive(Debug)]
pub(crate) struct Cycler {
    pub(crate) items: Rc<Sequence>,
    pub(crate) at: Cell<usize>,
}

#[derive(Debug)]
pub(crate) struct Joiner {
    /// One item.
    pub(crate) separator: Rc<Sequence>,
    pub(crate) used: Cell<bool>,
}

/// The items that a loop has not looked at yet.
#[derive(Debug)]
pub(crate) enum Source {
    Items(std::vec::IntoIter<Value>),
    Generator(Rc<Iterating>),
}

impl Source {
    fn next(&mut self, work: &Work) -> Result<Option<Value>> {
        match self {
            Self::Items(it) => Ok(it.next()),
            Self::Generator(it) => it.next(work),
        }
    }
}

/// Which further items of a loop something depends on.
#[derive(Clone, Copy)]
pub(crate) enum Further {
    None,
    Next,
    All,
}

impl Further {
    /// Returns what an attribute of `loop` depends on.
    pub(crate) fn of(attribute: &str) -> Self {
        match attribute {
            "last" | "nextitem" => Self::Next,
            "length" | "revindex" | "revindex0" => Self::All,
            _ => Self::None,
        }
    }
}

/// What `loop` knows.
#[derive(Debug)]
pub(crate) struct Loop {
    /// Which of the template's loops it is, and the scope that it is in.
    pub(crate) number: usize,
    pub(crate) scope: usize,
    pub(crate) is_recursive: bool,
    pub(crate) depth: usize,
    index: Cell<usize>,
    before: RefCell<Option<Value>>,
    current: RefCell<Option<Value>>,
    /// Items that the loop will go through.
    ahead: RefCell<VecDeque<Value>>,
    /// The source of further items. They may have to pass the loop's test,
    /// which depends on what the loop does before.
    source: RefCell<Option<Source>>,
    changed: RefCell<Option<Vec<Value>>>,
}

impl Loop {
    /// Makes the `loop` of the template's loop with a number, which is in a
    /// scope and may test its items.
    pub(crate) fn new(
        number: usize,
        scope: usize,
        depth: usize,
        is_recursive: bool,
        (items, is_tested): (&Value, bool),
        work: &Work,
    ) -> Result<Rc<Self>> {
        let (ahead, source) = match items {
            Value::Iterator(it) => (Vec::new(), Some(Source::Generator(it.clone()))),
            it if is_tested => (Vec::new(), Some(Source::Items(it.items(work)?.into_iter()))),
            it => (it.items(work)?, None),
        };
        Ok(Rc::new(Self {
            number,
            scope,
            is_recursive,
            depth,
            index: Cell::new(0),
            before: RefCell::new(None),
            current: RefCell::new(None),
            ahead: RefCell::new(ahead.into()),
            source: RefCell::new(source),
            changed: RefCell::new(None),
        }))
    }

    /// Whether it knows further items.
    pub(crate) fn knows(&self, further: Further) -> bool {
        let is_all = self.source.borrow().is_none();
        is_all
            || match further {
                Further::None => true,
                Further::Next => !self.ahead.borrow().is_empty(),
                Further::All => false,
            }
    }

    /// Takes another item from the source.
    pub(crate) fn take(&self, work: &Work) -> Result<Option<Value>> {
        let mut source = self.source.borrow_mut();
        let found = match source.as_mut() {
            Some(it) => it.next(work)?,
            None => None,
        };
        if found.is_none() {
            *source = None;
        }
        Ok(found)
    }

    /// Adds an item that the loop will go through.
    pub(crate) fn add(&self, item: Value) {
        self.ahead.borrow_mut().push_back(item);
    }

    /// Advances to the next item.
    pub(crate) fn go_on(&self) -> Option<Value> {
        let item = self.ahead.borrow_mut().pop_front()?;
        let before = self.current.replace(Some(item.clone()));
        if before.is_some() {
            self.index.set(self.index.get() + 1);
        }
        *self.before.borrow_mut() = before;
        Some(item)
    }

    /// Returns the number of the current item, from 1.
    pub(crate) fn index(&self) -> usize {
        self.index.get() + 1
    }

    /// Returns how many items it has, if they are all known.
    pub(crate) fn len(&self) -> Option<usize> {
        self.knows(Further::All)
            .then(|| self.index() + self.ahead.borrow().len())
    }

    /// Returns an attribute of `loop`.
    pub(crate) fn attribute(self: &Rc<Self>, name: &str) -> Result<Option<Value>> {
        if !self.knows(Further::of(name)) {
            return unsupported(format!("'{name}' of this loop in this way"));
        }
        let (i, ahead) = (self.index(), self.ahead.borrow());
        let number = |it: usize| Ok(Some(Value::Int(it as i128)));
        match name {
            "index0" => number(i - 1),
            "index" => number(i),
            "revindex0" => number(ahead.len()),
            "revindex" => number(ahead.len() + 1),
            "length" => number(i + ahead.len()),
            "depth0" => number(self.depth),
            "depth" => number(self.depth + 1),
            "first" => Ok(Some(Value::Bool(i == 1))),
            "last" => Ok(Some(Value::Bool(ahead.is_empty()))),
            "previtem" => {
                let none = || Value::undefined("there is no previous item");
                Ok(Some(self.before.borrow().clone().unwrap_or_else(none)))
            }
            "nextitem" => {
                let none = || Value::undefined("there is no next item");
                Ok(Some(ahead.front().cloned().unwrap_or_else(none)))
            }
            "cycle" | "changed" => {
                let method = (Value::Loop(self.clone()), name.to_owned());
                Ok(Some(Value::Method(Rc::new(method))))
            }
            _ => Ok(None),
        }
    }

    /// Returns the value whose turn it is.
    pub(crate) fn cycle(&self, values: &[Value]) -> Result<Value> {
        match values.len() {
            0 => problem("no items for cycling given"),
            n => Ok(values[self.index.get() % n].clone()),
        }
    }

    /// Whether the values differ from those of the call before, which they replace.
    pub(crate) fn has_changed(&self, values: Vec<Value>, work: &Work) -> Result<bool> {
        let mut same = false;
        if let Some(before) = &*self.changed.borrow() {
            same = before.len() == values.len();
            for (a, b) in before.iter().zip(&values) {
                same = same && equal(a, b, work)?;
            }
        }
        *self.changed.borrow_mut() = Some(values);
        Ok(!same)
    }
}
