//! Checks by its beginning that a file holds one record per line. If it holds records
//! in another way, one error says so, instead of one for each line.

use std::io::BufRead;
use std::path::Path;

use apo_tables::{TableError, file};
use serde::de::IgnoredAny;

use crate::fault::import_error;
use crate::{text, wrapped};

/// The error for comma- or tab-separated values.
pub(crate) const CSV: &str = "is CSV or plain text, expected JSON with one record per line; write it \
                              as .jsonl or .parquet, as pandas does by `to_json(PATH, \
                              orient=\"records\", lines=True)`";

const SPREAD: &str = "holds JSON over several lines, expected one record per line; \
                      `jq -c . FILE` writes it so";

const LIST: &str = "is one JSON list, expected one record per line; give it a name that ends in \
                    .json";

const OLD_MAC: &str = "has lines that end with only a carriage return, expected line feeds; \
                       `tr '\\r' '\\n' < FILE` converts it";

/// The number of lines that are looked at.
const FIRST: usize = 3;

/// Checks the beginning of a file's text, and returns the text.
///
/// # Errors
///
/// When it holds records, but not one per line.
pub(crate) fn checked(
    path: &Path,
    mut text: Box<dyn BufRead + Send>,
    fields: &[&str],
) -> Result<Box<dyn BufRead + Send>, TableError> {
    let begin = text.fill_buf().map_err(|error| text::broken(path, error))?;
    let problem = wrapped::problem(begin, fields).or_else(|| {
        let problem = problem(begin).or_else(|| no_text(path, begin));
        problem.map(str::to_owned)
    });
    match problem {
        Some(problem) => Err(import_error(path, &problem)),
        None => Ok(text),
    }
}

/// Says what a file may be if its first lines are neither JSON nor UTF-8.
pub(crate) fn no_text(path: &Path, begin: &[u8]) -> Option<&'static str> {
    // A character that is cut off at the end is not a fault.
    let is_utf8 = str::from_utf8(begin).map_or_else(|it| it.error_len().is_none(), |_| true);
    let mut lines = begin.split(|byte| *byte == b'\n').take(FIRST);
    let has_json = lines.any(|it| matches!(it.trim_ascii().first(), Some(b'{' | b'[')));
    (!is_utf8 && !has_json).then(|| apo_files::not_utf8(&file::name(path), begin))
}

/// Says in which other way a text with this beginning holds records.
fn problem(begin: &[u8]) -> Option<&'static str> {
    let begin = begin.trim_ascii_start();
    let lines = || begin.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines().filter(|line| !line.is_empty());
    let first = lines.next()?;
    let opens = |line: &[u8]| matches!(line.first(), Some(b'{' | b'['));
    if !opens(first) {
        // One bad line among good ones is a rejected row.
        let mut others = lines.take(FIRST - 1);
        if let Some(link) = apo_files::link(begin) {
            return Some(link);
        }
        let is_text = first.is_ascii() && !first.contains(&0) && !is_json(first);
        return (is_text && others.all(|line| !opens(line))).then_some(CSV);
    }
    let mut values = serde_json::Deserializer::from_slice(begin).into_iter::<IgnoredAny>();
    let ends = matches!(values.next(), Some(Ok(_))).then(|| values.byte_offset());
    let Some(value) = ends.and_then(|ends| begin.get(..ends)) else {
        // The record is longer than the beginning, or broken. A bracket alone on a
        // line begins one that continues below.
        return match first {
            b"{" => Some(SPREAD),
            b"[" | b"[{" => Some(LIST),
            _ => None,
        };
    };
    let is_list = value.starts_with(b"[");
    if value.contains(&b'\n') {
        return Some(if is_list { LIST } else { SPREAD });
    }
    let after = &begin[value.len()..];
    let returned = after.trim_ascii_start();
    let gap = &after[..after.len() - returned.len()];
    (gap.contains(&b'\r') && !gap.contains(&b'\n') && opens(returned)).then_some(OLD_MAC)
}

/// Whether bytes are one JSON value.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_records_in_another_way_is_called_what_it_is() {
        for (begin, expected) in [
            ("{\n \"a\": 1\n}\n", Some(SPREAD)),
            ("\n\n{\"a\":\n1}\n{\"a\": 2}\n", Some(SPREAD)),
            ("{\n \"a\": \"cut where the buffer en", Some(SPREAD)),
            ("[\n {\"a\": 1},\n {\"a\": 2}\n]\n", Some(LIST)),
            ("[\n {\"a\": 1},\n {\"a\": \"cut", Some(LIST)),
            ("{\"a\": 1}\r{\"a\": 2}\r", Some(OLD_MAC)),
            ("{\"a\": 1}\r\r{\"a\": 2", Some(OLD_MAC)),
            ("prompt,chosen,rejected\nq,c,r\n", Some(CSV)),
            ("a\tb\r\n1\t2\r\n", Some(CSV)),
            ("prompt,chosen,rejected", Some(CSV)),
            ("", None),
            (" \n", None),
            ("{\"a\": 1}\n{\"a\": 2}\n", None),
            ("{\"a\": 1}\r\n{\"a\": 2}\r\n", None),
            ("{\"a\": 1}\r", None),
            ("{\"a\": 1}{\"a\": 2}\n", None),
            ("[{\"a\": 1}]\n[{\"a\": 2}]\n", None),
            ("{\"a\": \"cut\n{\"a\": 2}\n", None),
            ("nonsense\n{\"a\": 2}\n", None),
            ("null\n", None),
            ("\0\0\0\n", None),
        ] {
            assert_eq!(problem(begin.as_bytes()), expected, "{begin:?}");
        }
    }
}
