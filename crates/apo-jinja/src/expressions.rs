//! Parses expressions as Jinja does, even if its order of operators is not
//! Python's: `2**3**2` is 64, `-2**2` is 4.

use super::fault::{Result, problem};
use super::lexer::Kind as Token;
use super::parser::Parser;
use super::syntax::{Arguments, Binary, Comparison, Expr, Node};

/// What the items of a tuple may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Items {
    /// One or more, of any kind.
    Any,
    /// One or more; an `if` after them belongs to the tag.
    WithoutConditions,
    /// Of any kind, or none: brackets are around them.
    AnyOrNone,
}

impl Parser {
    /// Reads a value, or several with commas between them as a tuple.
    pub(super) fn tuple(&mut self, allowed: Items, ends: &[&str]) -> Result<Node> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            let is_end = matches!(
                self.peek(),
                Some(Token::ExpressionEnd | Token::BlockEnd | Token::Op(")"))
            ) || ends.iter().any(|it| self.is_name(it));
            if is_end {
                break;
            }
            items.push(if allowed == Items::WithoutConditions {
                self.deeper(Self::or)?
            } else {
                self.expression()?
            });
            if !self.skip_op(",") {
                break;
            }
            is_tuple = true;
        }
        if is_tuple || (items.is_empty() && allowed == Items::AnyOrNone) {
            return Node::new(Expr::Tuple(items));
        }
        match items.pop() {
            Some(item) => Ok(item),
            None => self.unexpected("an expression"),
        }
    }

    /// Reads an expression.
    pub(super) fn expression(&mut self) -> Result<Node> {
        self.deeper(Self::condition_expression)
    }

    fn condition_expression(&mut self) -> Result<Node> {
        let mut value = self.or()?;
        while self.skip_name("if") {
            let test = self.or()?;
            let otherwise = if self.skip_name("else") {
                Some(Box::new(self.expression()?))
            } else {
                None
            };
            value = Node::new(Expr::If(Box::new([value, test]), otherwise))?;
        }
        Ok(value)
    }

    fn or(&mut self) -> Result<Node> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            let right = self.and()?;
            left = Node::new(Expr::Or(Box::new([left, right])))?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            let right = self.not()?;
            left = Node::new(Expr::And(Box::new([left, right])))?;
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Node> {
        let mut n = 0;
        while self.skip_name("not") {
            n += 1;
        }
        let mut node = self.compare()?;
        for _ in 0..n {
            node = Node::new(Expr::Not(Box::new(node)))?;
        }
        Ok(node)
    }

    fn compare(&mut self) -> Result<Node> {
        let first = self.arithmetic(0)?;
        let mut more = Vec::new();
        loop {
            let comparison = match self.peek() {
                Some(Token::Op("==")) => Comparison::Equal,
                Some(Token::Op("!=")) => Comparison::Unequal,
                Some(Token::Op("<")) => Comparison::Less,
                Some(Token::Op("<=")) => Comparison::LessOrEqual,
                Some(Token::Op(">")) => Comparison::Greater,
                Some(Token::Op(">=")) => Comparison::GreaterOrEqual,
                Some(Token::Name(it)) if it == "in" => Comparison::In,
                Some(Token::Name(it)) if it == "not" => match self.peek_at(1) {
                    Some(Token::Name(it)) if it == "in" => {
                        self.next();
                        Comparison::NotIn
                    }
                    _ => break,
                },
                _ => break,
            };
            self.next();
            more.push((comparison, self.arithmetic(0)?));
        }
        if more.is_empty() {
            return Ok(first);
        }
        Node::new(Expr::Compare(Box::new(first), more))
    }

    /// Reads operators of one rank and of the ranks that bind more tightly:
    /// sums, joined texts, products, powers.
    fn arithmetic(&mut self, rank: usize) -> Result<Node> {
        if rank == 4 {
            return self.unary();
        }
        let mut left = self.arithmetic(rank + 1)?;
        if rank == 1 {
            if !self.is_op("~") {
                return Ok(left);
            }
            let mut parts = vec![left];
            while self.skip_op("~") {
                parts.push(self.arithmetic(2)?);
            }
            return Node::new(Expr::Concat(parts));
        }
        loop {
            let binary = match (rank, self.peek()) {
                (0, Some(Token::Op("+"))) => Binary::Add,
                (0, Some(Token::Op("-"))) => Binary::Subtract,
                (2, Some(Token::Op("*"))) => Binary::Multiply,
                (2, Some(Token::Op("/"))) => Binary::Divide,
                (2, Some(Token::Op("//"))) => Binary::FloorDivide,
                (2, Some(Token::Op("%"))) => Binary::Remainder,
                (3, Some(Token::Op("**"))) => Binary::Power,
                _ => return Ok(left),
            };
            self.next();
            let right = self.arithmetic(rank + 1)?;
            left = Node::new(Expr::Binary(binary, Box::new([left, right])))?;
        }
    }

    fn unary(&mut self) -> Result<Node> {
        let mut signs = Vec::new();
        loop {
            if self.skip_op("-") {
                signs.push(true);
            } else if self.skip_op("+") {
                signs.push(false);
            } else {
                break;
            }
        }
        let mut node = self.primary()?;
        node = self.postfix(node)?;
        while let Some(is_negative) = signs.pop() {
            let inner = Box::new(node);
            node = Node::new(if is_negative {
                Expr::Negative(inner)
            } else {
                Expr::Positive(inner)
            })?;
        }
        self.filters_and_tests(node)
    }

    fn primary(&mut self) -> Result<Node> {
        match self.peek() {
            Some(Token::Name(_) | Token::Text(_) | Token::Int(_) | Token::Float(_)) => {}
            Some(Token::Op("(" | "[" | "{")) => return self.deeper(Self::brackets),
            _ => return self.unexpected("an expression"),
        }
        let expr = match self.next() {
            Some(Token::Name(name)) => match name.as_str() {
                "true" | "True" => Expr::Bool(true),
                "false" | "False" => Expr::Bool(false),
                "none" | "None" => Expr::None,
                _ => {
                    self.uses(&name);
                    Expr::Name(name)
                }
            },
            Some(Token::Text(mut text)) => {
                while let Some(Token::Text(more)) = self.peek() {
                    text += more;
                    self.next();
                }
                Expr::Text(text.into())
            }
            Some(Token::Int(it)) => Expr::Int(it),
            Some(Token::Float(it)) => Expr::Float(it),
            _ => return self.unexpected("an expression"),
        };
        Node::new(expr)
    }

    fn brackets(&mut self) -> Result<Node> {
        if self.skip_op("(") {
            let node = self.tuple(Items::AnyOrNone, &[])?;
            self.expect_op(")")?;
            return Ok(node);
        }
        if self.skip_op("[") {
            let mut items = Vec::new();
            while !self.is_op("]") {
                if !items.is_empty() {
                    self.expect_op(",")?;
                    if self.is_op("]") {
                        break;
                    }
                }
                items.push(self.expression()?);
            }
            self.expect_op("]")?;
            return Node::new(Expr::List(items));
        }
        self.expect_op("{")?;
        let mut entries = Vec::new();
        while !self.is_op("}") {
            if !entries.is_empty() {
                self.expect_op(",")?;
                if self.is_op("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect_op(":")?;
            entries.push((key, self.expression()?));
        }
        self.expect_op("}")?;
        Node::new(Expr::Dict(entries))
    }

    /// Reads attributes, items and calls.
    fn postfix(&mut self, mut node: Node) -> Result<Node> {
        loop {
            node = if self.skip_op(".") {
                match self.peek() {
                    Some(Token::Int(_)) => {
                        let index = match self.next() {
                            Some(Token::Int(it)) => Node::new(Expr::Int(it))?,
                            _ => return self.unexpected("a name"),
                        };
                        Node::new(Expr::Item(Box::new([node, index])))?
                    }
                    _ => Node::new(Expr::Attribute(Box::new(node), self.name()?))?,
                }
            } else if self.skip_op("[") {
                self.deeper(|parser| parser.subscript(node))?
            } else if self.is_op("(") {
                self.call(node)?
            } else {
                return Ok(node);
            };
        }
    }

    fn call(&mut self, node: Node) -> Result<Node> {
        let arguments = self.arguments()?;
        Node::new(Expr::Call(Box::new(node), Box::new(arguments)))
    }

    fn subscript(&mut self, of: Node) -> Result<Node> {
        let mut parts = [None, None, None];
        let mut n = 0;
        loop {
            if self.skip_op(":") {
                n += 1;
                if n > 2 {
                    return self.unexpected("']'");
                }
            } else if self.is_op("]") {
                break;
            } else if parts[n].is_none() {
                parts[n] = Some(self.expression()?);
                if n == 0 && self.is_op(",") {
                    return problem("several items in one pair of brackets");
                }
            } else {
                return self.unexpected("']'");
            }
        }
        self.expect_op("]")?;
        if n > 0 {
            return Node::new(Expr::Slice(Box::new(of), Box::new(parts)));
        }
        match parts {
            [Some(index), ..] => Node::new(Expr::Item(Box::new([of, index]))),
            _ => problem("expected an expression between '[' and ']'"),
        }
    }

    fn filters_and_tests(&mut self, mut node: Node) -> Result<Node> {
        loop {
            node = if self.skip_op("|") {
                self.filters(Some(node))?
            } else if self.skip_name("is") {
                self.test(node)?
            } else if self.is_op("(") {
                self.call(node)?
            } else {
                return Ok(node);
            };
        }
    }

    /// Reads filters with `|` between them, of a value or of a tag's text.
    pub(super) fn filters(&mut self, mut of: Option<Node>) -> Result<Node> {
        loop {
            let name = self.dotted_name()?;
            self.check_known("filter", &name)?;
            let arguments = Box::new(if self.is_op("(") {
                self.arguments()?
            } else {
                Arguments::default()
            });
            let filtered = Node::new(Expr::Filter(of.map(Box::new), name, arguments))?;
            if !self.skip_op("|") {
                return Ok(filtered);
            }
            of = Some(filtered);
        }
    }

    fn dotted_name(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.skip_op(".") {
            name += ".";
            name += &self.name()?;
        }
        Ok(name)
    }

    fn test(&mut self, of: Node) -> Result<Node> {
        let is_negated = self.skip_name("not");
        let name = self.dotted_name()?;
        self.check_known("test", &name)?;
        let mut arguments = Arguments::default();
        match self.peek() {
            Some(Token::Op("(")) => arguments = self.arguments()?,
            Some(Token::Name(it)) if matches!(it.as_str(), "else" | "or" | "and") => {}
            Some(Token::Name(it)) if it == "is" => {
                return problem("tests cannot be chained with 'is'");
            }
            Some(
                Token::Name(_)
                | Token::Text(_)
                | Token::Int(_)
                | Token::Float(_)
                | Token::Op("[" | "{"),
            ) => {
                let argument = self.primary()?;
                arguments.positional.push(self.postfix(argument)?);
            }
            _ => {}
        }
        let test = Node::new(Expr::Test(Box::new(of), name, Box::new(arguments)))?;
        if is_negated {
            return Node::new(Expr::Not(Box::new(test)));
        }
        Ok(test)
    }
}
