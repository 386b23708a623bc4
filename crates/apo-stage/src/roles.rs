//! Inputs whose roles must not be played by the same content.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use apo_provenance::Input;

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

/// Refuses inputs of different options that have the same content; `consequence`
/// is what that would mean, and what to do.
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
            return Err(bad_input(format!(
                "{} {} and {} {} have the same content, so {consequence}",
                first.option,
                first.path.display(),
                role.option,
                role.path.display()
            )));
        }
    }
    Ok(())
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
