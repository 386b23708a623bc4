//! What the place of a mark says: whether it ends a thought, or is spoken of.

/// Whether a tag opens what ends behind `before`: it begins its line, but for
/// the mark of a list, or stands on the same one. Else a sentence mentions it.
pub(super) fn pairs(before: &str, open: usize) -> bool {
    let line = before[..open].rsplit('\n').next().unwrap_or_default();
    let begins_line = line.chars().all(|c| !c.is_alphanumeric());
    begins_line || !before[open..].contains('\n')
}

/// Whether a mark stands as the end of a block: on a line's border or after a
/// sentence, not quoted, not in the middle of one, not in listed code.
pub(super) fn ends_block(text: &str, at: usize, length: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + length..]);
    if is_quoted(text, at, length) || before.matches("```").count() % 2 == 1 {
        return false;
    }
    let blank = |c: char| c == ' ' || c == '\t';
    let rest = after.trim_start_matches(blank);
    let ends_line = rest.is_empty() || rest.starts_with(['\n', '\r']);
    let begins_line = before.trim_end_matches(blank).ends_with('\n') || before.trim().is_empty();
    let after_sentence = before
        .trim_end()
        .ends_with(['.', '!', '?', '…', '。', '！', '？']);
    let goes_on = after.starts_with(blank) && speaks_of_tag(rest);
    ends_line || is_wedged(text, at, length) || ((after_sentence || begins_line) && !goes_on)
}

/// Whether what follows a tag speaks of it, as "`</think>` is the tag that ends it".
fn speaks_of_tag(rest: &str) -> bool {
    const VERBS: &[&str] = &[
        "is",
        "was",
        "are",
        "and",
        "or",
        "ends",
        "end",
        "marks",
        "closes",
        "tells",
        "means",
        "tag",
        "tags",
        "must",
        "should",
        "has",
        "in",
        "at",
        "to",
        "for",
        "as",
        "which",
        "that",
        "stands",
        "comes",
        "goes",
        "can",
        "will",
        "if",
        "when",
        "where",
        "does",
        "signals",
        "indicates",
        "shows",
        "would",
        "may",
    ];
    let word = rest.split(|c: char| !c.is_alphanumeric()).next();
    word.is_some_and(|word| VERBS.contains(&word))
}

/// Whether a mark stands between the words of two texts without white space, as
/// none does that a sentence speaks of.
pub(super) fn is_wedged(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    let ends = |c: char| c.is_alphanumeric() || matches!(c, '.' | '!' | '?' | '…' | '。');
    before.is_some_and(ends)
        && after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '*' | '#'))
        && text[..at].matches("```").count().is_multiple_of(2)
}

/// Whether a mark stands between quotation marks.
pub(super) fn is_quoted(text: &str, at: usize, length: usize) -> bool {
    const QUOTES: &[(char, char)] = &[
        ('`', '`'),
        ('"', '"'),
        ('\'', '\''),
        ('“', '”'),
        ('‘', '’'),
        ('«', '»'),
        ('「', '」'),
    ];
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    QUOTES
        .iter()
        .any(|quote| before == Some(quote.0) && after == Some(quote.1))
}
