//! Evaluates a template's expressions.

use std::cell::Cell;
use std::rc::Rc;

use super::access::{attribute, item, slice};
use super::arguments::{Arguments, int};
use super::checks::check;
use super::date::date;
use super::fault::{Fault, Kind as Failure, Result, problem, unsupported};
use super::filters::filter;
use super::methods;
use super::names;
use super::operators::{binary, compares, negative, positive};
use super::print::write_text;
use super::render::Renderer;
use super::syntax::{self, Expr, Node};
use super::value::holders::{Dict, Sequence};
use super::value::stateful::{Cycler, Joiner};
use super::value::{Range, Value};

/// The most numbers that Jinja's sandbox gives a `range`.
const LONGEST_RANGE: usize = 100_000;

impl<'a> Renderer<'a> {
    /// Evaluates an expression.
    pub(super) fn eval(&mut self, node: &'a Node) -> Result<Value> {
        self.work.spend(1)?;
        match &node.expr {
            Expr::None => Ok(Value::None),
            Expr::Bool(it) => Ok(Value::Bool(*it)),
            Expr::Int(it) => Ok(Value::Int(*it)),
            Expr::Float(it) => Ok(Value::Float(*it)),
            Expr::Text(it) => Ok(Value::from(it.clone())),
            Expr::Name(name) => self.named(name),
            _ => self.deeper(|it| it.operation(node)),
        }
    }

    fn named(&self, name: &str) -> Result<Value> {
        if let Some(value) = self.scopes.lookup(name) {
            return Ok(value);
        }
        match names::FUNCTIONS.iter().find(|it| **it == name) {
            Some(name) => Ok(Value::Function(name)),
            None if name == "self" => unsupported("the name 'self'"),
            None => Ok(Value::unknown(name)),
        }
    }

    fn operation(&mut self, node: &'a Node) -> Result<Value> {
        match &node.expr {
            Expr::Tuple(nodes) => Value::tuple(self.all(nodes)?),
            Expr::List(nodes) => Value::list(self.all(nodes)?),
            Expr::Dict(entries) => self.dict(entries),
            Expr::Negative(of) => negative(&self.eval(of)?),
            Expr::Positive(of) => positive(&self.eval(of)?),
            Expr::Not(of) => Ok(Value::Bool(!self.eval(of)?.is_true())),
            Expr::Binary(op, both) => {
                let (a, b) = (self.eval(&both[0])?, self.eval(&both[1])?);
                binary(*op, &a, &b, &self.work)
            }
            Expr::And(both) => {
                let left = self.eval(&both[0])?;
                if left.is_true() {
                    self.eval(&both[1])
                } else {
                    Ok(left)
                }
            }
            Expr::Or(both) => {
                let left = self.eval(&both[0])?;
                if left.is_true() {
                    Ok(left)
                } else {
                    self.eval(&both[1])
                }
            }
            Expr::Compare(first, more) => self.compare(first, more),
            Expr::Concat(parts) => {
                let mut out = String::new();
                for part in parts {
                    let value = self.eval(part)?;
                    write_text(&mut out, &value, &self.work)?;
                }
                Ok(Value::from(out))
            }
            Expr::If(both, otherwise) => {
                if self.eval(&both[1])?.is_true() {
                    return self.eval(&both[0]);
                }
                match otherwise {
                    Some(node) => self.eval(node),
                    None => Ok(Value::undefined(
                        "the condition is false and there is no else",
                    )),
                }
            }
            Expr::Attribute(of, name) => {
                let of = self.eval(of)?;
                self.look_ahead(&of, name)?;
                attribute(&of, name)
            }
            Expr::Item(both) => {
                let (of, index) = (self.eval(&both[0])?, self.eval(&both[1])?);
                self.look_ahead(&of, index.as_text().unwrap_or_default())?;
                item(&of, &index, &self.work)
            }
            Expr::Slice(of, parts) => self.slice(of, parts),
            Expr::Call(..) => self.call_with(node, None),
            Expr::Filter(of, name, args) => self.filter(of.as_deref(), name, args),
            Expr::Test(of, name, args) => self.test(of, name, args),
            _ => self.eval(node),
        }
    }

