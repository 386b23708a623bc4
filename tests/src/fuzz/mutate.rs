//! Changes files as broken disks, other programs and people do.

use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

/// The format of a file, for breaking it where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    Bytes,
    /// One JSON value.
    Json,
    /// JSON values, one on each line.
    Lines,
    /// The same, compressed.
    Gzip,
    /// A Parquet file.
    Parquet,
    /// A safetensors file.
    Safetensors,
}

impl Kind {
    /// Returns the kind of a file by its name.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|it| it.to_str()) {
            Some("json") => Self::Json,
            Some("jsonl") => Self::Lines,
            Some("gz") => Self::Gzip,
            Some("parquet") => Self::Parquet,
            Some("safetensors") => Self::Safetensors,
            _ => Self::Bytes,
        }
    }
}

/// Bytes of a file of weights before its header.
const PREFIX: usize = 8;

/// Bytes in a page of a disk.
const PAGE: usize = 512;

/// Returns `bytes` with one to three changes; parts of `other` may be spliced in.
pub fn mutate(rng: &mut ChaCha8Rng, kind: Kind, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut found = bytes.to_vec();
    for _ in 0..*[1, 1, 1, 2, 3].choose(rng).expect("a filled list") {
        found = once(rng, kind, &found, other);
    }
    found
}

fn once(rng: &mut ChaCha8Rng, kind: Kind, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    // A broken disk knows no format.
    if rng.random_bool(0.3) {
        return raw(rng, bytes, other, 0..bytes.len());
    }
    match kind {
        Kind::Bytes => raw(rng, bytes, other, 0..bytes.len()),
        Kind::Json => json(rng, bytes, other),
        Kind::Lines => lines(rng, bytes, other),
        Kind::Gzip => gzip(rng, bytes, other),
        Kind::Parquet => {
            let footer = parquet_footer(bytes);
            let within = if rng.random_bool(0.5) {
                footer
            } else {
                0..footer.start
            };
            raw(rng, bytes, other, within)
        }
        Kind::Safetensors => safetensors(rng, bytes, other),
    }
}

/// Returns the range of a Parquet file's footer; the whole of any other file.
pub fn parquet_footer(bytes: &[u8]) -> Range<usize> {
    let footer = bytes.split_last_chunk::<8>().and_then(|(before, tail)| {
        let [a, b, c, d, ..] = *tail;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        before.len().checked_sub(length)
    });
    footer.unwrap_or(0)..bytes.len()
}

/// Changes bytes in a range without regard to their meaning.
fn raw(rng: &mut ChaCha8Rng, bytes: &[u8], other: &[u8], within: Range<usize>) -> Vec<u8> {
    let mut found = bytes.to_vec();
    if within.is_empty() {
        found.extend(some(rng, other));
        return found;
    }
    let at = rng.random_range(within.clone());
    let length = rng.random_range(1..=(within.end - at).min(64));
    let stretch = at..at + length;
    match rng.random_range(0..9) {
        0 | 1 => found[at] ^= 1 << rng.random_range(0..8),
        2 => found[at] = rng.random(),
        3 => found.truncate(at),
        4 => drop(found.drain(stretch)),
        5 => {
            let copy = found[stretch].to_vec();
            drop(found.splice(at..at, copy));
        }
        6 => drop(found.splice(at..at, some(rng, other))),
        7 => {
            let page = at / PAGE * PAGE;
            let end = (page + PAGE).min(found.len());
            found[page..end].fill(0);
        }
        _ => {
            let value = *[0, 1, -1, i64::MAX, i64::MIN, 1 << 31, 1 << 40]
                .choose(rng)
                .expect("a filled list");
            let bytes = value.to_le_bytes();
            let n = *[1, 2, 4, 8].choose(rng).expect("a filled list");
            let end = (at + n).min(found.len());
            found[at..end].copy_from_slice(&bytes[..end - at]);
        }
    }
    found
}

/// Returns a range of bytes.
fn some(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return vec![rng.random()];
    }
    let at = rng.random_range(0..bytes.len());
    let length = rng.random_range(1..=(bytes.len() - at).min(256));
    bytes[at..at + length].to_vec()
}

/// Values that programs write by mistake.
const VALUES: [&str; 32] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "2",
    "-1",
    "255",
    "65536",
    "2147483648",
    "4294967296",
    "1000000000000",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e-320",
    "1e38",
    "1e39",
    "1e308",
    "1e400",
    "-0.0",
    "0.5",
    "NaN",
    "-Infinity",
    "\"\"",
    "\" \"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\u001b[31mred\u{2028}\"",
    "[]",
    "{}",
    "[null]",
];

