//! Parses statements as Jinja does.

use super::expressions::Items;
use super::fault::{Result, problem, unsupported};
use super::lexer::Kind as Token;
use super::names;
use super::parser::{Parser, check_few};
use super::syntax::{Block, Expr, For, Kind, Macro, Node, Statement, Target, Uses};

/// Jinja's tags that need other templates.
const UNSUPPORTED: [&str; 4] = ["extends", "include", "import", "from"];

/// What a tag gives values to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assigned {
    Names,
    NamesAndAttributes,
}

impl Parser {
    /// Reads up to a tag with one of some names, and returns that name; at the
    /// top, reads up to the end.
    pub(super) fn body(&mut self, ends: &[&str]) -> Result<(Vec<Statement>, String)> {
        self.deeper(|parser| parser.body_inside(ends))
    }

    fn body_inside(&mut self, ends: &[&str]) -> Result<(Vec<Statement>, String)> {
        let mut body = Vec::new();
        loop {
            let line = self.line();
            let kind = match self.next() {
                None if ends.is_empty() => return Ok((body, String::new())),
                None => {
                    let expected: Vec<String> =
                        ends.iter().map(|it| format!("'{{% {it} %}}'")).collect();
                    return self.unexpected(&expected.join(" or "));
                }
                Some(Token::Data(text)) => Kind::Data(text),
                Some(Token::ExpressionBegin) => {
                    let node = self.tuple(Items::Any, &[])?;
                    if self.peek() != Some(&Token::ExpressionEnd) {
                        return self.unexpected("'}}'");
                    }
                    self.at += 1;
                    Kind::Output(vec![node])
                }
                Some(_) => {
                    let name = self.name()?;
                    if ends.contains(&name.as_str()) {
                        return Ok((body, name));
                    }
                    self.statement(&name)?
                }
            };
            body.push(Statement { line, kind });
        }
    }

    /// Reads the body of a block and its end tag, from the end of its first tag
    /// on.
    fn whole_body(&mut self, end: &str) -> Result<Vec<Statement>> {
        self.expect_block_end()?;
        let (body, _) = self.body(&[end])?;
        self.expect_block_end()?;
        Ok(body)
    }

