//! Keys of queries and pairs.

use sha2::{Digest as _, Sha256};

/// Returns the key of a query: the first 16 hex digits of the SHA-256 of its
/// prompt.
pub fn query_id(prompt: &str) -> String {
    key(&[prompt])
}

/// Returns the key of a pair: the first 16 hex digits of the SHA-256 of
/// prompt, chosen and rejected, a zero byte between each.
pub fn pair_id(prompt: &str, chosen: &str, rejected: &str) -> String {
    key(&[prompt, chosen, rejected])
}

fn key(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hasher.update([0]);
        }
        hasher.update(part);
    }
    hasher.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_documented_digests() {
        // printf 'abc' | sha256sum
        assert_eq!(query_id("abc"), "ba7816bf8f01cfea");
        assert_ne!(pair_id("a", "b", "c"), pair_id("a", "bc", ""));
    }
}
