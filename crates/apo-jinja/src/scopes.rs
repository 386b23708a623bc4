//! The names that are set in the parts of a template.

use std::collections::HashMap;

use super::fault::{Result, Work, unsupported};
use super::value::Value;

/// The names that are set in one part of a template.
#[derive(Default)]
struct Scope<'a> {
    /// A name without a value hides the names around, until it is set.
    names: HashMap<&'a str, Option<Value>>,
    around: usize,
    /// Whether blocks see its names; they do not see those of other scopes.
    is_context: bool,
    /// Whether something was made here that refers to it.
    is_kept: bool,
    has_ended: bool,
}

/// All scopes. The first one has what the template is given and what it sets
/// itself. The second one hides what it has not set yet from the parts of its
/// body. A scope that has ended is dropped, unless something refers to it.
pub(super) struct Scopes<'a> {
    all: Vec<Scope<'a>>,
    current: usize,
}

/// The scope of the template's body.
const BODY: usize = 1;

impl<'a> Scopes<'a> {
    /// Begins with the names that a template is given.
    pub(super) fn new(names: impl Iterator<Item = (&'a str, Value)>) -> Self {
        let given = Scope {
            names: names.map(|(name, value)| (name, Some(value))).collect(),
            is_context: true,
            ..Scope::default()
        };
        Self {
            all: vec![given, Scope::default()],
            current: BODY,
        }
    }

    /// Begins a scope inside the current one.
    pub(super) fn push(&mut self) {
        self.begin(Scope {
            around: self.current,
            ..Scope::default()
        });
    }

    fn begin(&mut self, scope: Scope<'a>) {
        self.all.push(scope);
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

    /// Returns the scope whose names a block sees here.
    pub(super) fn context(&self) -> usize {
        let mut at = self.current;
        while !self.all[at].is_context {
            at = self.all[at].around;
        }
        at
    }

    /// Begins a scope for a scoped block, which sees the values that names have
    /// now, and returns the scope to come back to.
    pub(super) fn push_context(&mut self, work: &Work) -> Result<usize> {
        let (here, context) = (self.current, self.context());
        let mut names = HashMap::new();
        let mut at = here;
        while at != context {
            let scope = &self.all[at];
            work.spend(scope.names.len())?;
            for (name, value) in &scope.names {
                names.entry(*name).or_insert_with(|| value.clone());
            }
            at = scope.around;
        }
        // A name without a value hides nothing from a block.
        names.retain(|_, value| value.is_some());
        self.begin(Scope {
            names,
            around: context,
            is_context: true,
            ..Scope::default()
        });
        Ok(here)
    }

    /// Returns the value of a name, or `None` if it was never set.
    pub(super) fn lookup(&self, name: &str) -> Option<Value> {
        let mut at = self.current;
        loop {
            let scope = &self.all[at];
            match scope.names.get(name) {
                Some(Some(value)) => return Some(value.clone()),
                Some(None) => return Some(Value::unknown(name)),
                None if at == 0 => return None,
                None => at = scope.around,
            }
        }
    }

    /// Hides a name from the current scope on, until it is set there.
    pub(super) fn hide(&mut self, name: &'a str) {
        self.all[self.current].names.insert(name, None);
    }

    /// Gives a name of the current scope a value.
    pub(super) fn set(&mut self, name: &'a str, value: Value) {
        if self.current == BODY {
            self.all[BODY].names.remove(name);
            self.all[0].names.insert(name, Some(value));
        } else {
            self.all[self.current].names.insert(name, Some(value));
        }
    }
}