    #[inline(never)]
    fn statement(&mut self, tag: &str) -> Result<Kind> {
        let kind = match tag {
            "if" => return self.condition(),
            "for" => return self.for_loop(),
            "macro" => return self.macro_(),
            "call" => return self.call_block(),
            "set" => return self.set(),
            "with" => return self.with(),
            "filter" => {
                let filter = self.filters(None)?;
                return Ok(Kind::Filter(filter, self.whole_body("endfilter")?));
            }
            "generation" => {
                let body = self.macro_with("caller", Default::default(), "endgeneration")?;
                return Ok(Kind::Generation(body));
            }
            "block" => return self.block(),
            "autoescape" => {
                let escapes = self.expression()?;
                if !matches!(escapes.expr, Expr::Bool(false)) {
                    return unsupported("the tag 'autoescape' with another value than false");
                }
                // Nothing is escaped elsewhere either.
                return Ok(Kind::Scope(self.whole_body("endautoescape")?));
            }
            "print" => {
                let mut nodes = Vec::new();
                while self.peek() != Some(&Token::BlockEnd) {
                    if !nodes.is_empty() {
                        self.expect_op(",")?;
                    }
                    nodes.push(self.expression()?);
                }
                Kind::Output(nodes)
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return problem(format!("'{tag}' outside of a loop"));
                }
                if tag == "break" {
                    Kind::Break
                } else {
                    Kind::Continue
                }
            }
            _ if UNSUPPORTED.contains(&tag) => {
                return unsupported(format!("the tag '{tag}'"));
            }
            _ => return problem(format!("unknown tag '{tag}'")),
        };
        self.expect_block_end()?;
        Ok(kind)
    }

    fn condition(&mut self) -> Result<Kind> {
        self.conditions += 1;
        let mut branches = Vec::new();
        let otherwise = loop {
            let test = self.tuple(Items::WithoutConditions, &[])?;
            self.expect_block_end()?;
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            branches.push((test, body));
            match end.as_str() {
                "elif" => {}
                "else" => {
                    self.expect_block_end()?;
                    break self.body(&["endif"])?.0;
                }
                _ => break Vec::new(),
            }
        };
        self.expect_block_end()?;
        self.conditions -= 1;
        Ok(Kind::If(branches, otherwise))
    }

    fn for_loop(&mut self) -> Result<Kind> {
        self.all_loops += 1;
        let found = self.for_loop_inside();
        self.all_loops -= 1;
        found
    }

    fn for_loop_inside(&mut self) -> Result<Kind> {
        let target = self.target(Assigned::Names)?;
        if !self.skip_name("in") {
            return self.unexpected("'in'");
        }
        let items = self.tuple(Items::WithoutConditions, &["recursive"])?;
        let test = if self.skip_name("if") {
            Some(self.expression()?)
        } else {
            None
        };
        let recursive = self.skip_name("recursive");
        self.expect_block_end()?;
        let around = self.loops;
        // Jinja makes a recursive loop a function.
        let outside = if recursive { 0 } else { around };
        self.loops = outside + 1;
        let (body, end) = self.body(&["endfor", "else"])?;
        self.loops = outside;
        let mut otherwise = Vec::new();
        if end == "else" {
            self.expect_block_end()?;
            otherwise = self.body(&["endfor"])?.0;
        }
        self.loops = around;
        self.expect_block_end()?;
        self.program.loops.push(For {
            target,
            items,
            test,
            recursive,
            body,
            otherwise,
        });
        Ok(Kind::For(self.program.loops.len() - 1))
    }

    /// Reads parameters and defaults in brackets.
    fn signature(&mut self) -> Result<(Vec<String>, Vec<Node>)> {
        let (mut parameters, mut defaults) = (Vec::new(), Vec::new());
        self.expect_op("(")?;
        while !self.is_op(")") {
            if !parameters.is_empty() {
                self.expect_op(",")?;
            }
            let name = self.assigned_name()?;
            if parameters.contains(&name) {
                return problem(format!("the parameter '{name}' is declared twice"));
            }
            check_few(parameters.len(), "parameters of a macro")?;
            parameters.push(name);
            if self.skip_op("=") {
                defaults.push(self.expression()?);
            } else if !defaults.is_empty() {
                return problem("a parameter without a default after one with a default");
            }
        }
        self.expect_op(")")?;
        Ok((parameters, defaults))
    }

    fn macro_with(
        &mut self,
        name: &str,
        (parameters, defaults): (Vec<String>, Vec<Node>),
        end: &str,
    ) -> Result<usize> {
        let required = parameters.len() - defaults.len();
        if parameters[..required].iter().any(|it| it == "caller") {
            return problem("the parameter 'caller' needs a default");
        }
        self.uses.push(Uses::default());
        let loops = std::mem::take(&mut self.loops);
        let body = self.whole_body(end)?;
        self.loops = loops;
        let mut uses = self.uses.pop().unwrap_or_default();
        let is_own = |name: &str| parameters.iter().any(|it| it == name);
        uses.varargs &= !is_own("varargs");
        uses.kwargs &= !is_own("kwargs");
        uses.caller &= !is_own("caller");
        self.program.macros.push(Macro {
            name: name.to_owned(),
            parameters,
            defaults,
            body,
            uses,
        });
        Ok(self.program.macros.len() - 1)
    }

    fn macro_(&mut self) -> Result<Kind> {
        let name = self.assigned_name()?;
        let signature = self.signature()?;
        Ok(Kind::Macro(self.macro_with(&name, signature, "endmacro")?))
    }

    fn call_block(&mut self) -> Result<Kind> {
        let signature = if self.is_op("(") {
            self.signature()?
        } else {
            Default::default()
        };
        let call = self.expression()?;
        if !matches!(call.expr, Expr::Call(..)) {
            return problem("expected a call after 'call'");
        }
        let caller = self.macro_with("caller", signature, "endcall")?;
        Ok(Kind::Call(call, caller))
    }

    fn set(&mut self) -> Result<Kind> {
        let target = self.target(Assigned::NamesAndAttributes)?;
        if self.skip_op("=") {
            let value = self.tuple(Items::Any, &[])?;
            self.expect_block_end()?;
            return Ok(Kind::Set(target, value));
        }
        let filter = if self.skip_op("|") {
            Some(self.filters(None)?)
        } else {
            None
        };
        let body = self.whole_body("endset")?;
        Ok(Kind::SetBlock(target, filter, body))
    }

    fn with(&mut self) -> Result<Kind> {
        let mut values = Vec::new();
        while self.peek() != Some(&Token::BlockEnd) {
            if !values.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.target(Assigned::Names)?;
            self.expect_op("=")?;
            values.push((target, self.expression()?));
        }
        Ok(Kind::With(values, self.whole_body("endwith")?))
    }

    fn block(&mut self) -> Result<Kind> {
        let name = self.name()?;
        let is_scoped = self.skip_name("scoped");
        if self.is_name("required") {
            return unsupported("a required block");
        }
        if self.blocks.contains(&name) {
            return problem(format!("block '{name}' defined twice"));
        }
        check_few(self.blocks.len(), "blocks")?;
        self.blocks.push(name.clone());
        let (loops, uses) = (
            std::mem::take(&mut self.loops),
            std::mem::take(&mut self.uses),
        );
        self.expect_block_end()?;
        let (body, _) = self.body(&["endblock"])?;
        (self.loops, self.uses) = (loops, uses);
        self.skip_name(&name);
        self.expect_block_end()?;
        self.program.blocks.push(Block {
            name,
            is_scoped,
            body,
        });
        Ok(Kind::Block(self.program.blocks.len() - 1))
    }

    fn assigned_name(&mut self) -> Result<String> {
        let name = self.name()?;
        if names::CONSTANTS.contains(&name.as_str()) {
            return problem(format!("cannot assign to '{name}'"));
        }
        if names::OF_MACROS.contains(&name.as_str()) && !self.uses.is_empty() {
            return unsupported(format!("giving '{name}' a value in a macro"));
        }
        Ok(name)
    }

    /// Reads the names, separated by commas, that a value is assigned to.
    fn target(&mut self, assigned: Assigned) -> Result<Target> {
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            let is_end = matches!(self.peek(), Some(Token::BlockEnd | Token::Op(")")));
            if is_end && !targets.is_empty() {
                break;
            }
            targets.push(if self.skip_op("(") {
                let inner = self.deeper(|parser| parser.target(assigned))?;
                self.expect_op(")")?;
                inner
            } else {
                let name = self.assigned_name()?;
                if name == "loop" && self.all_loops > 0 {
                    return problem("cannot assign to 'loop' in a loop");
                }
                if assigned == Assigned::NamesAndAttributes && self.skip_op(".") {
                    Target::Attribute(name, self.name()?)
                } else {
                    Target::Name(name)
                }
            });
            if !self.skip_op(",") {
                break;
            }
            is_tuple = true;
        }
        if is_tuple {
            return Ok(Target::Tuple(targets));
        }
        match targets.pop() {
            Some(target) => Ok(target),
            None => self.unexpected("a name"),
        }
    }
}
