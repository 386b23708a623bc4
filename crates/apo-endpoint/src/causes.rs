//! Which cause of failures is the commonest.

use std::collections::BTreeMap;

use crate::answer::excerpt;
use crate::failure::{Failure, FailureKind};

/// Failures or faults by cause. Messages that differ only in numbers have the same cause.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    /// By the message without its numbers; those of prompts that are too long by
    /// `None`.
    counts: BTreeMap<Option<String>, (u64, String)>,
}

impl Causes {
    /// Counts a failure. Those of prompts that are too long have one cause, whatever
    /// the server's words.
    pub fn add_failure(&mut self, failure: &Failure) {
        match failure.kind() {
            FailureKind::TooLong => self.count(None, &failure.message),
            FailureKind::Other => self.add(&failure.message),
        }
    }

    /// Counts a message.
    pub fn add(&mut self, message: &str) {
        let digit = |c: char| if c.is_ascii_digit() { '0' } else { c };
        let mut key: Vec<char> = excerpt(message.as_bytes()).chars().map(digit).collect();
        key.dedup_by(|a, b| *a == '0' && *b == '0');
        self.count(Some(key.into_iter().collect()), message);
    }

    fn count(&mut self, key: Option<String>, message: &str) {
        let first = || (0, excerpt(message.as_bytes()));
        self.counts.entry(key).or_insert_with(first).0 += 1;
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
    use crate::failure::too_long;

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
            causes.add_failure(&Failure {
                message: too_long(words),
                attempts: 1,
            });
        }
        assert_eq!(causes.commonest().unwrap().0, 3);
    }
}
