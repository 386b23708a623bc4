//! Names of which one counts, in a sentence.

use std::borrow::Borrow;

/// Joins names as alternatives: `a, b or c`.
pub(crate) fn alternatives<S: Borrow<str>>(names: &[S]) -> String {
    let Some((last, others)) = names.split_last() else {
        return String::new();
    };
    let last: &str = last.borrow();
    if others.is_empty() {
        return last.to_owned();
    }
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_name_follows_an_or() {
        assert_eq!(alternatives::<&str>(&[]), "");
        assert_eq!(alternatives(&["a"]), "a");
        assert_eq!(alternatives(&["a", "b"]), "a or b");
        assert_eq!(alternatives(&["a", "b", "c"]), "a, b or c");
    }
}
