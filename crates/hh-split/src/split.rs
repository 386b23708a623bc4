//! Which query falls where, from keys alone.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use crate::args::{Amount, Args};

/// A query's key as a number.
pub type Key = u64;

/// Reads the first 16 hex digits of an id back into the number that they are.
pub fn key(id: &str) -> Key {
    u64::from_str_radix(id, 16).expect("an id is 16 hex digits")
}

/// A place in a seeded order that no order of rows changes.
fn place(key: Key, seed: u64, purpose: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(purpose);
    hasher.update(key.to_le_bytes());
    let digest = hasher.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// Where the training queries fall; a query that is in none of the sets is the
/// policy's alone.
#[derive(Debug, Default)]
pub struct Splits {
    /// Held out as the test part.
    pub held_out: HashSet<Key>,
    /// Their pairs train reward models.
    pub rm: HashSet<Key>,
    /// The policy's, and their pairs the development part.
    pub dev: HashSet<Key>,
    /// Not taken at all, of both parts.
    pub left_out: HashSet<Key>,
}

/// Draws the splits from the training queries, with their numbers of pairs,
/// and the test queries.
///
/// # Errors
///
/// When more is asked for than there is.
pub fn draw(args: &Args, queries: &HashMap<Key, u32>, test: &HashSet<Key>) -> Result<Splits> {
    let mut splits = Splits::default();
    let sorted = |keys: Vec<Key>, purpose| {
        let mut keys = keys;
        keys.sort_unstable_by_key(|&key| (place(key, args.seed, purpose), key));
        keys
    };
    let mut keys = sorted(queries.keys().copied().collect(), "hold-out");
    let held_out = args.hold_out.unwrap_or(Amount::Count(0));
    let n = held_out.of(keys.len() as u64, "--hold-out", "training queries")? as usize;
    splits.held_out.extend(keys.drain(..n));

    let all = Amount::Percent(100.0);
    let mut keys = sorted(keys, "take");
    let n = args.take.unwrap_or(all);
    let n = n.of(keys.len() as u64, "--take", "training queries")? as usize;
    splits.left_out.extend(keys.drain(n..));
    let test = sorted(test.iter().copied().collect(), "take");
    let n = args.take_test.unwrap_or(all);
    let n = n.of(test.len() as u64, "--take-test", "test queries")? as usize;
    splits.left_out.extend(&test[n..]);

    let mut keys = sorted(keys, "rm");
    let n = args.rm.of(keys.len() as u64, "--rm", "training queries")? as usize;
    splits.rm.extend(keys.drain(..n));

    let keys = sorted(keys, "dev");
    let pairs: u64 = keys.iter().map(|key| u64::from(queries[key])).sum();
    let mut wanted = args.dev.of(pairs, "--dev", "pairs on the policy's side")?;
    for key in keys {
        if wanted == 0 {
            break;
        }
        // Whole queries: the last one may bring a pair or two too many.
        wanted = wanted.saturating_sub(u64::from(queries[&key]));
        splits.dev.insert(key);
    }
    Ok(splits)
}
