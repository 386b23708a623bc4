//! A journal's line and its checksum.

use std::borrow::Cow;

/// What precedes the checksum's eight hex digits; `"}` follows them.
const FIELD: &[u8] = b",\"crc\":\"";
const DIGITS: usize = 8;
const END: &[u8] = b"\"}";

/// The text of the line that says that all lines after it have checksums.
const HEADER: &str = r#"{"journal":"apo","lines":"checked"}"#;

/// What a line's checksum says of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// The checksum is right; this is the object without it.
    Whole(Cow<'a, [u8]>),
    /// The line that says that all after it have checksums.
    Header,
    /// The checksum is wrong.
    Damaged,
    /// There is no checksum.
    Unchecked(&'a [u8]),
}

/// Returns the line of an object: with the CRC-32 of its text as its last field,
/// and a line end.
pub(super) fn sealed(json: &str) -> String {
    let open = json.strip_suffix('}').expect("an entry is an object");
    let field = String::from_utf8_lossy(FIELD);
    format!(
        "{open}{field}{:08x}\"}}\n",
        crc32fast::hash(json.as_bytes())
    )
}

/// Returns the line that says that all lines after it have checksums.
pub(super) fn header() -> String {
    sealed(HEADER)
}

/// Whether the part of a line that is there is ours; a crash may leave zeros
/// instead of the rest.
pub(super) fn is_begun(line: &[u8]) -> bool {
    const ENTRY: &[u8] = br#"{"request":""#;
    const DIGEST: usize = 64;
    let zeros = line.iter().rev().take_while(|it| **it == 0).count();
    let line = &line[..line.len() - zeros];
    let begins = |with: &[u8]| {
        let n = with.len().min(line.len());
        line[..n] == with[..n]
    };
    let digits = line.iter().skip(ENTRY.len()).take(DIGEST);
    begins(&HEADER.as_bytes()[..HEADER.len() - 1])
        || (begins(ENTRY) && digits.into_iter().all(u8::is_ascii_hexdigit))
}

/// Examines a line, with or without its line end.
pub(super) fn check(line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let length = FIELD.len() + DIGITS + END.len();
    let Some((open, tail)) = line
        .len()
        .checked_sub(length)
        .and_then(|at| line.split_at_checked(at))
    else {
        return Line::Unchecked(line);
    };
    let Some(digits) = tail.strip_prefix(FIELD).and_then(|it| it.strip_suffix(END)) else {
        return Line::Unchecked(line);
    };
    let json = [open, b"}"].concat();
    // Compared as text: `A` instead of `a` is another byte.
    if format!("{:08x}", crc32fast::hash(&json)).as_bytes() != digits {
        return Line::Damaged;
    }
    if json == HEADER.as_bytes() {
        return Line::Header;
    }
    Line::Whole(json.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_crc_32_of_the_object_without_it() {
        // python3 -c "import zlib; print('%08x' % zlib.crc32(b'{\"a\":1}'))"
        assert_eq!(sealed(r#"{"a":1}"#), "{\"a\":1,\"crc\":\"561bacaf\"}\n");
        assert_eq!(
            check(sealed(r#"{"a":1}"#).as_bytes()),
            Line::Whole(br#"{"a":1}"#.as_slice().into())
        );
        assert_eq!(check(header().as_bytes()), Line::Header);
        assert_eq!(check(b"{\"a\":1}\n"), Line::Unchecked(b"{\"a\":1}"));
        assert_eq!(check(b""), Line::Unchecked(b""));
    }

    #[test]
    fn no_flipped_bit_passes_for_a_whole_line() {
        let line = sealed(r#"{"request":"é","model":"m"}"#);
        for at in 0..line.len() - 1 {
            for bit in 0..8 {
                let mut bytes = line.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let found = check(&bytes);
                assert!(
                    matches!(found, Line::Damaged | Line::Unchecked(_)),
                    "bit {bit} of byte {at}: {found:?}"
                );
            }
        }
    }
}
