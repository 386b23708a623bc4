//! Jinja as `transformers` sets it up for chat templates.
//!
//! minijinja speaks Jinja; what is here is what `transformers` adds to it, and
//! Python's methods where the two differ. One thing differs on purpose:
//! `strftime_now` gives a fixed date, [`DATE`], since equal input is to give
//! equal output on every day.

use std::fmt::Write as _;

use chrono::NaiveDate;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::json::tojson;
use crate::python::{method, strip};

/// The date that templates are told, year, month, day: the one that LLaMA 3's
/// own templates fall back to.
pub(crate) const DATE: (i32, u32, u32) = (2024, 7, 26);

/// What a template asks the date with.
pub(crate) const DATE_FUNCTION: &str = "strftime_now";

/// What a template refuses a dialogue with (`raise_exception`).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// Makes an environment without templates.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.expect("the delimiters are Jinja's own"));
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", tojson);
    environment.add_filter("trim", |text: &Value, chars: Option<&str>| {
        strip(&text.to_string(), chars, true, true)
    });
    for name in ["e", "escape", "forceescape"] {
        environment.add_filter(name, escape);
    }
    environment.add_function("raise_exception", |message: &Value| {
        let error = Error::new(ErrorKind::InvalidOperation, "raise_exception");
        Err::<Value, _>(error.with_source(Refused(message.to_string())))
    });
    environment.add_function(DATE_FUNCTION, date);
    environment
}

/// Returns a template's source as minijinja reads it: line ends as Jinja reads
/// them, and `transformers`' own tag `generation`, which marks what an assistant
/// said and renders as its body, as a block of its own scope.
pub(crate) fn source(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = next_tag(rest) {
        out += &rest[..at];
        rest = &rest[at..];
        let len = tag_len(rest);
        let (tag, after) = rest.split_at(len);
        match word(tag) {
            "generation" => out += &tag.replacen("generation", "with", 1),
            "endgeneration" => out += &tag.replacen("endgeneration", "endwith", 1),
            "raw" => {
                // Up to its end all is text.
                let end = raw_len(after);
                out += tag;
                out += &after[..end];
                rest = &after[end..];
                continue;
            }
            _ => out += tag,
        }
        rest = after;
    }
    out + rest
}

/// Finds where the next tag, expression or comment begins.
fn next_tag(text: &str) -> Option<usize> {
    let mut braces = text.match_indices('{').map(|(at, _)| at);
    braces.find(|at| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')))
}

/// Returns how long the tag, expression or comment is that a text begins with.
fn tag_len(text: &str) -> usize {
    let (end, is_code) = match &text.as_bytes()[..2] {
        b"{#" => ("#}", false),
        b"{%" => ("%}", true),
        _ => ("}}", true),
    };
    let mut quote = None;
    let mut chars = text.char_indices().skip(2);
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), c) => {
                if c == open {
                    quote = None;
                }
            }
            (None, '"' | '\'') if is_code => quote = Some(c),
            (None, _) if text[at..].starts_with(end) => return at + end.len(),
            (None, _) => {}
        }
    }
    text.len()
}

/// Returns the one word of a tag; nothing where it has more, or is no tag.
fn word(tag: &str) -> &str {
    let inner = tag.strip_prefix("{%").and_then(|it| it.strip_suffix("%}"));
    let inner = inner.unwrap_or("").trim_start_matches(['-', '+']);
    inner.trim_end_matches(['-', '+']).trim()
}

/// Returns how much of a text belongs to a raw block, with its end.
fn raw_len(text: &str) -> usize {
    let ends = text.match_indices("{%").map(|(at, _)| at);
    for at in ends {
        let len = text[at..].find("%}").map_or(text.len() - at, |it| it + 2);
        if word(&text[at..at + len]) == "endraw" {
            return at + len;
        }
    }
    text.len()
}

/// `escape`: HTML as Python's markupsafe writes it.
fn escape(text: &Value) -> Value {
    let mut escaped = String::new();
    for c in text.to_string().chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\'' => escaped += "&#39;",
            '"' => escaped += "&#34;",
            c => escaped.push(c),
        }
    }
    Value::from_safe_string(escaped)
}

/// `strftime_now(format)`: the fixed date as Python's `strftime` writes it.
fn date(format: &str) -> Result<String, Error> {
    let (year, month, day) = DATE;
    let date = NaiveDate::from_ymd_opt(year, month, day).and_then(|it| it.and_hms_opt(0, 0, 0));
    let date = date.expect("the date is one");
    let mut text = String::new();
    write!(text, "{}", date.format(format)).map_err(|_| {
        let problem = format!("strftime_now does not know the format {format:?}");
        Error::new(ErrorKind::InvalidOperation, problem)
    })?;
    Ok(text)
}
