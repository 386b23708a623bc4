//! Hashes that sort and shuffle examples in the same way on every machine.

use sha2::{Digest as _, Sha256};

/// Returns the first eight bytes of the SHA-256 of these parts, one after the other.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let digest = hasher.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}