/// Changes a value in a JSON text.
fn json(rng: &mut ChaCha8Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let spans = json_values(bytes);
    let Some(span) = spans.choose(rng).cloned() else {
        return raw(rng, bytes, other, 0..bytes.len());
    };
    let value = bytes[span.clone()].to_vec();
    let new = match rng.random_range(0..12) {
        0..4 => VALUES
            .choose(rng)
            .expect("a filled list")
            .as_bytes()
            .to_vec(),
        4 => match json_values(other).choose(rng) {
            Some(span) => other[span.clone()].to_vec(),
            None => b"null".to_vec(),
        },
        5 => {
            let span = spans.choose(rng).expect("a filled list");
            bytes[span.clone()].to_vec()
        }
        6 => [b"[", value.as_slice(), b"]"].concat(),
        7 => [b"{\"a\":", value.as_slice(), b"}"].concat(),
        8 => [value.as_slice(), b",", &value].concat(),
        9 => {
            let n = *[200, 5000].choose(rng).expect("a filled list");
            [b"[".repeat(n), b"]".repeat(n)].concat()
        }
        10 => format!("\"{}\"", "word ".repeat(rng.random_range(1..2000))).into_bytes(),
        _ => {
            // The value, its key and a comma.
            let begin = bytes[..span.start]
                .iter()
                .rposition(|byte| b",{[".contains(byte));
            let begin = begin.map_or(0, |at| at + usize::from(bytes[at] != b','));
            return [&bytes[..begin], &bytes[span.end..]].concat();
        }
    };
    [&bytes[..span.start], &new, &bytes[span.end..]].concat()
}

/// Returns the ranges of the values and member names in a JSON text. In any other text,
/// returns what looks like them.
fn json_values(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += 1;
        match bytes[start] {
            b'"' => {
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                at = (at + 1).min(bytes.len());
                found.push(start..at);
            }
            b'[' | b'{' => open.push(start),
            b']' | b'}' => found.extend(open.pop().map(|start| start..at)),
            byte if byte == b':' || byte == b',' || byte.is_ascii_whitespace() => {}
            _ => {
                while at < bytes.len()
                    && !b",:]}\"".contains(&bytes[at])
                    && !bytes[at].is_ascii_whitespace()
                {
                    at += 1;
                }
                found.push(start..at);
            }
        }
    }
    found
}

/// Changes a line.
fn lines(rng: &mut ChaCha8Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return other.to_vec();
    }
    let at = rng.random_range(0..lines.len());
    match rng.random_range(0..10) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let with = rng.random_range(0..lines.len());
            lines.swap(at, with);
        }
        3 => {
            // Other editors end lines and begin files differently.
            lines[at].pop();
            lines[at].extend(b"\r\n");
            lines[0].splice(0..0, *b"\xef\xbb\xbf");
        }
        4 => lines[at] = some(rng, other),
        _ => lines[at] = json(rng, &lines[at], other),
    }
    lines.concat()
}

/// Changes a compressed file.
fn gzip(rng: &mut ChaCha8Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    // The part before the damage is worth changing too.
    let _ = MultiGzDecoder::new(bytes).read_to_end(&mut unpacked);
    let changed = lines(rng, &unpacked, other);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&changed).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Changes the header, and mostly keeps its length right.
fn safetensors(rng: &mut ChaCha8Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return raw(rng, bytes, other, 0..bytes.len());
    };
    let length = u64::from_le_bytes(*prefix).min(rest.len() as u64);
    let (header, data) = rest.split_at(length as usize);
    let header = json(rng, header, other);
    let stated_length = if rng.random_bool(0.9) {
        (header.len() as u64).to_le_bytes()
    } else {
        *prefix
    };
    [&stated_length, header.as_slice(), data].concat()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn json_values_are_found_with_their_names() {
        let text = br#"{"a": [1, "x\"y", null], "b": {}}"#;
        let found: Vec<&[u8]> = json_values(text)
            .into_iter()
            .map(|span| &text[span])
            .collect();
        let expected: [&[u8]; 8] = [
            b"\"a\"",
            b"1",
            br#""x\"y""#,
            b"null",
            br#"[1, "x\"y", null]"#,
            b"\"b\"",
            b"{}",
            text,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_seed_gives_the_same_change_and_others_other_ones() {
        let text = br#"{"request":"ab","reply":{"content":"x"}}"#;
        let change = |kind, seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            mutate(&mut rng, kind, text, b"[1,2,3]")
        };
        for kind in [
            Kind::Bytes,
            Kind::Json,
            Kind::Lines,
            Kind::Gzip,
            Kind::Parquet,
            Kind::Safetensors,
        ] {
            let all: Vec<_> = (0..200).map(|seed| change(kind, seed)).collect();
            assert!((0..200).all(|seed| change(kind, seed) == all[seed as usize]));
            let same = all.iter().filter(|it| it.as_slice() == text).count();
            assert!(same < 20, "{kind:?}: {same}");
        }
    }
}
