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
    roles: impl IntoIterator<Item = NamedInput<'a>>,
    consequence: &str,
) -> Result<()> {
    let mut first_of: HashMap<&str, NamedInput> = HashMap::new();
    for role in roles {
        let first = *first_of.entry(role.input.digest.as_str()).or_insert(role);
        if first.option != role.option {
            return Err(same(first, role, "have the same content", consequence));
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
pub fn check_distinct_responses(roles: &[NamedInput<'_>], consequence: &str) -> Result<()> {
    check_distinct(roles.iter().copied(), consequence)?;
    let mut first_of = HashMap::new();
    for role in roles {
        let has_as_many =
            |it: &NamedInput| it.option != role.option && it.input.rows == role.input.rows;
        // Tables with different numbers of rows are not read.
        if !roles.iter().any(has_as_many) {
            continue;
        }
        let content = Reader::<Response>::open(role.path)?.content()?;
        let first = *first_of.entry(content).or_insert(*role);
        if first.option != role.option {
            let problem = "hold the same responses to the same prompts";
            return Err(same(first, *role, problem, consequence));
        }
    }
    Ok(())
}

fn same(first: NamedInput, second: NamedInput, problem: &str, consequence: &str) -> Error {
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
    fn the_same_content_has_one_role() {
        let input = |digest: &str| Input {
            name: "x".into(),
            rows: None,
            digest: digest.into(),
            split: None,
        };
        let inputs = [input("1"), input("1"), input("2"), input("3")];
        let check = |roles: &[(&str, usize)]| {
            let roles = roles.iter().map(|&(option, i)| NamedInput {
                option,
                path: Path::new(option.trim_start_matches('-')),
                input: &inputs[i],
            });
            check_distinct(roles, "nothing is left").map_err(|it| it.to_string())
        };
        assert_eq!(check(&[("--a", 0), ("--b", 2)]), Ok(()));
        assert_eq!(check(&[("--a", 0), ("--a", 1), ("--b", 2)]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        let expected = "--a a and --b b have the same content, so nothing is left";
        for roles in [
            &[("--a", 0), ("--b", 1)][..],
            &[("--a", 0), ("--b", 0)],
            &[("--a", 2), ("--a", 0), ("--b", 3), ("--b", 1)],
        ] {
            assert_eq!(check(roles), Err(expected.into()), "{roles:?}");
        }
    }
}
