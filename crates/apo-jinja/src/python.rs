//! Python's methods of texts.

use super::fault::{Result, problem, unsupported};

/// Whether a character is whitespace to Python.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub(super) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// The ends of a text that are stripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Left,
    Right,
    Both,
}

/// Removes some characters, or whitespace, from ends of a text.
pub(super) fn strip<'a>(text: &'a str, chars: Option<&str>, ends: Ends) -> &'a str {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    match ends {
        Ends::Left => text.trim_start_matches(goes),
        Ends::Right => text.trim_end_matches(goes),
        Ends::Both => text.trim_matches(goes),
    }
}

/// Splits a text from the left or the right, at most `most` times; at
/// whitespace if there is no separator.
pub(super) fn split<'a>(
    text: &'a str,
    from_right: bool,
    separator: Option<&str>,
    most: i128,
) -> Result<Vec<&'a str>> {
    let n = usize::try_from(most).map_or(usize::MAX, |n| n.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some("") => return problem("empty separator"),
        Some(separator) if from_right => text.rsplitn(n, separator).collect(),
        Some(separator) => text.splitn(n, separator).collect(),
        None if from_right => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end_matches(is_space);
            while !rest.is_empty() {
                let at = rest.rfind(is_space).filter(|_| parts.len() + 1 < n);
                let from = at.map_or(0, |at| {
                    at + rest[at..].chars().next().map_or(0, char::len_utf8)
                });
                if at.is_none() {
                    // The rest keeps whitespace inside it, but not around it.
                    parts.push(rest.trim_end_matches(is_space));
                    break;
                }
                parts.push(&rest[from..]);
                rest = rest[..at.unwrap_or(0)].trim_end_matches(is_space);
            }
            parts
        }
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_start_matches(is_space);
            while !rest.is_empty() {
                let at = rest.find(is_space).filter(|_| parts.len() + 1 < n);
                parts.push(&rest[..at.unwrap_or(rest.len())]);
                rest = rest[at.unwrap_or(rest.len())..].trim_start_matches(is_space);
            }
            parts
        }
    };
    if from_right {
        parts.reverse();
    }
    Ok(parts)
}

/// Splits a text at line breaks, which are kept or not.
pub(super) fn split_lines(text: &str, keep: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(is_end).unwrap_or(rest.len());
        let len = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(0, char::len_utf8)
        };
        lines.push(&rest[..if keep { at + len } else { at }]);
        rest = &rest[at + len..];
    }
    lines
}

/// A letter in title case, as in Python's `title` and `capitalize`.
fn title_letter(c: char, out: &mut String) -> Result<()> {
    match c {
        'ß' => out.push_str("Ss"),
        // In these ranges a letter's title case is its one upper-case letter.
        '\0'..='\u{148}' | '\u{14a}'..='\u{1c3}' | 'Α'..='ω' | 'Ѐ'..='ԯ' => {
            out.extend(c.to_uppercase());
        }
        c if c.to_uppercase().eq([c]) && c.to_lowercase().eq([c]) => out.push(c),
        c => return unsupported(format!("the title case of {c:?}")),
    }
    Ok(())
}

fn lower_letter(c: char, out: &mut String) -> Result<()> {
    if matches!(c, 'Σ' | 'İ') {
        return unsupported(format!("the title case of a word with {c:?}"));
    }
    out.extend(c.to_lowercase());
    Ok(())
}

pub(super) fn capitalize(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        if i == 0 {
            title_letter(c, &mut out)?;
        } else {
            lower_letter(c, &mut out)?;
        }
    }
    Ok(out)
}

pub(super) fn title(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            lower_letter(c, &mut out)?;
        } else {
            title_letter(c, &mut out)?;
        }
        in_word = is_cased(c)?;
    }
    Ok(out)
}

pub(super) fn swap_case(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            lower_letter(c, &mut out)?;
        } else {
            out.extend(c.to_uppercase());
        }
    }
    Ok(out)
}

/// Whether a letter has a case.
fn is_cased(c: char) -> Result<bool> {
    match c {
        'ª' | 'º' | '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}' => {
            unsupported(format!("the case of {c:?}"))
        }
        c => Ok(c.is_lowercase() || c.is_uppercase()),
    }
}

/// Whether a text has letters with a case, all of them of that case.
pub(super) fn is_case(text: &str, upper: bool) -> Result<bool> {
    let mut any = false;
    for c in text.chars() {
        if is_cased(c)? {
            if c.is_uppercase() != upper {
                return Ok(false);
            }
            any = true;
        }
    }
    Ok(any)
}

/// Whether a character is a letter to Python; to Rust some marks and numbers
/// are letters too.
pub(super) fn is_letter(c: char) -> Result<bool> {
    match c {
        c if c.is_ascii() => Ok(c.is_ascii_alphabetic()),
        c if !c.is_alphabetic() => Ok(false),
        '\u{80}'..='\u{344}'
        | '\u{370}'..='\u{481}'
        | '\u{48a}'..='\u{588}'
        | '\u{5d0}'..='\u{5ea}'
        | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' => Ok(true),
        c => unsupported(format!("whether {c:?} is a letter")),
    }
}

/// Whether a character is a digit to Python, of any script.
pub(super) fn is_digit(c: char) -> Result<bool> {
    match c {
        c if c.is_ascii() => Ok(c.is_ascii_digit()),
        c if !c.is_numeric() => Ok(false),
        c => unsupported(format!("whether {c:?} is a digit")),
    }
}

/// Reads an integer as Python's `int` does; returns `None` if there is none.
pub(super) fn parse_int(text: &str, base: u32) -> Result<Option<i128>> {
    let text = strip(text, None, Ends::Both);
    let (is_negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let prefix = digits.get(..2).unwrap_or("").to_ascii_lowercase();
    let of_prefix = match prefix.as_str() {
        "0b" => 2,
        "0o" => 8,
        "0x" => 16,
        _ => 0,
    };
    let (base, digits) = match base {
        0 if of_prefix > 0 => (of_prefix, &digits[2..]),
        0 if digits.len() > 1 && digits.starts_with('0') => {
            let zeros = digits.chars().all(|c| matches!(c, '0' | '_'));
            return Ok(zeros.then_some(0));
        }
        0 => (10, digits),
        base if base == of_prefix => (base, &digits[2..]),
        base => (base, digits),
    };
    if digits.chars().any(|c| !c.is_ascii() && c.is_numeric()) {
        return unsupported("a number in digits of another script");
    }
    let digits = digits
        .strip_prefix('_')
        .filter(|_| of_prefix == base)
        .unwrap_or(digits);
    let is_digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_digit(base));
    if !digits.split('_').all(is_digits) {
        return Ok(None);
    }
    let sign = if is_negative { "-" } else { "" };
    let text = format!("{sign}{}", digits.replace('_', ""));
    match i128::from_str_radix(&text, base) {
        Ok(it) => Ok(Some(it)),
        Err(_) => unsupported("an integer of more than 38 digits"),
    }
}

/// Reads a float as Python's `float` does; returns `None` if there is none.
pub(super) fn parse_float(text: &str) -> Result<Option<f64>> {
    let text = strip(text, None, Ends::Both);
    if text.chars().any(|c| !c.is_ascii() && c.is_numeric()) {
        return unsupported("a number in digits of another script");
    }
    let is_between_digits = |at: usize| {
        let bytes = text.as_bytes();
        at > 0
            && bytes[at - 1].is_ascii_digit()
            && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
    };
    if !text.match_indices('_').all(|(at, _)| is_between_digits(at)) {
        return Ok(None);
    }
    Ok(text.replace('_', "").parse().ok())
}
