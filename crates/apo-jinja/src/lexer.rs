//! Splits a template's source into tokens as Jinja does with `trim_blocks` and
//! `lstrip_blocks`.

mod escapes;

use escapes::unescape;

use super::fault::{Result, problem, unsupported};
use super::python::{is_space, trim_end};

/// A token and the line that it begins in.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Data(String),
    BlockBegin,
    BlockEnd,
    ExpressionBegin,
    ExpressionEnd,
    Name(String),
    Text(String),
    Int(i128),
    Float(f64),
    Op(&'static str),
}

/// Longer ones first.
const OPERATORS: [&str; 25] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",",
];

/// Cuts a source into tokens.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut lexer = Lexer {
        rest: source.strip_suffix('\n').unwrap_or(&source),
        line: 1,
        starts_line: true,
        tokens: Vec::new(),
    };
    match lexer.run() {
        Ok(()) => Ok(lexer.tokens),
        Err(fault) => Err(fault.at(lexer.line)),
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    /// Whether the last thing read ends with a line break.
    starts_line: bool,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) -> Result<()> {
        while let Some(at) = next_tag(self.rest) {
            let (text, tag) = self.rest.split_at(at);
            let is_expression = tag.starts_with("{{");
            self.data(text, &tag[2..], !is_expression);
            self.take(at + 2);
            let (opened, is_signed) = (self.rest, self.rest.starts_with(['-', '+']));
            self.take(usize::from(is_signed));
            match &tag[..2] {
                "{#" => self.comment()?,
                "{{" => self.code(true)?,
                _ => match raw_begin(opened) {
                    Some(len) => {
                        self.take(len - usize::from(is_signed));
                        self.raw()?;
                    }
                    None => self.code(false)?,
                },
            }
        }
        self.push(Kind::Data(self.rest.to_owned()));
        Ok(())
    }

    fn push(&mut self, kind: Kind) {
        let line = self.line;
        if kind != Kind::Data(String::new()) {
            self.tokens.push(Token { kind, line });
        }
    }

    /// Skips some bytes.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.line += taken.matches('\n').count();
        self.starts_line = taken.ends_with('\n');
        self.rest = rest;
        taken
    }

    /// Adds text before a tag, without the whitespace that the tag takes;
    /// `after` follows the tag's first two characters.
    fn data(&mut self, text: &str, after: &str, strips: bool) {
        let text = if after.starts_with('-') {
            trim_end(text)
        } else if strips && !after.starts_with('+') {
            let line = text.rfind('\n').map_or(0, |at| at + 1);
            let is_blank = line < text.len() && text[line..].chars().all(is_space);
            if is_blank && (line > 0 || self.starts_line) {
                &text[..line]
            } else {
                text
            }
        } else {
            text
        };
        self.push(Kind::Data(text.to_owned()));
    }

    fn comment(&mut self) -> Result<()> {
        let Some(end) = self.rest.find("#}") else {
            return problem("the end of a comment is missing");
        };
        let sign = self.rest[..end].chars().next_back();
        self.take(end + 2);
        self.after_end(sign);
        Ok(())
    }

    /// Skips what the end of a block removes.
    fn after_end(&mut self, sign: Option<char>) {
        let len = match sign {
            Some('-') => self.rest.len() - self.rest.trim_start_matches(is_space).len(),
            Some('+') => 0,
            _ => usize::from(self.rest.starts_with('\n')),
        };
        if len > 0 {
            self.take(len);
        }
    }

    /// Reads a raw block up to its end.
    fn raw(&mut self) -> Result<()> {
        let ends = self.rest.match_indices("{%");
        let end = ends.map(|(at, _)| at).find_map(|at| {
            let tag = &self.rest[at + 2..];
            let name = tag.strip_prefix(['-', '+']).unwrap_or(tag);
            let name = name.trim_start_matches(is_space);
            let close = name.strip_prefix("endraw")?.trim_start_matches(is_space);
            let (sign, close) = match close.strip_prefix(['-', '+']) {
                Some(it) => (close.chars().next(), it),
                None => (None, close),
            };
            let after = close.strip_prefix("%}")?;
            Some((at, sign, self.rest.len() - after.len()))
        });
        let Some((at, sign, end)) = end else {
            return problem("the end of a raw block is missing");
        };
        let (text, after) = (&self.rest[..at], &self.rest[at + 2..]);
        self.data(text, after, true);
        self.take(end);
        self.after_end(sign);
        Ok(())
    }

    /// Reads an expression or a block's tag up to its end.
    fn code(&mut self, is_expression: bool) -> Result<()> {
        let (begin, end, close) = if is_expression {
            (Kind::ExpressionBegin, Kind::ExpressionEnd, "}}")
        } else {
            (Kind::BlockBegin, Kind::BlockEnd, "%}")
        };
        self.push(begin);
        let mut open: Vec<&str> = Vec::new();
        let mut after_dot = false;
        loop {
            let blank = self.rest.len() - self.rest.trim_start_matches(is_space).len();
            if blank > 0 {
                after_dot = false;
            }
            self.take(blank);
            let Some(c) = self.rest.chars().next() else {
                return problem("the end of a tag is missing");
            };
            if open.is_empty() {
                let is_signed = c == '-' || (c == '+' && !is_expression);
                let sign = Some(c).filter(|_| is_signed);
                let closing = &self.rest[usize::from(is_signed)..];
                if closing.starts_with(close) {
                    self.push(end);
                    self.take(close.len() + usize::from(is_signed));
                    if !is_expression || sign == Some('-') {
                        self.after_end(sign);
                    }
                    return Ok(());
                }
            }
            if c.is_ascii_digit() {
                self.number(after_dot)?;
            } else if c == '_' || is_letter(c) {
                let is_part = |c: char| c.is_ascii_digit() || c == '_' || is_letter(c);
                let len = self.rest.len() - self.rest.trim_start_matches(is_part).len();
                self.push(Kind::Name(self.rest[..len].to_owned()));
                self.take(len);
            } else if c == '"' || c == '\'' {
                self.text(c)?;
            } else if let Some(op) = OPERATORS.iter().find(|it| self.rest.starts_with(**it)) {
                match *op {
                    "(" => open.push(")"),
                    "[" => open.push("]"),
                    "{" => open.push("}"),
                    ")" | "]" | "}" if open.pop() != Some(*op) => {
                        return problem(format!("unexpected '{op}'"));
                    }
                    _ => {}
                }
                self.push(Kind::Op(op));
                self.take(op.len());
                after_dot = *op == ".";
                continue;
            } else if c.is_alphanumeric() {
                return unsupported(format!("a name with the letter {c:?}"));
            } else {
                return problem(format!("unexpected character {c:?}"));
            }
            after_dot = false;
        }
    }

    fn number(&mut self, after_dot: bool) -> Result<()> {
        let rest = self.rest;
        let whole = digits(rest);
        let mut len = whole;
        if !after_dot {
            if rest[len..].starts_with('.') && digits(&rest[len + 1..]) > 0 {
                len += 1 + digits(&rest[len + 1..]);
            }
            if let Some(exponent) = rest[len..].strip_prefix(['e', 'E']) {
                let sign = usize::from(exponent.starts_with(['+', '-']));
                let n = digits(&exponent[sign..]);
                if n > 0 {
                    len += 1 + sign + n;
                }
            }
        }
        if len > whole {
            let value = rest[..len].replace('_', "").parse();
            self.push(Kind::Float(value.unwrap_or(f64::NAN)));
            self.take(len);
            return Ok(());
        }
        let prefix = rest.get(..2).unwrap_or("").to_ascii_lowercase();
        let radix = match prefix.as_str() {
            "0b" => 2,
            "0o" => 8,
            "0x" => 16,
            _ => 10,
        };
        let of_radix = if radix == 10 {
            0
        } else {
            // An underscore may follow the prefix.
            let from = 2 + usize::from(rest[2..].starts_with('_'));
            match digits_of(&rest[from..], radix) {
                0 => 0,
                n => from + n,
            }
        };
        let (text, radix, len) = match of_radix {
            0 if rest.starts_with('0') => {
                let zeros = rest[..whole].trim_start_matches(['0', '_']).len();
                let len = rest[..whole - zeros].trim_end_matches('_').len();
                ("0", 10, len)
            }
            0 => (&rest[..whole], 10, whole),
            len => (&rest[2..len], radix, len),
        };
        let Ok(value) = i128::from_str_radix(&text.replace('_', ""), radix) else {
            return unsupported("an integer of more than 38 digits");
        };
        self.push(Kind::Int(value));
        self.take(len);
        Ok(())
    }

    fn text(&mut self, quote: char) -> Result<()> {
        let mut chars = self.rest.char_indices().skip(1);
        let mut end = None;
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                chars.next();
            } else if c == quote {
                end = Some(at);
                break;
            }
        }
        let Some(end) = end else {
            return problem("the end of a text is missing");
        };
        let text = unescape(&self.rest[1..end])?;
        self.push(Kind::Text(text));
        self.take(end + 1);
        Ok(())
    }
}

