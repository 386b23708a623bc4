//! Runs a template's statements.

use std::cell::RefCell;
use std::rc::Rc;

use super::arguments::Arguments;
use super::context_value::ContextValue;
use super::fault::{Fault, Kind as Failure, Result, Work, problem};
use super::print::{to_text, write_text};
use super::scopes::Scopes;
use super::syntax::{Kind, Node, Program, Statement, Target};
use super::value::{Names, Value};

/// How deep statements, expressions and calls of macros may be nested: they run
/// by recursion.
const DEPTH: usize = 600;

/// Names of a namespace that are compared for a unit of work.
const NAMES: usize = 16;

/// Names with their values.
pub type Context = Vec<(String, ContextValue)>;

/// What a template may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Units of work: steps of evaluation, items of lists, 64 bytes of text.
    pub work: u64,
    /// How many bytes it may write.
    pub output: usize,
}

impl Program {
    /// Renders the template.
    ///
    /// # Errors
    ///
    /// When the template refuses what it is given, when Jinja would fail, when
    /// something is not supported, and when it exceeds its limits.
    pub fn render(&self, context: &Context, limits: Limits) -> Result<String> {
        let names = context.iter();
        let names = names.map(|(name, value)| (name.as_str(), value.0.clone()));
        let mut renderer = Renderer {
            program: self,
            work: Work::new(limits.work),
            scopes: Scopes::new(names),
            namespaces: Vec::new(),
            out: String::new(),
            room: Some(limits.output),
            filtered: Vec::new(),
            depth: 0,
        };
        let done = renderer.unset_body(&self.body);
        // They may hold each other, and are freed only if that ends.
        for names in &renderer.namespaces {
            drop(names.take());
        }
        done.map(|_| renderer.out)
    }
}

pub(super) struct Renderer<'a> {
    pub(super) program: &'a Program,
    pub(super) work: Work,
    pub(super) scopes: Scopes<'a>,
    /// All namespaces that were made.
    namespaces: Vec<Rc<Names>>,
    out: String,
    /// How long `out` may become; `None` while it is the text of an inner part.
    room: Option<usize>,
    /// The texts of the filter blocks around the current place.
    pub(super) filtered: Vec<Value>,
    depth: usize,
}

/// How a body ends.
pub(super) enum Flow {
    Done,
    Break,
    Continue,
}

