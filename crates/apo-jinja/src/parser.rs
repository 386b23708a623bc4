//! Reads a template's tokens: what the parsers of statements and expressions
//! share.

use super::fault::{Result, problem, unsupported};
use super::lexer::{self, Kind as Token};
use super::names;
use super::syntax::{Arguments, Program, Uses};
use super::unset::unset;

/// The longest source, bytes; the largest published templates have some 20 kB.
const LONGEST: usize = 1 << 20;

/// How deep brackets and blocks may be nested: they are read by recursion.
/// Python's own limit is lower.
const DEPTH: usize = 150;

/// How many parameters, named arguments or blocks there may be: each is
/// compared with those before it.
const MOST: usize = 1_000;

pub(super) fn check_few(n: usize, what: &str) -> Result<()> {
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
            loops: 0,
            all_loops: 0,
            uses: Vec::new(),
            blocks: Vec::new(),
            program: Self::default(),
        };
        match parser.body(&[]) {
            Ok((body, _)) => {
                parser.program.body = body;
                parser.program.unset = unset(&parser.program);
                Ok(parser.program)
            }
            Err(fault) => Err(fault.at(parser.line())),
        }
    }
}

pub(super) struct Parser {
    tokens: Vec<lexer::Token>,
    pub(super) at: usize,
    depth: usize,
    /// How many conditions the current place is in: it may never be reached.
    pub(super) conditions: usize,
    /// How many loops `break` and `continue` can refer to.
    pub(super) loops: usize,
    /// How many loops the current place is in.
    pub(super) all_loops: usize,
    pub(super) uses: Vec<Uses>,
    pub(super) blocks: Vec<String>,
    pub(super) program: Program,
}

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
            return problem(format!("more than {DEPTH} nested brackets or blocks"));
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

    pub(super) fn expect_block_end(&mut self) -> Result<()> {
        if self.peek() == Some(&Token::BlockEnd) {
            self.at += 1;
            return Ok(());
        }
        self.unexpected("'%}'")
    }

    pub(super) fn check_known(&self, kind: &str, name: &str) -> Result<()> {
        let known = match kind {
            "filter" => names::FILTERS.contains(&name),
            _ => names::TESTS.contains(&name),
        };
        // Under a condition, Jinja accepts it until it is reached.
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
                // A comma may precede the bracket.
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
                    return problem(format!("the argument '{name}' is given twice"));
                }
                check_few(found.named.len(), "named arguments")?;
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
