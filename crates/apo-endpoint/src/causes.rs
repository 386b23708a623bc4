//! Which cause of failures is the commonest.

use std::collections::BTreeMap;

use crate::answer::{TOO_LONG, excerpt};

/// Failures by cause. Messages that differ only in numbers have the same cause.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    counts: BTreeMap<String, (u64, String)>,
}

impl Causes {
    /// Counts a failure's message.
    pub fn add(&mut self, message: &str) {
        let message = excerpt(message.as_bytes());
        let key = if message.contains(TOO_LONG) {
            TOO_LONG.to_owned()
        } else {
            let digit = |c: char| if c.is_ascii_digit() { '0' } else { c };
            let mut key: Vec<char> = message.chars().map(digit).collect();
            key.dedup_by(|a, b| *a == '0' && *b == '0');
            key.into_iter().collect()
        };
        self.counts.entry(key).or_insert((0, message)).0 += 1;
    }

    /// Returns the commonest cause: the number of failures with it, and one of
    /// their messages.
    pub fn commonest(&self) -> Option<(u64, &str)> {
        let causes = self.counts.values();
        let found = causes.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)))?;
        Some((found.0, &found.1))
    }

    /// Returns how many failures there are.
    pub fn n(&self) -> u64 {
        self.counts.values().map(|it| it.0).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_numbers_alone_are_of_one_cause() {
        let mut causes = Causes::default();
        assert_eq!(causes.commonest(), None);
        for message in [
            "HTTP 503: busy",
            "HTTP 400: request 17 has no token",
            "HTTP 400: request 1234 has no token",
            "HTTP 503: \u{1b}[31mbusy",
        ] {
            causes.add(message);
        }
        assert_eq!(
            causes.commonest(),
            Some((2, "HTTP 400: request 17 has no token"))
        );
        assert_eq!(causes.n(), 4);
        // Whatever the server's words, it is the prompt's length.
        for words in ["HTTP 400: 9 > 8", "HTTP 413: too large", "HTTP 500: no"] {
            causes.add(&format!("{TOO_LONG} ({words})"));
        }
        assert_eq!(causes.commonest().unwrap().0, 3);
    }
}