impl<'a> Renderer<'a> {
    /// Goes one level down.
    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH {
            return problem("macros, loops or expressions are nested too deep");
        }
        self.depth += 1;
        let found = run(self);
        self.depth -= 1;
        found
    }

    /// Makes a namespace.
    pub(super) fn new_namespace(&mut self, names: Vec<(String, Value)>) -> Value {
        let made = Rc::new(RefCell::new(names));
        self.namespaces.push(made.clone());
        Value::Namespace(made)
    }

    pub(super) fn assign(&mut self, target: &'a Target, value: Value) -> Result<()> {
        match target {
            Target::Name(name) => self.scopes.set(name, value),
            Target::Attribute(name, attribute) => {
                let Some(Value::Namespace(it)) = self.scopes.lookup(name) else {
                    return problem(format!(
                        "'{name}' is not a namespace: its attributes cannot be set"
                    ));
                };
                // As in a list, some values may not be held by others.
                value.inside()?;
                self.work.change();
                let mut names = it.borrow_mut();
                self.work.spend(names.len() / NAMES)?;
                match names.iter_mut().find(|(it, _)| it == attribute) {
                    Some((_, known)) => *known = value,
                    None => names.push((attribute.clone(), value)),
                }
            }
            Target::Tuple(targets) => {
                let items = value.items(&self.work)?;
                if items.len() != targets.len() {
                    return problem(format!(
                        "expected {} values to unpack, found {}",
                        targets.len(),
                        items.len()
                    ));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn body(&mut self, body: &'a [Statement]) -> Result<Flow> {
        for statement in body {
            self.work.spend(1)?;
            let flow = self.deeper(|it| it.statement(statement));
            match flow.map_err(|fault| fault.at(statement.line))? {
                Flow::Done => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Done)
    }

    /// Hides the names that have no value yet from a body whose scope has
    /// begun.
    pub(super) fn hide_unset(&mut self, body: &'a [Statement]) -> Result<()> {
        let names = self.program.unset.names(body);
        self.work.spend(names.len())?;
        for name in names {
            self.scopes.hide(name);
        }
        Ok(())
    }

    /// Runs a body whose scope has begun.
    fn unset_body(&mut self, body: &'a [Statement]) -> Result<Flow> {
        self.hide_unset(body)?;
        self.body(body)
    }

    /// Runs a body in a scope of its own.
    pub(super) fn scoped(&mut self, body: &'a [Statement]) -> Result<Flow> {
        self.scopes.push();
        let flow = self.unset_body(body)?;
        self.scopes.pop();
        Ok(flow)
    }

    /// Runs something and returns what it writes.
    pub(super) fn text_of<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(Value, T)> {
        let out = std::mem::take(&mut self.out);
        let room = self.room.take();
        let found = run(self)?;
        let text = std::mem::replace(&mut self.out, out);
        self.room = room;
        Ok((Value::from(text), found))
    }

    fn write(&mut self, value: &Value) -> Result<()> {
        write_text(&mut self.out, value, &self.work)?;
        self.check_room()
    }

    fn check_room(&self) -> Result<()> {
        match self.room {
            Some(room) if self.out.len() > room => Err(Fault::new(Failure::TooLong)),
            _ => Ok(()),
        }
    }

    fn statement(&mut self, statement: &'a Statement) -> Result<Flow> {
        match &statement.kind {
            Kind::Data(text) => {
                self.work.text(text.len())?;
                self.out.push_str(text);
                self.check_room()?;
            }
            Kind::Output(nodes) => {
                for node in nodes {
                    let value = self.eval(node)?;
                    self.write(&value)?;
                }
            }
            Kind::If(branches, otherwise) => {
                for (test, body) in branches {
                    if self.eval(test)?.is_true() {
                        return self.body(body);
                    }
                }
                return self.body(otherwise);
            }
            Kind::For(number) => {
                let items = self.eval(&self.program.loops[*number].items)?;
                return self.for_loop(*number, &items, 0);
            }
            Kind::Set(target, value) => {
                let value = self.eval(value)?;
                self.assign(target, value)?;
            }
            Kind::SetBlock(target, filter, body) => {
                let (mut text, flow) = self.text_of(|it| it.scoped(body))?;
                if !matches!(flow, Flow::Done) {
                    return Ok(flow);
                }
                if let Some(filter) = filter {
                    text = self.filter_text(filter, text)?;
                }
                self.assign(target, text)?;
            }
            Kind::With(values, body) => return self.with(values, body),
            Kind::Filter(filter, body) => {
                let (text, flow) = self.text_of(|it| it.scoped(body))?;
                if !matches!(flow, Flow::Done) {
                    return Ok(flow);
                }
                let text = self.filter_text(filter, text)?;
                if text.as_text().is_none() {
                    return problem(format!(
                        "the filters of a block must give a str, found a {}",
                        text.type_name()
                    ));
                }
                self.write(&text)?;
            }
            Kind::Macro(number) => {
                let name = &self.program.macros[*number].name;
                let made = self.macro_here(*number, Some(name));
                self.scopes.set(name, made);
            }
            Kind::Call(call, number) => {
                let caller = self.macro_here(*number, None);
                let text = self.call_with(call, Some(caller))?;
                self.write(&text)?;
            }
            Kind::Generation(number) => {
                let body = self.macro_here(*number, None);
                let text = self.call(&body, Arguments::default())?;
                self.write(&text)?;
            }
            Kind::Scope(body) => return self.scoped(body),
            Kind::Block(number) => {
                let block = &self.program.blocks[*number];
                if block.is_scoped {
                    let here = self.scopes.push_context(&self.work)?;
                    self.scoped(&block.body)?;
                    self.scopes.pop();
                    self.scopes.come_back(here);
                } else {
                    self.block(&block.body)?;
                }
            }
            Kind::Break => return Ok(Flow::Break),
            Kind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Done)
    }

    #[inline(never)]
    fn with(&mut self, values: &'a [(Target, Node)], body: &'a [Statement]) -> Result<Flow> {
        // All values are evaluated outside of the scope.
        let mut given = Vec::new();
        for (target, value) in values {
            given.push((target, self.eval(value)?));
        }
        self.scopes.push();
        self.hide_unset(body)?;
        for (target, value) in given {
            self.assign(target, value)?;
        }
        let flow = self.body(body)?;
        self.scopes.pop();
        Ok(flow)
    }

    #[inline(never)]
    fn filter_text(&mut self, filter: &'a Node, text: Value) -> Result<Value> {
        self.filtered.push(text);
        let found = self.eval(filter)?;
        self.filtered.pop();
        Ok(found)
    }

    pub(super) fn text(&self, value: &Value) -> Result<String> {
        to_text(value, &self.work)
    }
}
