//! Statements of a template, read as Jinja reads them.

use super::fault::{Result, problem, unsupported};
use super::lexer::{self, Kind as Token};
use super::names;
use super::syntax::{Arguments, Expr, For, Kind, Macro, Node, Program, Statement, Target, Uses};

/// The longest source, bytes; the largest published templates have some 20 kB.
const LONGEST: usize = 1 << 20;

/// How deep brackets and blocks may be nested: they are read by recursion.
/// Python's own limit is lower.
const DEPTH: usize = 150;

/// How many parameters, arguments with a name, or blocks there may be: each is
/// compared with those before it.
const MOST: usize = 1_000;

fn check_few(n: usize, what: &str) -> Result<()> {
    if n < MOST {
        return Ok(());
    }
    unsupported(format!("a template with more than {MOST} {what}"))
}

impl Program {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// When Jinja would refuse it, or it uses what is not supported.
    pub fn parse(source: &str) -> Result<Self> {
        if source.len() > LONGEST {
            return problem(format!(
                "it has {} bytes; up to {LONGEST} are read",
                source.len()
            ));
        }
        let mut parser = Parser {
            tokens: lexer::tokens(source)?,
            at: 0,
            depth: 0,
            conditions: 0,
            loops: Vec::new(),
            all_loops: 0,
            uses: Vec::new(),
            blocks: Vec::new(),
            program: Self::default(),
        };
        match parser.body(&[]) {
            Ok((body, _)) => {
                parser.program.body = body;
                Ok(parser.program)
            }
            Err(fault) => Err(fault.at(parser.line())),
        }
    }
}

pub(super) struct Parser {
    tokens: Vec<lexer::Token>,
    at: usize,
    depth: usize,
    /// How many conditions stand around: what is in them may never be reached.
    pub(super) conditions: usize,
    /// For each macro around, how many loops stand around in it.
    loops: Vec<usize>,
    /// How many loops stand around in all.
    all_loops: usize,
    uses: Vec<Uses>,
    blocks: Vec<String>,
    pub(super) program: Program,
}

/// The tags that Jinja knows and that need other templates, or change how text
/// is escaped.
const UNSUPPORTED: [&str; 5] = ["extends", "include", "import", "from", "autoescape"];

