//! Statements of a template, carried out.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::arguments::Arguments;
use super::fault::{Fault, Kind as Failure, Result, Work, problem, unsupported};
use super::given::Given;
use super::print::{to_text, write_text};
use super::syntax::{For, Kind, Node, Program, Statement, Target};
use super::value::{Dict, Loop, Macro, Sequence, Value};

/// How deep statements, expressions and calls of macros may stand in each
/// other: they are carried out by recursion.
const DEPTH: usize = 600;

/// Names of a namespace that are compared for a unit of work.
const NAMES: usize = 16;

/// Names with their values.
pub type Context = Vec<(String, Given)>;

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
            scopes: vec![Scope {
                id: 0,
                names: names.collect(),
            }],
            out: String::new(),
            room: Some(limits.output),
            filtered: Vec::new(),
            depth: 0,
            last_scope: 0,
        };
        renderer.body(&self.body)?;
        Ok(renderer.out)
    }
}

/// The names that are set in a part of a template.
struct Scope<'a> {
    id: u64,
    names: HashMap<&'a str, Value>,
}

pub(super) struct Renderer<'a> {
    pub(super) program: &'a Program,
    pub(super) work: Work,
    scopes: Vec<Scope<'a>>,
    out: String,
    /// How long `out` may become; none where it is the text of an inner part.
    room: Option<usize>,
    /// The bodies of filters around.
    pub(super) filtered: Vec<Value>,
    depth: usize,
    last_scope: u64,
}

/// How a body ends.
enum Flow {
    Done,
    Break,
    Continue,
}