/// Whether a character may be part of a name. Python allows more and takes some
/// for others.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c,
            'À'..='ÿ' if c != '×' && c != '÷')
        || matches!(c,
            'Α'..='Ρ' | 'Σ'..='Ω' | 'α'..='ω' | 'А'..='я' | 'ё' | 'Ё'
            | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'
            | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Finds where the next tag, expression or comment begins.
fn next_tag(text: &str) -> Option<usize> {
    let mut braces = text.match_indices('{').map(|(at, _)| at);
    braces.find(|at| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')))
}

/// Returns the length of a raw block's tag after its first two characters.
fn raw_begin(tag: &str) -> Option<usize> {
    let name = tag.strip_prefix(['-', '+']).unwrap_or(tag);
    let name = name.trim_start_matches(is_space);
    let close = name.strip_prefix("raw")?.trim_start_matches(is_space);
    let after = match close.strip_prefix('-') {
        Some(it) => it.strip_prefix("%}")?.trim_start_matches(is_space),
        None => close.strip_prefix("%}")?,
    };
    Some(tag.len() - after.len())
}

/// Returns how many bytes are digits, with single underscores between them.
fn digits(text: &str) -> usize {
    digits_of(text, 10)
}

fn digits_of(text: &str, radix: u32) -> usize {
    let mut len = 0;
    for (at, c) in text.char_indices() {
        if c.is_digit(radix) {
            len = at + 1;
        } else if c != '_' || len != at || at == 0 {
            break;
        }
    }
    len
}
