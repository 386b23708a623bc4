//! Values as text: Python's `str` and `repr`.

use super::fault::{Result, Work, unsupported};
use super::value::holders::Sequence;
use super::value::{Value, View};

/// Returns a value as `str` writes it.
pub(super) fn to_text(value: &Value, work: &Work) -> Result<String> {
    let mut out = String::new();
    write_text(&mut out, value, work)?;
    Ok(out)
}

/// Writes a value as `str` does.
pub(super) fn write_text(out: &mut String, value: &Value, work: &Work) -> Result<()> {
    match value {
        Value::Undefined(_) => Ok(()),
        Value::Text(it) => {
            work.text(it.text.len())?;
            out.push_str(&it.text);
            Ok(())
        }
        _ => write_repr(out, value, work),
    }
}

/// Writes a value as `repr` does.
pub(super) fn write_repr(out: &mut String, value: &Value, work: &Work) -> Result<()> {
    work.spend(1)?;
    match value {
        Value::Undefined(_) => out.push_str("Undefined"),
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(it) => out.push_str(&it.to_string()),
        Value::Float(it) => out.push_str(&float(*it)),
        Value::Text(it) => {
            work.text(2 * it.text.len())?;
            if it.safe {
                out.push_str("Markup(");
            }
            write_quoted(out, &it.text);
            if it.safe {
                out.push(')');
            }
        }
        Value::List(it) => write_items(out, "[", &it.items, "]", work)?,
        Value::Tuple(it) => write_tuple(out, it, work)?,
        Value::Dict(it) => {
            out.push('{');
            for (i, (key, value)) in it.entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(out, key, work)?;
                out.push_str(": ");
                write_repr(out, value, work)?;
            }
            out.push('}');
        }
        Value::View(view, it) => {
            let open = match view {
                View::Keys => "dict_keys([",
                View::Values => "dict_values([",
                View::Items => "dict_items([",
            };
            work.spend(it.entries.len())?;
            write_items(out, open, &it.view(*view)?, "])", work)?;
        }
        Value::Range(it) => {
            let (start, stop, step) = (it.start, it.stop, it.step);
            out.push_str(&match step {
                1 => format!("range({start}, {stop})"),
                _ => format!("range({start}, {stop}, {step})"),
            });
        }
        Value::Macro(it) => match &it.name {
            Some(name) => {
                out.push_str("<Macro ");
                write_quoted(out, name);
                out.push('>');
            }
            None => out.push_str("<Macro anonymous>"),
        },
        Value::Namespace(it) => {
            out.push_str("<Namespace {");
            work.print_names(|| {
                for (i, (name, value)) in it.borrow().iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    write_quoted(out, name);
                    out.push_str(": ");
                    write_repr(out, value, work)?;
                }
                Ok(())
            })?;
            out.push_str("}>");
        }
        Value::Loop(it) => match it.len() {
            Some(n) => *out += &format!("<LoopContext {}/{n}>", it.index()),
            None => return unsupported("printing this loop"),
        },
        // Python writes an address in memory, or what only Python knows.
        _ => return unsupported(format!("printing a {}", value.type_name())),
    }
    Ok(())
}

fn write_tuple(out: &mut String, it: &Sequence, work: &Work) -> Result<()> {
    let close = if it.items.len() == 1 { ",)" } else { ")" };
    write_items(out, "(", &it.items, close, work)
}

fn write_items(
    out: &mut String,
    open: &str,
    items: &[Value],
    close: &str,
    work: &Work,
) -> Result<()> {
    out.push_str(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_repr(out, item, work)?;
    }
    out.push_str(close);
    Ok(())
}

fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => match u32::from(c) {
                code @ ..0x100 => *out += &format!("\\x{code:02x}"),
                code @ ..0x1_0000 => *out += &format!("\\u{code:04x}"),
                code => *out += &format!("\\U{code:08x}"),
            },
        }
    }
    out.push(quote);
}

/// Python's `isprintable`. Rust's own escapes use the same categories, except
/// for marks at the beginning of a text.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_ascii() => false,
        c => {
            let mut buffer = [b'a'; 5];
            let len = c.encode_utf8(&mut buffer[1..]).len();
            let text = std::str::from_utf8(&buffer[..=len]).unwrap_or_default();
            text.escape_debug().count() == 2
        }
    }
}

/// A float as Python writes it.
pub(super) fn float(it: f64) -> String {
    if it.is_nan() {
        return "nan".to_owned();
    }
    if it.is_infinite() {
        return if it > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if it != 0.0 && !(1e-4..1e16).contains(&it.abs()) {
        let text = format!("{it:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{it:?}")
}