impl<'a> Renderer<'a> {
    /// Goes one level down.
    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH {
            return problem("macros, loops or expressions stand too deep in each other");
        }
        self.depth += 1;
        let found = run(self);
        self.depth -= 1;
        found
    }

    fn push_scope(&mut self) {
        self.last_scope += 1;
        self.scopes.push(Scope {
            id: self.last_scope,
            names: HashMap::new(),
        });
    }

    /// Returns the value of a name; none where it has none.
    pub(super) fn lookup(&self, name: &str) -> Option<&Value> {
        let mut scopes = self.scopes.iter().rev();
        scopes.find_map(|scope| scope.names.get(name))
    }

    fn set(&mut self, name: &'a str, value: Value) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(name, value);
        }
    }

    fn assign(&mut self, target: &'a Target, value: Value) -> Result<()> {
        match target {
            Target::Name(name) => self.set(name, value),
            Target::Attribute(name, attribute) => {
                let Some(Value::Namespace(it)) = self.lookup(name).cloned() else {
                    return problem(format!(
                        "'{name}' is no namespace: its attributes cannot be set"
                    ));
                };
                // As in a list: it must not nest for ever.
                Sequence::new(vec![value.clone()])?;
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

    fn body(&mut self, body: &'a [Statement]) -> Result<Flow> {
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

    /// Carries out a body with a scope of its own.
    fn scoped(&mut self, body: &'a [Statement]) -> Result<Flow> {
        self.push_scope();
        let flow = self.body(body)?;
        self.scopes.pop();
        Ok(flow)
    }

    /// Carries out a body and returns what it writes.
    fn text_of(&mut self, run: impl FnOnce(&mut Self) -> Result<()>) -> Result<Value> {
        let out = std::mem::take(&mut self.out);
        let room = self.room.take();
        run(self)?;
        let text = std::mem::replace(&mut self.out, out);
        self.room = room;
        Ok(Value::from(text))
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
                self.for_loop(*number, &items, 0)?;
            }
            Kind::Set(target, value) => {
                let value = self.eval(value)?;
                self.assign(target, value)?;
            }
            Kind::SetBlock(target, filter, body) => {
                let mut text = self.text_of(|it| it.scoped(body).map(drop))?;
                if let Some(filter) = filter {
                    text = self.filter_text(filter, text)?;
                }
                self.assign(target, text)?;
            }
            Kind::With(values, body) => return self.with(values, body),
            Kind::Filter(filter, body) => {
                let text = self.text_of(|it| it.scoped(body).map(drop))?;
                let text = self.filter_text(filter, text)?;
                if text.as_text().is_none() {
                    return problem(format!(
                        "the filters of a block give a text, found a {}",
                        text.type_name()
                    ));
                }
                self.write(&text)?;
            }
            Kind::Macro(number) => {
                let made = self.macro_here(*number);
                self.set(&self.program.macros[*number].name, Value::Macro(made));
            }
            Kind::Call(call, number) => {
                let caller = Value::Macro(self.macro_here(*number));
                let text = self.call_with(call, Some(caller))?;
                self.write(&text)?;
            }
            Kind::Scope(body) => return self.scoped(body),
            Kind::Block(body) => {
                let inner = self.scopes.split_off(1);
                self.scoped(body)?;
                self.scopes.extend(inner);
            }
            Kind::Break => return Ok(Flow::Break),
            Kind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Done)
    }

    #[inline(never)]
    fn with(&mut self, values: &'a [(Target, Node)], body: &'a [Statement]) -> Result<Flow> {
        // All values are seen from outside.
        let mut given = Vec::new();
        for (target, value) in values {
            given.push((target, self.eval(value)?));
        }
        self.push_scope();
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

    /// Returns a macro, or a recursive loop, that is made here.
    fn macro_here(&self, number: usize) -> Macro {
        Macro {
            number,
            scopes: self.scopes.len(),
            scope: self.scopes.last().map_or(0, |it| it.id),
        }
    }

    /// Carries out something that sees only the names where it was made.
    fn where_made<T>(
        &mut self,
        made: Macro,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let last = made.scopes.checked_sub(1).and_then(|i| self.scopes.get(i));
        if last.is_none_or(|it| it.id != made.scope) {
            return unsupported("calling a macro outside of the block that it is made in");
        }
        let inner = self.scopes.split_off(made.scopes);
        let found = run(self)?;
        self.scopes.extend(inner);
        Ok(found)
    }

    #[inline(never)]
    fn for_loop(&mut self, number: usize, items: &Value, depth: usize) -> Result<()> {
        let it = &self.program.loops[number];
        let mut items = items.items(&self.work)?;
        if let Some(test) = &it.test {
            let mut kept = Vec::new();
            for item in items {
                self.push_scope();
                self.assign(&it.target, item.clone())?;
                let holds = self.eval(test)?.is_true();
                self.scopes.pop();
                if holds {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if !self.for_each(it, number, items, depth)? {
            self.scoped(&it.otherwise)?;
        }
        Ok(())
    }

    /// Carries out a loop's body for each item, and tells whether it came to its
    /// end for any.
    fn for_each(
        &mut self,
        it: &'a For,
        number: usize,
        items: Vec<Value>,
        depth: usize,
    ) -> Result<bool> {
        let state = Rc::new(Loop {
            items: Sequence::of_loop(items),
            index: Cell::new(0),
            depth,
            changed: RefCell::new(None),
            recursive: it.recursive.then(|| self.macro_here(number)),
        });
        let mut ended = false;
        for (i, item) in state.items.items.iter().enumerate() {
            self.work.spend(1)?;
            state.index.set(i);
            self.push_scope();
            self.set("loop", Value::Loop(state.clone()));
            self.assign(&it.target, item.clone())?;
            let flow = self.body(&it.body)?;
            self.scopes.pop();
            match flow {
                Flow::Done => ended = true,
                Flow::Continue => {}
                Flow::Break => break,
            }
        }
        Ok(ended)
    }

    /// Calls a recursive loop for further items.
    #[inline(never)]
    pub(super) fn call_loop(&mut self, state: &Loop, args: Arguments) -> Result<Value> {
        let Some(made) = state.recursive else {
            return problem("the loop is not marked as 'recursive'");
        };
        let [items] = args.all("loop", ["iterable"])?;
        let depth = state.depth + 1;
        self.text_of(|it| it.where_made(made, |it| it.for_loop(made.number, &items, depth)))
    }

    /// Calls a macro.
    #[inline(never)]
    pub(super) fn call_macro(&mut self, made: Macro, args: Arguments) -> Result<Value> {
        self.text_of(|it| {
            it.where_made(made, |it| {
                it.push_scope();
                it.bind(made.number, args)?;
                it.body(&it.program.macros[made.number].body)?;
                it.scopes.pop();
                Ok(())
            })
        })
    }

    /// Gives a macro's parameters their values.
    fn bind(&mut self, number: usize, args: Arguments) -> Result<()> {
        let it = &self.program.macros[number];
        let n = it.parameters.len();
        let mut positional = args.positional.into_iter();
        let mut named = args.named;
        let mut missing = Vec::new();
        for (i, name) in it.parameters.iter().enumerate() {
            let value = positional.next().or_else(|| {
                let at = named.iter().position(|(it, _)| it == name)?;
                Some(named.remove(at).1)
            });
            if value.is_none() {
                missing.push(i);
            }
            let why = || Value::undefined(format!("parameter '{name}' was not provided"));
            self.set(name, value.unwrap_or_else(why));
        }
        // A default may name the parameters before it.
        for i in missing {
            let first = n - it.defaults.len();
            if let Some(default) = i.checked_sub(first).and_then(|i| it.defaults.get(i)) {
                let value = self.eval(default)?;
                self.set(&it.parameters[i], value);
            }
        }
        if it.uses.caller {
            let at = named.iter().position(|(it, _)| it == "caller");
            let none = || Value::undefined("no caller defined");
            let caller = at.map_or_else(none, |at| named.remove(at).1);
            self.set("caller", caller);
        }
        if it.uses.kwargs {
            let named = named.drain(..);
            let entries = named.map(|(name, value)| (Value::from(name), value));
            let kwargs = Value::Dict(Dict::new(entries.collect(), &self.work)?);
            self.set("kwargs", kwargs);
        }
        if let Some((name, _)) = named.first() {
            return problem(format!(
                "macro '{}' takes no keyword argument '{name}'",
                it.name
            ));
        }
        let rest: Vec<Value> = positional.collect();
        if it.uses.varargs {
            self.set("varargs", Value::tuple(rest)?);
        } else if !rest.is_empty() {
            return problem(format!(
                "macro '{}' takes not more than {n} arguments",
                it.name
            ));
        }
        Ok(())
    }

    pub(super) fn text(&self, value: &Value) -> Result<String> {
        to_text(value, &self.work)
    }
}