impl Parser {
    pub(super) fn line(&self) -> usize {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(1, |it| it.line)
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, n: usize) -> Option<&Token> {
        self.tokens.get(self.at + n).map(|it| &it.kind)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get_mut(self.at)?;
        self.at += 1;
        Some(std::mem::replace(&mut token.kind, Token::BlockEnd))
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Some(Token::Op(it)) if *it == op)
    }

    pub(super) fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_op(&mut self, op: &str) -> Result<()> {
        if self.skip_op(op) {
            return Ok(());
        }
        self.unexpected(&format!("'{op}'"))
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(it)) if it == name)
    }

    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    pub(super) fn name(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Name(_)) => match self.next() {
                Some(Token::Name(name)) => Ok(name),
                _ => self.unexpected("a name"),
            },
            _ => self.unexpected("a name"),
        }
    }

    pub(super) fn unexpected<T>(&self, expected: &str) -> Result<T> {
        let found = match self.peek() {
            None => "the end of the template".to_owned(),
            Some(Token::Data(_)) => "text".to_owned(),
            Some(Token::BlockBegin) => "'{%'".to_owned(),
            Some(Token::BlockEnd) => "'%}'".to_owned(),
            Some(Token::ExpressionBegin) => "'{{'".to_owned(),
            Some(Token::ExpressionEnd) => "'}}'".to_owned(),
            Some(Token::Name(it)) => format!("'{it}'"),
            Some(Token::Text(it)) => format!("{it:?}"),
            Some(Token::Int(it)) => it.to_string(),
            Some(Token::Float(it)) => it.to_string(),
            Some(Token::Op(it)) => format!("'{it}'"),
        };
        problem(format!("expected {expected}, found {found}"))
    }

    /// Goes one level down.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH {
            return problem(format!(
                "more than {DEPTH} brackets or blocks in each other"
            ));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// Notes that a name is used.
    pub(super) fn uses(&mut self, name: &str) {
        for uses in &mut self.uses {
            match name {
                "varargs" => uses.varargs = true,
                "kwargs" => uses.kwargs = true,
                "caller" => uses.caller = true,
                _ => {}
            }
        }
        self.program.is_dated |= name == "strftime_now";
    }

    fn expect_block_end(&mut self) -> Result<()> {
        if self.peek() == Some(&Token::BlockEnd) {
            self.at += 1;
            return Ok(());
        }
        self.unexpected("'%}'")
    }

    /// Reads up to a tag with one of some names, and takes its name; at the top,
    /// up to the end.
    fn body(&mut self, ends: &[&str]) -> Result<(Vec<Statement>, String)> {
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
                    let node = self.tuple(true, &[])?;
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

    /// Reads the body of a block, from the end of its tag to behind its end.
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
                let filter = self.filters(None, true)?;
                return Ok(Kind::Filter(filter, self.whole_body("endfilter")?));
            }
            "generation" => return Ok(Kind::Scope(self.whole_body("endgeneration")?)),
            "block" => return self.block(),
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
                if self.loops.last().copied().unwrap_or_default() == 0 {
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
            let test = self.tuple(false, &[])?;
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
        let target = self.target(false)?;
        if !self.skip_name("in") {
            return self.unexpected("'in'");
        }
        let items = self.tuple(false, &["recursive"])?;
        let test = if self.skip_name("if") {
            Some(self.expression()?)
        } else {
            None
        };
        let recursive = self.skip_name("recursive");
        self.expect_block_end()?;
        if self.loops.is_empty() {
            self.loops.push(0);
        }
        let around = self.loops.len() - 1;
        self.loops[around] += 1;
        let (body, end) = self.body(&["endfor", "else"])?;
        self.loops[around] -= 1;
        let mut otherwise = Vec::new();
        if end == "else" {
            self.expect_block_end()?;
            otherwise = self.body(&["endfor"])?.0;
        }
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
                return problem(format!("the parameter '{name}' stands twice"));
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
        name: String,
        (parameters, defaults): (Vec<String>, Vec<Node>),
        end: &str,
    ) -> Result<usize> {
        let required = parameters.len() - defaults.len();
        if parameters[..required].iter().any(|it| it == "caller") {
            return problem("the parameter 'caller' needs a default");
        }
        self.uses.push(Uses::default());
        self.loops.push(0);
        let body = self.whole_body(end)?;
        self.loops.pop();
        let mut uses = self.uses.pop().unwrap_or_default();
        let is_own = |name: &str| parameters.iter().any(|it| it == name);
        uses.varargs &= !is_own("varargs");
        uses.kwargs &= !is_own("kwargs");
        uses.caller &= !is_own("caller");
        self.program.macros.push(Macro {
            name,
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
        Ok(Kind::Macro(self.macro_with(name, signature, "endmacro")?))
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
        let caller = self.macro_with("caller".to_owned(), signature, "endcall")?;
        Ok(Kind::Call(call, caller))
    }

    fn set(&mut self) -> Result<Kind> {
        let target = self.target(true)?;
        if self.skip_op("=") {
            let value = self.tuple(true, &[])?;
            self.expect_block_end()?;
            return Ok(Kind::Set(target, value));
        }
        let filter = if self.is_op("|") {
            Some(self.filters(None, false)?)
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
            let target = self.target(false)?;
            self.expect_op("=")?;
            values.push((target, self.expression()?));
        }
        Ok(Kind::With(values, self.whole_body("endwith")?))
    }

    fn block(&mut self) -> Result<Kind> {
        let name = self.name()?;
        if self.is_name("scoped") || self.is_name("required") {
            return unsupported("a block that is scoped or required");
        }
        if self.blocks.contains(&name) {
            return problem(format!("block '{name}' defined twice"));
        }
        check_few(self.blocks.len(), "blocks")?;
        self.blocks.push(name.clone());
        self.loops.push(0);
        self.expect_block_end()?;
        let (body, _) = self.body(&["endblock"])?;
        self.loops.pop();
        self.skip_name(&name);
        self.expect_block_end()?;
        Ok(Kind::Block(body))
    }

    fn assigned_name(&mut self) -> Result<String> {
        let name = self.name()?;
        if names::CONSTANTS.contains(&name.as_str()) {
            return problem(format!("cannot assign to '{name}'"));
        }
        Ok(name)
    }

    /// Reads what a value is given to: names, separated by commas.
    fn target(&mut self, with_attributes: bool) -> Result<Target> {
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            let is_end = matches!(self.peek(), Some(Token::BlockEnd | Token::Op(")")));
            if is_end && !targets.is_empty() {
                break;
            }
            targets.push(if self.skip_op("(") {
                let inner = self.deeper(|parser| parser.target(with_attributes))?;
                self.expect_op(")")?;
                inner
            } else {
                let name = self.assigned_name()?;
                if name == "loop" && self.all_loops > 0 {
                    return problem("cannot assign to 'loop' in a loop");
                }
                if with_attributes && self.skip_op(".") {
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

    pub(super) fn check_known(&self, kind: &str, name: &str) -> Result<()> {
        let known = match kind {
            "filter" => names::FILTERS.contains(&name),
            _ => names::TESTS.contains(&name),
        };
        // Jinja lets pass what stands under a condition, until it is reached.
        if known || self.conditions > 0 {
            return Ok(());
        }
        problem(format!("no {kind} named '{name}'"))
    }

    pub(super) fn arguments(&mut self) -> Result<Arguments> {
        self.deeper(Self::arguments_inside)
    }

    fn arguments_inside(&mut self) -> Result<Arguments> {
        self.expect_op("(")?;
        let mut found = Arguments::default();
        let mut any = false;
        while !self.is_op(")") {
            if any {
                self.expect_op(",")?;
                // A comma may stand before the bracket.
                if self.is_op(")") {
                    break;
                }
            }
            any = true;
            if self.skip_op("*") {
                if found.all.is_some() || found.all_named.is_some() {
                    return problem("arguments out of order");
                }
                found.all = Some(self.expression()?);
            } else if self.skip_op("**") {
                if found.all_named.is_some() {
                    return problem("arguments out of order");
                }
                found.all_named = Some(self.expression()?);
            } else if matches!(
                (self.peek(), self.peek_at(1)),
                (Some(Token::Name(_)), Some(Token::Op("=")))
            ) {
                if found.all_named.is_some() {
                    return problem("arguments out of order");
                }
                let name = self.name()?;
                self.expect_op("=")?;
                if found.named.iter().any(|(it, _)| *it == name) {
                    return problem(format!("the argument '{name}' stands twice"));
                }
                check_few(found.named.len(), "arguments with a name")?;
                found.named.push((name, self.expression()?));
            } else {
                if !found.named.is_empty() || found.all.is_some() || found.all_named.is_some() {
                    return problem("arguments out of order");
                }
                found.positional.push(self.expression()?);
            }
        }
        self.expect_op(")")?;
        Ok(found)
    }
}
