//! Names that a part of a template sets only after it has begun.
//!
//! Jinja turns each part that has its own scope into a part of a Python
//! function, and knows which names it sets before it runs. A name that a part
//! sets, and that neither this part nor one around it has read before, has no
//! value there until it is set. Parts inside it do not see what the template
//! was given under that name.

use std::collections::{HashMap, HashSet};

use super::names;
use super::syntax::{Expr, Kind, Node, Program, Statement, Target, Unset};

/// Returns the names that have no value when a part of a template begins.
pub(super) fn unset(program: &Program) -> Unset {
    let mut unset = Unset::default();
    unset.part(program, &[], &[], &program.body, None);
    for block in &program.blocks {
        unset.part(program, &[], &[], &block.body, None);
    }
    unset
}

impl Unset {
    /// Looks at a part, which begins with some names, reads some expressions
    /// and runs its statements, and at the parts inside it.
    fn part<'a>(
        &mut self,
        program: &'a Program,
        given: &[&'a str],
        read: &[&'a Node],
        body: &'a [Statement],
        around: Option<&Names<'a, '_>>,
    ) {
        let mut names = Names {
            around,
            before: None,
            has_value: HashMap::new(),
            stored: HashSet::new(),
        };
        for &name in given {
            names.stored.insert(name);
            names.has_value.insert(name, true);
        }
        names.all(read.iter().copied());
        names.statements(program, body);
        let all = names.has_value.iter();
        let unset = all.filter(|(_, has_value)| !**has_value);
        let mut unset: Vec<String> = unset.map(|(name, _)| (*name).to_owned()).collect();
        if !unset.is_empty() && !body.is_empty() {
            unset.sort();
            self.set(body, unset);
        }
        self.inside(program, body, &names);
    }

    /// Looks at the parts inside some statements.
    fn inside<'a>(&mut self, program: &'a Program, body: &'a [Statement], around: &Names<'a, '_>) {
        for statement in body {
            match &statement.kind {
                Kind::If(branches, otherwise) => {
                    let bodies = branches.iter().map(|(_, body)| body).chain([otherwise]);
                    for body in bodies {
                        self.inside(program, body, around);
                    }
                }
                Kind::For(number) => {
                    let it = &program.loops[*number];
                    let mut given = vec!["loop"];
                    targets(&it.target, &mut given);
                    self.part(program, &given, &[], &it.body, Some(around));
                    self.part(program, &[], &[], &it.otherwise, Some(around));
                }
                Kind::SetBlock(_, _, body) | Kind::Scope(body) => {
                    self.part(program, &[], &[], body, Some(around));
                }
                Kind::Filter(filter, body) => {
                    self.part(program, &[], &[filter], body, Some(around));
                }
                Kind::With(values, body) => {
                    let mut given = Vec::new();
                    for (target, _) in values {
                        targets(target, &mut given);
                    }
                    self.part(program, &given, &[], body, Some(around));
                }
                Kind::Macro(number) | Kind::Call(_, number) | Kind::Generation(number) => {
                    let it = &program.macros[*number];
                    let mut given: Vec<&str> = it.parameters.iter().map(String::as_str).collect();
                    given.extend(names::OF_MACROS);
                    let defaults: Vec<&Node> = it.defaults.iter().collect();
                    self.part(program, &given, &defaults, &it.body, Some(around));
                }
                Kind::Data(_)
                | Kind::Output(_)
                | Kind::Set(..)
                | Kind::Block(_)
                | Kind::Break
                | Kind::Continue => {}
            }
        }
    }
}

/// Adds the names that a value is assigned to.
fn targets<'a>(target: &'a Target, names: &mut Vec<&'a str>) {
    target.leaves(&mut |it| {
        if let Target::Name(name) = it {
            names.push(name);
        }
    });
}

/// The names in the statements of a part so far.
struct Names<'a, 'b> {
    around: Option<&'b Names<'a, 'b>>,
    /// For a branch of a condition, the part's names before it.
    before: Option<&'b Names<'a, 'b>>,
    /// Whether a name has a value when the part begins.
    has_value: HashMap<&'a str, bool>,
    stored: HashSet<&'a str>,
}