    fn all(&mut self, nodes: &'a [Node]) -> Result<Vec<Value>> {
        nodes.iter().map(|node| self.eval(node)).collect()
    }

    #[inline(never)]
    fn dict(&mut self, entries: &'a [(Node, Node)]) -> Result<Value> {
        let mut found = Vec::new();
        for (key, value) in entries {
            found.push((self.eval(key)?, self.eval(value)?));
        }
        Ok(Value::Dict(Dict::new(found, &self.work)?))
    }

    #[inline(never)]
    fn compare(
        &mut self,
        first: &'a Node,
        more: &'a [(syntax::Comparison, Node)],
    ) -> Result<Value> {
        let mut left = self.eval(first)?;
        for (op, node) in more {
            let right = self.eval(node)?;
            if !compares(*op, &left, &right, &self.work)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    #[inline(never)]
    fn slice(&mut self, of: &'a Node, parts: &'a [Option<Node>; 3]) -> Result<Value> {
        let of = self.eval(of)?;
        let mut found = [None, None, None];
        for (found, part) in found.iter_mut().zip(parts) {
            if let Some(part) = part {
                *found = Some(self.eval(part)?);
            }
        }
        slice(&of, found, &self.work)
    }

    #[inline(never)]
    fn filter(
        &mut self,
        of: Option<&'a Node>,
        name: &str,
        args: &'a syntax::Arguments,
    ) -> Result<Value> {
        let of = match of {
            Some(of) => self.eval(of)?,
            None => self.filtered.last().cloned().unwrap_or(Value::None),
        };
        let args = self.arguments(args)?;
        filter(name, of, args, &self.work)
    }

    #[inline(never)]
    fn test(&mut self, of: &'a Node, name: &str, args: &'a syntax::Arguments) -> Result<Value> {
        let of = self.eval(of)?;
        let args = self.arguments(args)?;
        Ok(Value::Bool(check(name, &of, &args, &self.work)?))
    }

    fn arguments(&mut self, args: &'a syntax::Arguments) -> Result<Arguments> {
        let mut found = Arguments {
            positional: self.all(&args.positional)?,
            named: Vec::new(),
        };
        for (name, node) in &args.named {
            found.named.push((name.clone(), self.eval(node)?));
        }
        if let Some(node) = &args.all {
            let all = self.eval(node)?;
            found.positional.extend(all.items(&self.work)?);
        }
        if let Some(node) = &args.all_named {
            let Value::Dict(all) = self.eval(node)? else {
                return problem("the argument after ** is not a mapping");
            };
            for (name, value) in &all.entries {
                self.work.spend(found.named.len())?;
                let Some(name) = name.as_text() else {
                    return problem("keywords must be strings");
                };
                if found.named.iter().any(|(it, _)| it == name) {
                    return problem(format!("the argument '{name}' is given twice"));
                }
                found.named.push((name.to_owned(), value.clone()));
            }
        }
        Ok(found)
    }

    /// Evaluates a call; that of a block has a caller.
    #[inline(never)]
    pub(super) fn call_with(&mut self, node: &'a Node, caller: Option<Value>) -> Result<Value> {
        let Expr::Call(callee, args) = &node.expr else {
            return self.eval(node);
        };
        if let Some(number) = self.own_block(callee) {
            let args = self.arguments(args)?;
            let [] = args.bind("a block", [])?;
            return self.deeper(|renderer| renderer.call_block(number));
        }
        let callee = self.eval(callee)?;
        let mut args = self.arguments(args)?;
        if let Some(caller) = caller {
            args.named.push(("caller".to_owned(), caller));
        }
        self.work.spend(1)?;
        self.call(&callee, args)
    }

    pub(super) fn call(&mut self, callee: &Value, args: Arguments) -> Result<Value> {
        match callee {
            Value::Undefined(why) => problem(&**why),
            Value::Function(name) => self.function(name, args),
            Value::Method(it) => methods::call(&it.0, &it.1, args, &self.work),
            Value::Macro(it) => self.deeper(|renderer| renderer.call_macro(it, args)),
            Value::Loop(it) => self.deeper(|renderer| renderer.call_loop(it, args)),
            Value::Joiner(it) => {
                let [] = args.bind("joiner", [])?;
                if it.used.replace(true) {
                    Ok(it.separator.items[0].clone())
                } else {
                    Ok(Value::from(""))
                }
            }
            _ => problem(format!("'{}' object is not callable", callee.type_name())),
        }
    }

    #[inline(never)]
    fn function(&mut self, name: &str, args: Arguments) -> Result<Value> {
        match name {
            "range" => range(args),
            "dict" => Ok(Value::Dict(self.new_dict(args)?)),
            "namespace" => {
                let dict = self.new_dict(args)?;
                let mut names = Vec::new();
                for (name, value) in &dict.entries {
                    let Some(name) = name.as_text() else {
                        return unsupported("a namespace with a key that is not a str");
                    };
                    names.push((name.to_owned(), value.clone()));
                }
                Ok(self.new_namespace(names))
            }
            "cycler" => {
                if args.positional.is_empty() || !args.named.is_empty() {
                    return problem("cycler needs at least one item");
                }
                Ok(Value::Cycler(Rc::new(Cycler {
                    items: Sequence::new(args.positional)?,
                    at: Cell::new(0),
                })))
            }
            "joiner" => {
                let [separator] = args.bind(name, ["sep"])?;
                let separator = separator.unwrap_or_else(|| Value::from(", "));
                Ok(Value::Joiner(Rc::new(Joiner {
                    separator: Sequence::new(vec![separator])?,
                    used: Cell::new(false),
                })))
            }
            "raise_exception" => {
                let [message] = args.all(name, ["message"])?;
                let message = self.text(&message)?;
                Err(Fault::new(Failure::Refused(message)))
            }
            "strftime_now" => {
                let [format] = args.all(name, ["format"])?;
                match format.as_text() {
                    Some(format) => {
                        self.work.text(format.len() * 16)?;
                        Ok(Value::from(date(format)?))
                    }
                    None => problem("strftime_now: the format is not a str"),
                }
            }
            _ => unsupported(format!("the function '{name}'")),
        }
    }

    /// `dict(…)`: of a mapping or of pairs, and of names.
    fn new_dict(&mut self, args: Arguments) -> Result<Rc<Dict>> {
        let mut entries = Vec::new();
        match &args.positional[..] {
            [] => {}
            [Value::Undefined(why)] => return problem(&**why),
            [Value::Dict(it)] => entries.clone_from(&it.entries),
            [pairs] => {
                for pair in pairs.items(&self.work)? {
                    match &pair.items(&self.work)?[..] {
                        [key, value] => entries.push((key.clone(), value.clone())),
                        _ => return problem("dict: expected pairs of key and value"),
                    }
                }
            }
            _ => return problem("dict takes one mapping at most"),
        }
        let named = args.named.into_iter();
        entries.extend(named.map(|(name, value)| (Value::from(name), value)));
        Dict::new(entries, &self.work)
    }
}

fn range(args: Arguments) -> Result<Value> {
    let [a, b, c] = args.bind("range", ["", "", ""])?;
    let number = |it: &Value| {
        let number = int("range", it)?;
        i64::try_from(number).or_else(|_| unsupported("such a large number in a range"))
    };
    let Some(a) = a else {
        return problem("range needs a number");
    };
    let (start, stop) = match b {
        Some(b) => (number(&a)?, number(&b)?),
        None => (0, number(&a)?),
    };
    let step = c.map_or(Ok(1), |it| number(&it))?;
    if step == 0 {
        return problem("range: the step is zero");
    }
    if step == i64::MIN {
        return unsupported("such a large number in a range");
    }
    let range = Range { start, stop, step };
    if range.len() > LONGEST_RANGE {
        return problem(format!(
            "range too big: the sandbox allows ranges of up to {LONGEST_RANGE} numbers"
        ));
    }
    Ok(Value::Range(range))
}
