//! Jinja as `transformers` sets it up for chat templates.
//!
//! Chat templates are written for Jinja2 in Python, and what they render to
//! depends on Python's own values: how they print, compare, and which methods
//! they have. So this is a small interpreter with Python's semantics, rather
//! than one with Rust's: an expression gives what Jinja2 gives, or it is
//! refused by name. A template is somebody else's program: every step and all
//! memory is paid for from a budget of work, nesting is bounded, and
//! the same template always gives the same result.
//!
//! The crate `minijinja` (2.24, with `pycompat`) renders most templates alike, but not all:
//! it prints `['a']` as `["a"]` and `1e16` as `10000000000000000.0`, and it has neither
//! `'%d' % n` nor `{% generation %}`. A prompt that differs by a quotation mark is a silent
//! fault: the model was trained on another text.
//!
//! One thing differs on purpose: `strftime_now` gives a fixed date, [`DATE`].
//!
//! ```
//! use apo_jinja::{ContextValue, Limits, Program};
//!
//! let program = Program::parse("{% for m in messages %}<{{ m.role }}>{{ m['content'] }}{% endfor %}");
//! let message = ContextValue::dict(vec![("role", "user".into()), ("content", "Hi!".into())]);
//! let context = vec![("messages".to_owned(), ContextValue::list(vec![message]))];
//! let limits = Limits { work: 10_000, output: 1_000 };
//! let text = program.and_then(|it| it.render(&context, limits));
//! assert_eq!(text.ok().as_deref(), Some("<user>Hi!"));
//! ```

mod access;
mod arguments;
mod calls;
mod checks;
mod context_value;
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
mod scopes;
mod statements;
mod syntax;
mod unset;
mod value;

pub use context_value::ContextValue;
pub use date::DATE;
pub use fault::{Fault, Kind};
pub use render::{Context, Limits};
pub use syntax::Program;
