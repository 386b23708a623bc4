//! SHA-256 digests of files, folders and texts.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of a file, hex.
///
/// # Errors
///
/// When it cannot be read.
pub fn digest_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hash_file(path, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

/// Returns the SHA-256 of a file, or of the names and contents of a folder's files,
/// hex.
///
/// # Errors
///
/// When a file cannot be read.
pub fn digest_path(path: &Path) -> io::Result<String> {
    if !path.is_dir() {
        return digest_file(path);
    }
    let mut hasher = Sha256::new();
    hash_folder(path, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

/// Returns the SHA-256 of a table's parts, hex: the one that [`digest_path`] gives
/// for a folder that holds nothing else.
///
/// # Errors
///
/// When a part cannot be read.
pub fn digest_parts(parts: &[PathBuf]) -> io::Result<String> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update([0]);
        hash_file(part, &mut hasher)?;
        hasher.update([0]);
    }
    Ok(hex(&hasher.finalize()))
}

fn hash_folder(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        hasher.update(name.as_encoded_bytes());
        hasher.update([0]);
        if entry.path().is_dir() {
            hash_folder(&entry.path(), hasher)?;
        } else {
            hash_file(&entry.path(), hasher)?;
        }
        hasher.update([0]);
    }
    Ok(())
}

fn hash_file(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        let problem = format!("{} is not a regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        hasher.update(&buffer[..n]);
    }
}

/// A digest of rows of text that depends neither on their order nor on the file that
/// holds them: the sum of the rows' SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowsDigest([u64; 4]);

impl RowsDigest {
    /// Returns the digest of one row by its texts.
    pub fn of(texts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for text in texts {
            // With the length, `a`, `bc` differs from `ab`, `c`.
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        let digest = hasher.finalize();
        let mut words = digest.as_chunks().0.iter();
        Self(std::array::from_fn(|_| {
            let bytes = words.next().expect("SHA-256 has four words of eight bytes");
            u64::from_le_bytes(*bytes)
        }))
    }
}

impl std::ops::AddAssign for RowsDigest {
    fn add_assign(&mut self, other: Self) {
        for (sum, word) in self.0.iter_mut().zip(other.0) {
            *sum = sum.wrapping_add(word);
        }
    }
}

/// Returns the first eight bytes of the SHA-256 of these parts, one after the other, as
/// a number: a key, a seed, or a place in an order that is the same on every machine.
pub fn short_digest(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let digest = hasher.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// Returns bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_digest_begins_the_sha_256_of_all_parts() {
        // printf abc | sha256sum
        let expected = 0xba78_16bf_8f01_cfea_u64.swap_bytes();
        assert_eq!(short_digest(&[b"abc"]), expected);
        assert_eq!(short_digest(&[b"a", b"", b"bc"]), expected);
    }

    #[test]
    fn rows_in_any_order_have_one_digest() {
        let of = |rows: &[[&str; 2]]| {
            let mut digest = RowsDigest::default();
            for row in rows {
                digest += RowsDigest::of(row);
            }
            digest
        };
        let rows = [["a", "bc"], ["d", ""], ["d", ""]];
        assert_eq!(of(&rows), of(&[rows[1], rows[0], rows[2]]));
        for other in [
            &rows[..2],
            &[["ab", "c"], rows[1], rows[2]],
            &[rows[0], rows[0], rows[1]],
            &[rows[0], ["", "d"], rows[2]],
            &[],
        ] {
            assert_ne!(of(other), of(&rows), "{other:?}");
        }
    }
}
