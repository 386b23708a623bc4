//! Runs loops, macros and blocks.

use std::rc::Rc;

use super::arguments::Arguments;
use super::fault::{Result, Work, problem};
use super::render::{Flow, Renderer};
use super::syntax::{Expr, Node, Statement, Target};
use super::value::holders::Dict;
use super::value::stateful::{Further, Loop};
use super::value::{Macro, Value};

impl<'a> Renderer<'a> {
    /// Makes a macro in the current scope, with or without a name.
    pub(super) fn macro_here(&mut self, number: usize, name: Option<&str>) -> Value {
        let it = &self.program.macros[number];
        Value::Macro(Rc::new(Macro {
            number,
            scope: self.scopes.keep(),
            name: name.map(str::to_owned),
            parameters: it.parameters.clone(),
            uses: it.uses,
        }))
    }

    /// Runs something that sees only the names of a scope.
    fn at_scope<T>(&mut self, scope: usize, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let here = self.scopes.go_to(scope)?;
        let found = run(self)?;
        self.scopes.come_back(here);
        Ok(found)
    }

    /// Runs a block, which sees only what the template itself sets, or what a
    /// scoped block around it sees.
    pub(super) fn block(&mut self, body: &'a [Statement]) -> Result<()> {
        let context = self.scopes.context();
        self.at_scope(context, |it| it.scoped(body).map(drop))
    }

    /// Returns the number of the block that `self.name` stands for.
    pub(super) fn own_block(&self, callee: &Node) -> Option<usize> {
        let (of, name) = match &callee.expr {
            Expr::Attribute(of, name) => (of.as_ref(), name.as_str()),
            Expr::Item(both) => match &both[1].expr {
                Expr::Text(name) => (&both[0], &**name),
                _ => return None,
            },
            _ => return None,
        };
        let is_self = matches!(&of.expr, Expr::Name(it) if it == "self");
        if !is_self || self.scopes.lookup("self").is_some() {
            return None;
        }
        let mut blocks = self.program.blocks.iter();
        blocks.position(|it| it.name == name)
    }

    /// Returns the text of a block.
    pub(super) fn call_block(&mut self, number: usize) -> Result<Value> {
        let body = &self.program.blocks[number].body;
        Ok(self.text_of(|it| it.block(body))?.0)
    }

    #[inline(never)]
    pub(super) fn for_loop(&mut self, number: usize, items: &Value, depth: usize) -> Result<Flow> {
        let it = &self.program.loops[number];
        let scope = self.scopes.keep();
        let items = (items, it.test.is_some());
        let state = Loop::new(number, scope, depth, it.recursive, items, &self.work)?;
        let mut ended = false;
        loop {
            self.pull(&state, Further::Next)?;
            let Some(item) = state.go_on() else { break };
            self.work.spend(1)?;
            self.scopes.push();
            self.hide_unset(&it.body)?;
            self.scopes.set("loop", Value::Loop(state.clone()));
            self.assign(&it.target, item)?;
            let flow = self.body(&it.body)?;
            self.scopes.pop();
            // Only a body that runs to its end counts.
            match flow {
                Flow::Done => ended = true,
                Flow::Continue => {}
                Flow::Break => break,
            }
        }
        if ended {
            return Ok(Flow::Done);
        }
        // The `else` part may end a loop around this one.
        self.scoped(&it.otherwise)
    }

    /// Makes a loop know further items.
    fn pull(&mut self, state: &Loop, further: Further) -> Result<()> {
        while !state.knows(further) {
            let Some(item) = state.take(&self.work)? else {
                break;
            };
            let it = &self.program.loops[state.number];
            let Some(test) = &it.test else {
                state.add(item);
                continue;
            };
            let item = unpacked(&it.target, item, &self.work)?;
            let holds = self.at_scope(state.scope, |renderer| {
                renderer.scopes.push();
                renderer.assign(&it.target, item.clone())?;
                let holds = renderer.eval(test)?.is_true();
                renderer.scopes.pop();
                Ok(holds)
            })?;
            if holds {
                state.add(item);
            }
        }
        Ok(())
    }

    /// Makes a loop, if the value is one, know what an attribute depends on.
    pub(super) fn look_ahead(&mut self, of: &Value, attribute: &str) -> Result<()> {
        match of {
            Value::Loop(it) => self.pull(it, Further::of(attribute)),
            _ => Ok(()),
        }
    }

    /// Calls a recursive loop for further items.
    #[inline(never)]
    pub(super) fn call_loop(&mut self, state: &Loop, args: Arguments) -> Result<Value> {
        if !state.is_recursive {
            return problem("the loop is not marked as 'recursive'");
        }
        let [items] = args.all("loop", ["iterable"])?;
        let depth = state.depth + 1;
        let run = |it: &mut Self| it.for_loop(state.number, &items, depth).map(drop);
        Ok(self.text_of(|it| it.at_scope(state.scope, run))?.0)
    }

    /// Calls a macro.
    #[inline(never)]
    pub(super) fn call_macro(&mut self, made: &Macro, args: Arguments) -> Result<Value> {
        let run = |it: &mut Self| {
            it.scopes.push();
            it.hide_unset(&it.program.macros[made.number].body)?;
            it.bind(made.number, args)?;
            it.body(&it.program.macros[made.number].body)?;
            it.scopes.pop();
            Ok(())
        };
        Ok(self.text_of(|it| it.at_scope(made.scope, run))?.0)
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
            self.scopes.set(name, value.unwrap_or_else(why));
        }
        // A default may name the parameters before it.
        for i in missing {
            let first = n - it.defaults.len();
            if let Some(default) = i.checked_sub(first).and_then(|i| it.defaults.get(i)) {
                let value = self.eval(default)?;
                self.scopes.set(&it.parameters[i], value);
            }
        }
        if it.uses.caller {
            let at = named.iter().position(|(it, _)| it == "caller");
            let none = || Value::undefined("no caller defined");
            let caller = at.map_or_else(none, |at| named.remove(at).1);
            self.scopes.set("caller", caller);
        }
        if it.uses.kwargs {
            let named = named.drain(..);
            let entries = named.map(|(name, value)| (Value::from(name), value));
            let kwargs = Value::Dict(Dict::new(entries.collect(), &self.work)?);
            self.scopes.set("kwargs", kwargs);
        }
        if let Some((name, _)) = named.first() {
            return problem(format!(
                "macro '{}' takes no keyword argument '{name}'",
                it.name
            ));
        }
        let rest: Vec<Value> = positional.collect();
        if it.uses.varargs {
            self.scopes.set("varargs", Value::tuple(rest)?);
        } else if !rest.is_empty() {
            return problem(format!(
                "macro '{}' takes not more than {n} arguments",
                it.name
            ));
        }
        Ok(())
    }
}

/// Returns an item as a loop that tests its items passes it on: taken apart and
/// put together again as tuples, where several names take it.
fn unpacked(target: &Target, item: Value, work: &Work) -> Result<Value> {
    let Target::Tuple(targets) = target else {
        return Ok(item);
    };
    let items = item.items(work)?;
    if items.len() != targets.len() {
        return Value::tuple(items);
    }
    let items = targets.iter().zip(items);
    let items = items.map(|(target, item)| unpacked(target, item, work));
    Value::tuple(items.collect::<Result<_>>()?)
}
