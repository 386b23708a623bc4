//! The names that are set in the parts of a template.

use std::collections::HashMap;

use super::fault::{Result, unsupported};
use super::value::Value;

/// The names of a part of a template, inside those of another part.
#[derive(Default)]
struct Scope<'a> {
    names: HashMap<&'a str, Value>,
    around: usize,
    /// Whether something was made here that refers to it.
    is_kept: bool,
    has_ended: bool,
}

/// All scopes. The first one has what the template is given and sets itself; the
/// second one hides what it has not set yet from the parts of its body. A scope
/// that has ended is dropped, unless something refers to it.
pub(super) struct Scopes<'a> {
    all: Vec<Scope<'a>>,
    current: usize,
}

/// The scope of the template's body.
const BODY: usize = 1;

impl<'a> Scopes<'a> {
    /// Returns the template's own scope with the names that it is given.
    pub(super) fn new(names: impl Iterator<Item = (&'a str, Value)>) -> Self {
        let names = names.collect();
        Self {
            all: vec![
                Scope {
                    names,
                    ..Scope::default()
                },
                Scope::default(),
            ],
            current: BODY,
        }
    }

    /// Begins a scope inside the current one.
    pub(super) fn push(&mut self) {
        self.all.push(Scope {
            around: self.current,
            ..Scope::default()
        });
        self.current = self.all.len() - 1;
    }

    /// Ends the current scope.
    pub(super) fn pop(&mut self) {
        let at = self.current;
        self.current = self.all[at].around;
        if at + 1 == self.all.len() && !self.all[at].is_kept {
            self.all.pop();
        } else {
            self.all[at].has_ended = true;
        }
    }

    /// Returns the current scope, for something that is made in it.
    pub(super) fn keep(&mut self) -> usize {
        self.all[self.current].is_kept = true;
        self.current
    }

    /// Goes to a scope, and returns the one to come back to.
    pub(super) fn go_to(&mut self, scope: usize) -> Result<usize> {
        if self.all[scope].has_ended {
            return unsupported("calling a macro after the block that it is made in");
        }
        Ok(std::mem::replace(&mut self.current, scope))
    }

    /// Comes back to a scope.
    pub(super) fn come_back(&mut self, scope: usize) {
        self.current = scope;
    }

    /// Returns the value of a name; none where it has none.
    pub(super) fn lookup(&self, name: &str) -> Option<&Value> {
        let mut at = self.current;
        loop {
            let scope = &self.all[at];
            match scope.names.get(name) {
                None if at > 0 => at = scope.around,
                found => return found,
            }
        }
    }

    /// Hides a name from the current scope on, until it is set there.
    pub(super) fn hide(&mut self, name: &'a str) {
        let why = Value::undefined(format!("'{name}' is undefined"));
        self.all[self.current].names.insert(name, why);
    }

    /// Gives a name of the current scope a value.
    pub(super) fn set(&mut self, name: &'a str, value: Value) {
        if self.current == BODY {
            self.all[BODY].names.remove(name);
            self.all[0].names.insert(name, value);
        } else {
            self.all[self.current].names.insert(name, value);
        }
    }
}
