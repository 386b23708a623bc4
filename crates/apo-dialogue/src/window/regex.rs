//! Regular expressions that split texts for the GPT family.

/// Alternatives of pre-tokenizers' regular expressions in which no whitespace
/// comes after a letter or a digit.
const ALTERNATIVES: [&str; 27] = [
    r"'s",
    r"'t",
    r"'re",
    r"'ve",
    r"'m",
    r"'ll",
    r"'d",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"'(?i:[sdmt]|ll|ve|re)",
    r" ?\p{L}+",
    r" ?\p{N}+",
    r" ?[^\s\p{L}\p{N}]+",
    r"[^\r\n\p{L}\p{N}]?\p{L}+",
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}",
    r"\p{N}+",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s*[\r\n]",
    r"\s+(?!\S)",
    r"\s+",
];

/// Whether all alternatives of a regular expression are known, whether the last
/// one takes any whitespace, and whether they distinguish letters by their
/// case.
pub(super) fn known(regex: &str) -> Option<(bool, bool)> {
    let alternatives = alternatives(regex);
    let known = |it: &&str| ALTERNATIVES.contains(it);
    alternatives.iter().all(known).then(|| {
        let takes_all = alternatives.last() == Some(&r"\s+");
        (
            takes_all,
            alternatives.iter().any(|it| it.contains(r"\p{Lu}")),
        )
    })
}

/// Splits a regular expression at its outermost `|`.
fn alternatives(regex: &str) -> Vec<&str> {
    let (mut found, mut from) = (Vec::new(), 0);
    let (mut depth, mut in_class) = (0, false);
    let mut chars = regex.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth -= 1,
            '|' if !in_class && depth == 0 => {
                found.push(&regex[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    found.push(&regex[from..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_the_outermost() {
        let regex = r"(?i:'s|'t)|[^\r|\]]?\p{L}+|\|";
        assert_eq!(
            alternatives(regex),
            [r"(?i:'s|'t)", r"[^\r|\]]?\p{L}+", r"\|"]
        );
    }
}
