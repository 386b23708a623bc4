//! Inputs that must not have the same content.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Error, Result};
use apo_provenance::Input;
use apo_tables::{Reader, Response};

use crate::error::bad_input;

/// An input, and the option that names it.
#[derive(Clone, Copy, Debug)]
pub struct NamedInput<'a> {
    /// The option, as `--golden`.
    pub option: &'a str,
    /// Its value.
    pub path: &'a Path,
    /// What the file holds.
    pub input: &'a Input,
}

/// Refuses files of different options that have the same bytes; `consequence` is what
/// that would mean, and what to do.
///
/// # Errors
///
/// When two have; the error names both.
pub fn check_distinct<'a>(
    inputs: impl IntoIterator<Item = NamedInput<'a>>,
    consequence: &str,
) -> Result<()> {
    let mut first_of: HashMap<&str, NamedInput> = HashMap::new();
    for named in inputs {
        let first = *first_of.entry(named.input.digest.as_str()).or_insert(named);
        if first.option != named.option {
            return Err(not_distinct(
                first,
                named,
                "have the same content",
                consequence,
            ));
        }
    }
    Ok(())
}

/// Refuses `responses` tables of different options that hold the same responses to the
/// same prompts, in whatever order, and whatever program wrote them; `consequence` is
/// what that would mean, and what to do.
///
/// # Errors
///
/// When two do; the error names both. When a table cannot be read.
pub fn check_distinct_responses(inputs: &[NamedInput<'_>], consequence: &str) -> Result<()> {
    check_distinct(inputs.iter().copied(), consequence)?;
    let mut first_of = HashMap::new();
    for named in inputs {
        let has_as_many =
            |it: &NamedInput| it.option != named.option && it.input.rows == named.input.rows;
        // Tables with different numbers of rows are not read.
        if !inputs.iter().any(has_as_many) {
            continue;
        }
        let content = Reader::<Response>::open(named.path)?.content()?;
        let first = *first_of.entry(content).or_insert(*named);
        if first.option != named.option {
            let problem = "hold the same responses to the same prompts";
            return Err(not_distinct(first, *named, problem, consequence));
        }
    }
    Ok(())
}

fn not_distinct(first: NamedInput, second: NamedInput, problem: &str, consequence: &str) -> Error {
    bad_input(format!(
        "{} {} and {} {} {problem}, so {consequence}",
        first.option,
        first.path.display(),
        second.option,
        second.path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_different_options_differ() {
        let input = |digest: &str| Input {
            name: "x".into(),
            rows: None,
            digest: digest.into(),
            split: None,
        };
        let inputs = [input("1"), input("1"), input("2"), input("3")];
        let check = |named: &[(&str, usize)]| {
            let named = named.iter().map(|&(option, i)| NamedInput {
                option,
                path: Path::new(option.trim_start_matches('-')),
                input: &inputs[i],
            });
            check_distinct(named, "nothing is left").map_err(|it| it.to_string())
        };
        assert_eq!(check(&[("--a", 0), ("--b", 2)]), Ok(()));
        assert_eq!(check(&[("--a", 0), ("--a", 1), ("--b", 2)]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        let expected = "--a a and --b b have the same content, so nothing is left";
        for named in [
            &[("--a", 0), ("--b", 1)][..],
            &[("--a", 0), ("--b", 0)],
            &[("--a", 2), ("--a", 0), ("--b", 3), ("--b", 1)],
        ] {
            assert_eq!(check(named), Err(expected.into()), "{named:?}");
        }
    }
}
