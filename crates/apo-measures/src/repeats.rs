//! Repeats within a text.

use std::collections::HashSet;

/// Returns the share of a text's 3-grams of words that occurred in it before:
/// 1 − distinct / all, as Li et al. 2016 count distinct n-grams. `None` for fewer than
/// three words.
pub fn repeats(text: &str) -> Option<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let all = words.windows(3);
    let n = all.len();
    let distinct: HashSet<&[&str]> = all.collect();
    (n > 0).then(|| (n - distinct.len()) as f64 / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_repeats_and_prose_does_not() {
        for (text, expected) in [
            ("", None),
            ("two words", None),
            ("three more words", Some(0.0)),
            ("a b c a b c", Some(1.0 / 4.0)),
            ("no no no no no no", Some(3.0 / 4.0)),
            ("a b  c\na b d", Some(0.0)),
        ] {
            assert_eq!(repeats(text), expected, "{text}");
        }
    }
}
