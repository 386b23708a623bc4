//! Jinja as `transformers` sets it up for chat templates.
//!
//! Chat templates are written for Jinja2 in Python, and what they render to
//! depends on Python's own values: how they print, compare, and which methods
//! they have. So this is a small interpreter with Python's semantics, rather
//! than one with Rust's: an expression gives what Jinja2 gives, or it is
//! refused by name. A template is somebody else's program: every step and all
//! memory is paid for from a budget of [`fault::Work`], nesting is bounded, and
//! the same template always gives the same result.
//!
//! One thing differs on purpose: `strftime_now` gives a fixed date, [`DATE`].

mod arguments;
mod checks;
mod date;
mod evaluate;
mod expressions;
mod fault;
mod filters;
mod format;
mod json;
mod lexer;
mod methods;
mod names;
mod operators;
mod parser;
mod print;
mod python;
mod render;
mod syntax;
mod value;

pub(crate) use date::DATE;
pub(crate) use fault::{Fault, Kind};
pub(crate) use render::{Context, Limits};
pub(crate) use syntax::Program;
pub(crate) use value::{Value, dict, list};
