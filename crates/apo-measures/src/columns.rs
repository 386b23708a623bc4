//! What the caller has made sure of.

/// Panics unless two columns belong to the same rows and hold finite numbers.
pub(crate) fn check(name: &str, first: &[f64], second_name: &str, second: &[f64]) {
    assert_eq!(
        first.len(),
        second.len(),
        "rows of `{name}` and `{second_name}` differ"
    );
    for (name, values) in [(name, first), (second_name, second)] {
        let fault = values.iter().position(|value| !value.is_finite());
        assert!(
            fault.is_none(),
            "`{name}` holds a number that is not finite: {fault:?}"
        );
    }
}
