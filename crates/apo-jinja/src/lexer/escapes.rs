//! Escapes in the texts of a template.

use super::super::fault::{Result, problem, unsupported};

/// Reads escapes as Python does.
pub(super) fn unescape(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        let c = chars.next();
        rest = chars.as_str();
        let unescaped = match c {
            Some('\n') => continue,
            Some(c @ ('\\' | '\'' | '"')) => c,
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some('0'..='7') => {
                let len = after
                    .bytes()
                    .take(3)
                    .take_while(|it| matches!(it, b'0'..=b'7'));
                let len = len.count();
                rest = &after[len..];
                code(u32::from_str_radix(&after[..len], 8).ok())?
            }
            Some(kind @ ('x' | 'u' | 'U')) => {
                let len = match kind {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let hex = rest.get(..len);
                let hex = hex.filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
                let Some(hex) = hex else {
                    return problem(format!("truncated \\{kind} escape"));
                };
                rest = &rest[len..];
                code(u32::from_str_radix(hex, 16).ok())?
            }
            Some('N') => return unsupported("a character by its name, \\N{…},"),
            Some(c) if !c.is_ascii() => {
                // Jinja escapes such a character first; Python turns the two
                // backslashes into one.
                out += &match u32::from(c) {
                    code @ ..0x100 => format!("\\x{code:02x}"),
                    code @ ..0x1_0000 => format!("\\u{code:04x}"),
                    code => format!("\\U{code:08x}"),
                };
                continue;
            }
            Some(c) => {
                out.push('\\');
                c
            }
            None => '\\',
        };
        out.push(unescaped);
    }
    out.push_str(rest);
    Ok(out)
}

fn code(code: Option<u32>) -> Result<char> {
    match code.and_then(char::from_u32) {
        Some(c) => Ok(c),
        None => problem("an escape that is not a character"),
    }
}
