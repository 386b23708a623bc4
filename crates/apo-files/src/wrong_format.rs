//! What a file that is not the expected text may be, if its first bytes alone do not
//! tell.

use crate::format::HEAD_BYTES;

/// Says that a whole text is the path that a symbolic link leads to, as Git and some
/// programs that copy write a link where there are none.
pub fn link(text: &[u8]) -> Option<&'static str> {
    let path = std::str::from_utf8(text).ok()?.trim_end();
    let is_path = text.len() < HEAD_BYTES
        && ["../", "./", "/"].iter().any(|it| path.starts_with(it))
        && !path.contains(|it: char| it.is_control() || it.is_whitespace());
    is_path.then_some(
        "is the path of a symbolic link instead of the file that it leads to; pass that file, or \
         copy it again with links followed",
    )
}

/// Says what a file that is not UTF-8 may be, by its name and its beginning, and what to
/// do.
pub fn not_utf8(name: &str, head: &[u8]) -> &'static str {
    let name = name.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|it| name.ends_with(it));
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if ends(&[".br"]) {
        "is compressed by brotli; unpack it first (`brotli -d`)"
    } else if ends(&[".snappy", ".sz"]) {
        "is compressed by snappy; unpack it first (`snzip -d`)"
    } else if head.iter().any(is_control) {
        "is binary, not text, and may be compressed; unpack it, or write it as .jsonl or .parquet"
    } else {
        "is not UTF-8, perhaps Latin-1 or Windows-1252; `iconv -f WINDOWS-1252 -t UTF-8` converts \
         such a text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_alone_is_that_of_a_link() {
        for text in ["../../blobs/0a1b", "./a.jsonl\n", "/data/a.jsonl"] {
            assert!(link(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "",
            "a/b",
            "/ a",
            "../a\n../b\n",
            "{\"a\": 1}",
            "// a comment",
        ] {
            assert!(link(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_told_apart() {
        for (name, head, word) in [
            ("a.jsonl.br", &b"\x8b\x03\x80abc"[..], "brotli"),
            ("a.jsonl.snappy", b"\xa0\x01", "snappy"),
            ("a.jsonl", b"{\"a\": \"caf\xe9\"}\n", "Latin-1"),
            ("a.jsonl", b"\x8b\x03\x80abc", "binary"),
        ] {
            assert!(not_utf8(name, head).contains(word), "{name}: {word}");
        }
    }
}
