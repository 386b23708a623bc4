//! The digests by which the hub and its cache know a file.

use apo_provenance::hex;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::name::is_hex;

/// What the hub says a file's content is. Its digits are the file's name in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// The SHA-256 of a large file.
    Sha256(String),
    /// Git's SHA-1 of a small file.
    Git(String),
}

impl Digest {
    /// Returns the digest of a large file; `None` if the text is none.
    pub(crate) fn sha256(text: &str) -> Option<Self> {
        (text.len() == 64 && is_hex(text)).then(|| Self::Sha256(text.to_owned()))
    }

    /// Returns the digest of a small file; `None` if the text is none.
    pub(crate) fn git(text: &str) -> Option<Self> {
        (text.len() == 40 && is_hex(text)).then(|| Self::Git(text.to_owned()))
    }

    /// Returns its digits.
    pub(crate) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Git(hex) => hex,
        }
    }

    /// Starts to digest a content of `size` bytes in the same way.
    pub(crate) fn hasher(&self, size: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Self::Git(_) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {size}\0"));
                Hasher::Git(hasher)
            }
        }
    }
}

/// Digests a content as it arrives.
pub(crate) enum Hasher {
    Sha256(Sha256),
    Git(Sha1),
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Git(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the digest, hex.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Sha256(hasher) => hex(&hasher.finalize()),
            Self::Git(hasher) => hex(&hasher.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_git_and_sha256sum() {
        // printf 'hello\n' | git hash-object --stdin; printf 'hello\n' | sha256sum
        for (digest, expected) in [
            (
                Digest::git(&"0".repeat(40)),
                "ce013625030ba8dba906f756967f9e9ca394464a",
            ),
            (
                Digest::sha256(&"0".repeat(64)),
                "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            ),
        ] {
            let mut hasher = digest.expect("it is a digest").hasher(6);
            hasher.update(b"hel");
            hasher.update(b"lo\n");
            assert_eq!(hasher.finish(), expected);
        }
        for text in ["", "../../etc/passwd", &"g".repeat(40), &"A".repeat(64)] {
            assert_eq!((Digest::git(text), Digest::sha256(text)), (None, None));
        }
    }
}