impl<'a> Names<'a, '_> {
    /// Whether a name has a value when the part begins, if the part itself uses
    /// it.
    fn own(&self, name: &str) -> Option<bool> {
        let before = || self.before.and_then(|it| it.own(name));
        self.has_value.get(name).copied().or_else(before)
    }

    fn is_known_around(&self, name: &str) -> bool {
        self.around.is_some_and(|it| it.knows(name))
    }

    fn knows(&self, name: &str) -> bool {
        self.own(name).is_some() || self.is_known_around(name)
    }

    fn is_stored(&self, name: &str) -> bool {
        self.stored.contains(name) || self.before.is_some_and(|it| it.is_stored(name))
    }

    fn load(&mut self, name: &'a str) {
        if !self.knows(name) {
            self.has_value.insert(name, true);
        }
    }

    fn store(&mut self, name: &'a str) {
        self.stored.insert(name);
        if self.own(name).is_none() {
            let is_known = self.is_known_around(name);
            self.has_value.insert(name, is_known);
        }
    }

    fn give(&mut self, target: &'a Target) {
        target.leaves(&mut |it| match it {
            Target::Name(name) => self.store(name),
            Target::Attribute(name, _) => self.load(name),
            Target::Tuple(_) => {}
        });
    }

    fn statements(&mut self, program: &'a Program, body: &'a [Statement]) {
        for statement in body {
            match &statement.kind {
                Kind::Output(nodes) => self.all(nodes),
                Kind::If(branches, otherwise) => self.branches(program, branches, otherwise),
                Kind::For(number) => self.read(&program.loops[*number].items),
                Kind::Set(target, value) => {
                    self.read(value);
                    self.give(target);
                }
                Kind::SetBlock(target, ..) => self.give(target),
                Kind::With(values, _) => self.all(values.iter().map(|(_, it)| it)),
                Kind::Filter(node, _) | Kind::Call(node, _) => self.read(node),
                Kind::Macro(number) => self.store(&program.macros[*number].name),
                Kind::Data(_)
                | Kind::Generation(_)
                | Kind::Scope(_)
                | Kind::Block(_)
                | Kind::Break
                | Kind::Continue => {}
            }
        }
    }

    fn branch(&self) -> Names<'a, '_> {
        Names {
            around: self.around,
            before: Some(self),
            has_value: HashMap::new(),
            stored: HashSet::new(),
        }
    }

    /// Goes through a condition; its `elif`s are its second branch. A name that
    /// not all three branches set has its value from before.
    fn branches(
        &mut self,
        program: &'a Program,
        branches: &'a [(Node, Vec<Statement>)],
        otherwise: &'a [Statement],
    ) {
        let Some(((test, body), more)) = branches.split_first() else {
            return;
        };
        self.read(test);
        let [mut first, mut second, mut third] = [self.branch(), self.branch(), self.branch()];
        first.statements(program, body);
        for branch in more {
            second.branches(program, std::slice::from_ref(branch), &[]);
        }
        third.statements(program, otherwise);
        let all = [first, second, third].map(|it| (it.has_value, it.stored));
        let n = all.len();
        let mut counts: HashMap<&'a str, usize> = HashMap::new();
        for &name in all.iter().flat_map(|(_, stored)| stored) {
            if !self.is_stored(name) {
                *counts.entry(name).or_default() += 1;
            }
        }
        for (has_value, stored) in all {
            self.has_value.extend(has_value);
            self.stored.extend(stored);
        }
        for (name, count) in counts {
            if count < n {
                self.has_value.insert(name, true);
            }
        }
    }

    fn read(&mut self, node: &'a Node) {
        if let Expr::Name(name) = &node.expr {
            self.load(name);
        }
        node.expr.parts(|it| self.read(it));
    }

    fn all(&mut self, nodes: impl IntoIterator<Item = &'a Node>) {
        for node in nodes {
            self.read(node);
        }
    }
}
