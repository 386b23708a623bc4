//! The syntax tree of a template.

use std::collections::HashMap;
use std::sync::Arc;

use super::fault::{Result, problem};

/// How high an expression may be: it is evaluated and freed by recursion. The
/// height of a chain of operators is its length. Python's own limit is lower.
const HEIGHT: u32 = 400;

/// An expression and its height.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) expr: Expr,
    height: u32,
}

#[derive(Debug)]
pub(super) enum Expr {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Arc<str>),
    Name(String),
    Tuple(Vec<Node>),
    List(Vec<Node>),
    Dict(Vec<(Node, Node)>),
    Negative(Box<Node>),
    Positive(Box<Node>),
    Not(Box<Node>),
    Binary(Binary, Box<[Node; 2]>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    Concat(Vec<Node>),
    /// Value, condition, and the value otherwise.
    If(Box<[Node; 2]>, Option<Box<Node>>),
    Attribute(Box<Node>, String),
    Item(Box<[Node; 2]>),
    Slice(Box<Node>, Box<[Option<Node>; 3]>),
    Call(Box<Node>, Box<Arguments>),
    /// `None` is the text of a filter block.
    Filter(Option<Box<Node>>, String, Box<Arguments>),
    Test(Box<Node>, String, Box<Arguments>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// The arguments of a call.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Node>,
    pub(super) named: Vec<(String, Node)>,
    pub(super) all: Option<Node>,
    pub(super) all_named: Option<Node>,
}

impl Expr {
    /// Calls a function with each of its direct parts.
    pub(super) fn parts<'a>(&'a self, mut each: impl FnMut(&'a Node)) {
        match self {
            Self::None
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Name(_) => {}
            Self::Tuple(all) | Self::List(all) | Self::Concat(all) => all.iter().for_each(each),
            Self::Dict(all) => all
                .iter()
                .flat_map(|(key, value)| [key, value])
                .for_each(each),
            Self::Negative(it) | Self::Positive(it) | Self::Not(it) | Self::Attribute(it, _) => {
                each(it);
            }
            Self::Binary(_, both) | Self::And(both) | Self::Or(both) | Self::Item(both) => {
                both.iter().for_each(each);
            }
            Self::Compare(first, more) => {
                each(first);
                for (_, it) in more {
                    each(it);
                }
            }
            Self::If(both, other) => both.iter().chain(other.as_deref()).for_each(each),
            Self::Slice(of, parts) => {
                each(of);
                parts.iter().flatten().for_each(each);
            }
            Self::Call(of, arguments) | Self::Test(of, _, arguments) => {
                each(of);
                arguments.parts(each);
            }
            Self::Filter(of, _, arguments) => {
                if let Some(of) = of {
                    each(of);
                }
                arguments.parts(each);
            }
        }
    }
}

impl Arguments {
    fn parts<'a>(&'a self, mut each: impl FnMut(&'a Node)) {
        self.positional.iter().for_each(&mut each);
        for (_, it) in &self.named {
            each(it);
        }
        self.all.iter().chain(&self.all_named).for_each(each);
    }
}

impl Node {
    /// Makes an expression, unless it is too high.
    pub(super) fn new(expr: Expr) -> Result<Self> {
        let mut below = 0;
        expr.parts(|it| below = below.max(it.height));
        if below >= HEIGHT {
            return problem(format!(
                "an expression of more than {HEIGHT} operators or brackets in a row"
            ));
        }
        let height = below + 1;
        Ok(Self { expr, height })
    }
}

/// What a value is assigned to.
#[derive(Debug)]
pub(super) enum Target {
    Name(String),
    /// An attribute of a namespace.
    Attribute(String, String),
    Tuple(Vec<Target>),
}

impl Target {
    /// Calls a function with each name or attribute in it.
    pub(super) fn leaves<'a>(&'a self, each: &mut impl FnMut(&'a Self)) {
        match self {
            Self::Name(_) | Self::Attribute(..) => each(self),
            Self::Tuple(all) => all.iter().for_each(|it| it.leaves(each)),
        }
    }
}

/// A statement and its line.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Data(String),
    Output(Vec<Node>),
    /// Conditions with their bodies, and the body otherwise.
    If(Vec<(Node, Vec<Statement>)>, Vec<Statement>),
    /// The number of a loop.
    For(usize),
    Set(Target, Node),
    /// A body's text, filtered.
    SetBlock(Target, Option<Node>, Vec<Statement>),
    With(Vec<(Target, Node)>, Vec<Statement>),
    Filter(Node, Vec<Statement>),
    /// The number of a macro.
    Macro(usize),
    /// A call, and the number of the macro that is its `caller`.
    Call(Node, usize),
    /// A body with a scope of its own.
    Scope(Vec<Statement>),
    /// The number of the macro that holds the body, as in Jinja.
    Generation(usize),
    /// The number of a block.
    Block(usize),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct For {
    pub(super) target: Target,
    pub(super) items: Node,
    pub(super) test: Option<Node>,
    pub(super) recursive: bool,
    pub(super) body: Vec<Statement>,
    pub(super) otherwise: Vec<Statement>,
}

#[derive(Debug)]
pub(super) struct Macro {
    pub(super) name: String,
    pub(super) parameters: Vec<String>,
    /// The last parameters' defaults.
    pub(super) defaults: Vec<Node>,
    pub(super) body: Vec<Statement>,
    pub(super) uses: Uses,
}

/// Which names a macro uses without declaring them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    pub(super) varargs: bool,
    pub(super) kwargs: bool,
    pub(super) caller: bool,
}

/// A named part that can be written again.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    /// Whether it sees all names around it, and not only what the template
    /// itself sets.
    pub(super) is_scoped: bool,
    pub(super) body: Vec<Statement>,
}

/// The names that have no value when a part begins, by the address of the
/// part's statements.
#[derive(Debug, Default)]
pub(super) struct Unset(HashMap<usize, Vec<String>>);

impl Unset {
    /// Returns the names of a part.
    pub(super) fn names(&self, body: &[Statement]) -> &[String] {
        let names = self.0.get(&body.as_ptr().addr());
        names.map(Vec::as_slice).unwrap_or_default()
    }

    /// Sets the names of a part.
    pub(super) fn set(&mut self, body: &[Statement], names: Vec<String>) {
        self.0.insert(body.as_ptr().addr(), names);
    }
}

/// A template.
#[derive(Debug, Default)]
pub struct Program {
    pub(super) body: Vec<Statement>,
    pub(super) loops: Vec<For>,
    pub(super) macros: Vec<Macro>,
    pub(super) blocks: Vec<Block>,
    pub(super) unset: Unset,
    pub(super) is_dated: bool,
}

impl Program {
    /// Whether the template uses the name `strftime_now`.
    pub fn is_dated(&self) -> bool {
        self.is_dated
    }
}
