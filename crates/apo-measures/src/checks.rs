//! Checks of what callers guarantee.

/// Panics unless two columns have equally many rows and hold finite numbers.
pub(crate) fn check_columns(name: &str, first: &[f64], second_name: &str, second: &[f64]) {
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
