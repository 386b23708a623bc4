//! Decompresses a body, by its label or by its first bytes.

use std::io::{self, Read};

use serde::de::IgnoredAny;

use crate::answer::excerpt;

/// Most layers of compression that are removed.
const MOST_LAYERS: usize = 3;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Why a body cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is larger than the limit.
    TooLarge,
    /// It is neither what its label says nor any other known format.
    Damaged(String),
}

/// Returns a body without its compression. The format is the one that `label`
/// (the header `Content-Encoding`) names, or else the one that the first bytes
/// show. A body that is already JSON is returned as it is.
///
/// # Errors
///
/// When it cannot be read, or is larger than `most` bytes.
pub fn decoded(body: Vec<u8>, label: &str, most: u64) -> Result<Vec<u8>, Unread> {
    if is_json(&body) {
        return Ok(body);
    }
    let mut body = body;
    let labels = label.split(',').map(|it| it.trim().to_ascii_lowercase());
    let labels: Vec<String> = labels
        .filter(|it| !it.is_empty() && it != "identity")
        .collect();
    for label in labels.iter().rev().take(MOST_LAYERS) {
        body = match layer(&body, label, most) {
            Ok(body) => body,
            Err(Unread::TooLarge) => return Err(Unread::TooLarge),
            // The label is wrong: the bytes themselves show what they are.
            Err(_) if is_plain(&body) || known(&body).is_some() => break,
            Err(fault) => return Err(fault),
        };
    }
    for _ in 0..MOST_LAYERS {
        let Some(kind) = known(&body) else {
            break;
        };
        body = layer(&body, kind, most)?;
    }
    Ok(body)
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Whether a body is text.
fn is_plain(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| !text.contains('\0'))
        || body.trim_ascii_start().starts_with(b"{\"")
}

/// Returns the compression that a body's first bytes show; `None` if they show
/// none.
fn known(body: &[u8]) -> Option<&'static str> {
    if body.starts_with(GZIP) {
        Some("gzip")
    } else if body.starts_with(ZSTD) {
        Some("zstd")
    } else {
        None
    }
}

fn layer(body: &[u8], label: &str, most: u64) -> Result<Vec<u8>, Unread> {
    match label {
        "gzip" | "x-gzip" => all(flate2::read::MultiGzDecoder::new(body), label, most),
        // Some servers send zlib's format under this name, as the standard says, and
        // some send the bare stream.
        "deflate" => match all(flate2::read::ZlibDecoder::new(body), label, most) {
            Err(Unread::Damaged(_)) => all(flate2::read::DeflateDecoder::new(body), label, most),
            found => found,
        },
        "br" => all(
            brotli_decompressor::Decompressor::new(body, 4096),
            label,
            most,
        ),
        "zstd" => all(
            zstd::stream::read::Decoder::new(body).map_err(|error| damaged(label, &error))?,
            label,
            most,
        ),
        other => Err(Unread::Damaged(format!(
            "the answer is compressed as `{}`, which is not supported",
            excerpt(other.as_bytes())
        ))),
    }
}

fn damaged(label: &str, error: &io::Error) -> Unread {
    Unread::Damaged(format!(
        "the answer is labelled as compressed with {label}, but cannot be decompressed: {error}"
    ))
}

fn all(reader: impl Read, label: &str, most: u64) -> Result<Vec<u8>, Unread> {
    let mut found = Vec::new();
    let read = reader.take(most + 1).read_to_end(&mut found);
    if found.len() as u64 > most {
        return Err(Unread::TooLarge);
    }
    read.map_err(|error| damaged(label, &error))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TEXT: &[u8] = br#"{"choices":[{"message":{"content":"Warm water."}}]}"#;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut writer =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ::zstd::encode_all(text, 1).unwrap()
    }

    /// [`TEXT`], as Python's `brotli` 1.2 compresses it.
    const BROTLI: &[u8] = &[
        0x1b, 0x32, 0x00, 0xf8, 0x1d, 0x07, 0xce, 0x59, 0x76, 0x16, 0x5e, 0x10, 0xf4, 0xdd, 0x44,
        0x42, 0x2d, 0xb2, 0xd7, 0xb6, 0x35, 0xfb, 0xba, 0xae, 0x52, 0x27, 0x4c, 0x0e, 0x26, 0x72,
        0x22, 0x14, 0x60, 0xd2, 0x76, 0x7a, 0x9b, 0xe0, 0xc2, 0x35, 0x39, 0x21, 0x89, 0xb1, 0x20,
        0xf1, 0x51, 0xff, 0xbe, 0x09, 0x03,
    ];

    #[test]
    fn each_compression_is_read_with_a_true_label_a_false_one_and_none() {
        for (case, body, label) in [
            ("plain", TEXT.to_vec(), ""),
            ("identity", TEXT.to_vec(), "identity"),
            ("gzip", gzip(TEXT), "gzip"),
            ("upper case", gzip(TEXT), " GZIP "),
            ("x-gzip", gzip(TEXT), "x-gzip"),
            ("zlib", zlib(TEXT), "deflate"),
            ("deflate", raw(TEXT), "deflate"),
            ("zstd", zstd(TEXT), "zstd"),
            ("br", BROTLI.to_vec(), "br"),
            ("twice", gzip(&zstd(TEXT)), "zstd, gzip"),
            ("plain, labelled gzip", TEXT.to_vec(), "gzip"),
            ("plain, labelled br", TEXT.to_vec(), "br"),
            ("plain, labelled zstd", TEXT.to_vec(), "zstd"),
            ("plain, labelled deflate", TEXT.to_vec(), "deflate"),
            ("plain, labelled lz4", TEXT.to_vec(), "lz4"),
            ("gzip, labelled br", gzip(TEXT), "br"),
            ("gzip, labelled zstd", gzip(TEXT), "zstd"),
            ("zstd, labelled gzip", zstd(TEXT), "gzip"),
            ("gzip, unlabelled", gzip(TEXT), ""),
            ("zstd, unlabelled", zstd(TEXT), ""),
        ] {
            assert_eq!(decoded(body, label, 1000).as_deref(), Ok(TEXT), "{case}");
        }
        // A wrong label does not hide a text that is not JSON either.
        for label in ["gzip", "deflate", "br", "zstd"] {
            let found = decoded(b"<html>oops</html>".to_vec(), label, 1000);
            assert_eq!(found.as_deref(), Ok(&b"<html>oops</html>"[..]), "{label}");
        }
    }

    #[test]
    fn a_body_that_is_cut_unknown_or_too_large_is_an_error() {
        let text: Vec<u8> = (0..2000_u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for (label, body) in [
            ("gzip", gzip(&text)),
            ("deflate", zlib(&text)),
            ("zstd", zstd(&text)),
        ] {
            let cut = body[..body.len() / 2].to_vec();
            let found = decoded(cut, label, 1 << 20);
            let Err(Unread::Damaged(problem)) = &found else {
                panic!("{label}: {found:?}");
            };
            assert!(problem.contains(label), "{label}: {problem}");
        }
        let unknown = decoded(vec![0xff, 0, 1], "lz4", 1000).unwrap_err();
        assert!(matches!(unknown, Unread::Damaged(text) if text.contains("`lz4`")));
        let bomb = vec![b' '; 1 << 20];
        for (label, body) in [
            ("gzip", gzip(&bomb)),
            ("zstd", zstd(&bomb)),
            ("", gzip(&bomb)),
        ] {
            assert_eq!(decoded(body, label, 1000), Err(Unread::TooLarge), "{label}");
        }
    }
}
