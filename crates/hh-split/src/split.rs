//! Assigns queries to splits, by their keys alone.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use apo_provenance::short_digest;
use apo_stage::{bad_input, warn};

use crate::args::{Amount, Args};

/// A query's key as a number.
pub type Key = u64;

/// Returns the number that the 16 hex digits of an id stand for.
pub fn key(id: &str) -> Key {
    u64::from_str_radix(id, 16).expect("an id is 16 hex digits")
}

/// Returns a key's place in a seeded order, which does not depend on the order of
/// rows.
fn place(key: Key, seed: u64, purpose: &str) -> u64 {
    short_digest(&[&seed.to_le_bytes(), purpose.as_bytes(), &key.to_le_bytes()])
}

/// The splits of the queries. A training query that is in none of the sets belongs only to
/// the policy.
#[derive(Debug, Default)]
pub struct Splits {
    /// Queries that are held out as the test part.
    pub held_out: HashSet<Key>,
    /// Queries whose pairs train reward models.
    pub rm: HashSet<Key>,
    /// Queries of the policy whose pairs are the development part.
    pub dev: HashSet<Key>,
    /// Queries of both parts that no policy answers: only their pairs are used, all of them.
    pub pairs_only: HashSet<Key>,
    /// Queries of both parts that are not used.
    pub left_out: HashSet<Key>,
}

/// The side of a split that a query is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Test,
    RewardModels,
    Policy,
}

impl Splits {
    /// Returns the side of a query, which may be one of the test files.
    pub fn side(&self, query: Key, is_test: bool) -> Side {
        if is_test || self.held_out.contains(&query) {
            Side::Test
        } else if self.rm.contains(&query) {
            Side::RewardModels
        } else {
            Side::Policy
        }
    }
}

/// Draws the splits from the training queries, with their numbers of pairs,
/// and the test queries.
///
/// # Errors
///
/// When the arguments ask for more than there are.
pub fn draw(args: &Args, queries: &HashMap<Key, u32>, test: &HashSet<Key>) -> Result<Splits> {
    let mut splits = Splits::default();
    let none = Amount::Count(0);
    let all = Amount::Percent(100.0);
    let first = |keys: &[Key], purpose, amount: Amount, option, what| -> Result<_> {
        let mut keys = keys.to_vec();
        keys.sort_unstable_by_key(|&key| (place(key, args.seed, purpose), key));
        let n = count_of(amount, keys.len() as u64, option, what)? as usize;
        let rest = keys.split_off(n);
        Ok((keys, rest))
    };
    let what = "training queries";
    let keys: Vec<Key> = queries.keys().copied().collect();
    let amount = args.hold_out.unwrap_or(none);
    let (held_out, keys) = first(&keys, "hold-out", amount, "--hold-out", what)?;
    let (keys, left) = first(&keys, "take", args.take.unwrap_or(all), "--take", what)?;
    splits.left_out.extend(left);

    let test: Vec<Key> = test.iter().copied().collect();
    let amount = args.take_test.unwrap_or(all);
    let (mut test, left) = first(&test, "take", amount, "--take-test", "test queries")?;
    splits.left_out.extend(left);
    test.extend(&held_out);
    splits.held_out.extend(held_out);
    let amount = args.answer_test.unwrap_or(all);
    let (_, left) = first(&test, "answer", amount, "--answer-test", "test queries")?;
    splits.pairs_only.extend(left);

    let (rm, keys) = first(&keys, "rm", args.rm, "--rm", what)?;
    splits.rm.extend(rm);
    let what = "training queries besides those of --rm";
    let (keys, left) = first(&keys, "llm", args.llm.unwrap_or(all), "--llm", what)?;
    splits.pairs_only.extend(left);

    let pairs: u64 = keys.iter().map(|key| u64::from(queries[key])).sum();
    let mut wanted = count_of(args.dev, pairs, "--dev", "pairs on the policy's side")?;
    let (keys, _) = first(&keys, "dev", all, "--dev", what)?;
    for key in keys {
        if wanted == 0 {
            break;
        }
        // Queries stay whole: the last one may add a pair or two too many.
        wanted = wanted.saturating_sub(u64::from(queries[&key]));
        splits.dev.insert(key);
    }
    Ok(splits)
}

/// Returns how many of `n` an option's amount is.
///
/// # Errors
///
/// When it is more than `n`.
fn count_of(amount: Amount, n: u64, option: &str, what: &str) -> Result<u64> {
    match amount {
        Amount::Percent(percent) => {
            let found = (n as f64 * percent / 100.0).round() as u64;
            if found == 0 && n > 0 && percent > 0.0 {
                warn(&format!("`{option} {percent}%` of {n} {what} rounds to 0"));
            }
            Ok(found)
        }
        Amount::Count(count) if count <= n => Ok(count),
        Amount::Count(count) => Err(bad_input(format!(
            "`{option} {count}`: there are only {n} {what}; \
             give a smaller count, or a percentage such as 25%"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_share_of_all_or_a_count_within() {
        let rm_of_ten = |amount| count_of(amount, 10, "--rm", "queries");
        assert_eq!(rm_of_ten(Amount::Percent(25.0)).unwrap(), 3);
        assert_eq!(rm_of_ten(Amount::Count(10)).unwrap(), 10);
        assert!(rm_of_ten(Amount::Count(11)).is_err());
    }
}
