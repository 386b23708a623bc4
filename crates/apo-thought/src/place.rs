//! Judges by the place of a mark whether it is used, or only mentioned.

use std::collections::HashMap;
use std::ops::Range;

/// Words that continue a sentence after a tag: "`</think>` is the tag that ends it".
/// An answer does not begin with one of them in lower case.
const CONTINUATIONS: &[&str] = &[
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
    "wraps",
    "encloses",
    "appears",
    "block",
    "blocks",
];

/// Words that a sentence does not end with: what follows on the next line belongs to
/// it, as in "Set the stop sequence to".
const OPEN_ENDS: &[&str] = &[
    "an", "and", "are", "as", "be", "by", "from", "is", "of", "or", "so", "than", "the", "to",
    "was", "were", "with", "write", "writes",
];

/// Such words that no thought begins with either.
const SUBJECT_CONTINUATIONS: &[&str] = &[
    "is", "was", "are", "and", "or", "tag", "tags", "token", "tokens", "marks", "means", "opens",
    "begins", "wraps", "encloses", "appears", "block", "blocks", "element", "elements",
];

/// Verbs that say what a mark does or where it is. An answer or a closed thought
/// hardly begins with one of them in lower case.
const MARK_VERBS: &[&str] = &[
    "closes",
    "comes",
    "delimits",
    "denotes",
    "ends",
    "goes",
    "holds",
    "indicates",
    "introduces",
    "precedes",
    "separates",
    "shows",
    "signals",
    "stands",
    "starts",
    "surrounds",
    "tells",
];

/// Words that join a mark to the words after it. A thought that is closed on its line
/// hardly begins with one of them in lower case and is not over at its end, too.
const JOINING_WORDS: &[&str] = &[
    "after", "and", "before", "between", "by", "can", "followed", "from", "must", "needs", "on",
    "or", "pairs", "plus", "should", "together", "with", "without",
];

/// Words that begin a sentence, and do not continue one after a noun.
const SENTENCE_BEGINNINGS: &[&str] = &[
    "a", "actually", "ah", "alright", "an", "first", "he", "hello", "here", "hey", "hi", "hm",
    "hmm", "how", "i", "it", "just", "let", "lets", "maybe", "my", "no", "now", "oh", "ok", "okay",
    "our", "perhaps", "please", "she", "since", "so", "sure", "the", "their", "there", "these",
    "they", "this", "those", "thus", "user", "wait", "we", "well", "what", "why", "yes", "you",
    "your",
];

/// Signs that join a mark, after a blank, to what follows it: `<think> + …`.
const JOINING_SIGNS: &[char] = &['=', '+', '/', '|', '→', '–', '—'];

/// What a sentence ends with.
pub(crate) const SENTENCE_ENDS: &[char] = &['.', '!', '?', '…', '。', '！', '？'];

/// A reply's text, with what is needed to judge the place of a mark in it.
pub(crate) struct Text<'a> {
    pub plain: &'a str,
    /// The same with ASCII letters in lower case; all places stay the same.
    pub lower: String,
    /// The places of code, in order.
    code: Vec<Range<usize>>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(plain: &'a str) -> Self {
        Self {
            plain,
            lower: plain.to_ascii_lowercase(),
            code: code(plain),
        }
    }

    /// Returns the line's text before a place, as [`last_line`].
    pub(crate) fn line_before(&self, at: usize) -> &'a str {
        last_line(&self.plain[..at])
    }

    /// Whether a mark is in code or between quotation marks.
    pub(crate) fn is_shown(&self, at: usize, length: usize) -> bool {
        let next = self.code.partition_point(|it| it.end <= at);
        let is_code = self.code.get(next).is_some_and(|it| it.contains(&at));
        is_code || is_quoted(self.plain, at, length)
    }

    /// Whether a closing mark is part of a sentence that continues after it.
    pub(crate) fn sentence_continues(&self, end: usize) -> bool {
        sentence_continues(&self.plain[end..], CONTINUATIONS)
    }

    /// Whether an opening mark is the subject of a sentence.
    pub(crate) fn is_subject(&self, end: usize) -> bool {
        continues_as_subject(&self.plain[end..])
    }

    /// Whether a sentence plainly continues after an opening mark that nothing closes, as
    /// after a noun: after a blank, on the same line, with a sign that joins, or with a
    /// word in lower case that begins no sentence. A thought that is cut off continues with
    /// a line break, a capital letter, or the beginning of a sentence.
    pub(crate) fn is_noun(&self, end: usize) -> bool {
        let Some(rest) = self.plain[end..].strip_prefix([' ', '\t']) else {
            return false;
        };
        let words = rest.strip_prefix('(').unwrap_or(rest);
        is_joined(rest) || (words.starts_with(char::is_lowercase) && !begins_sentence(words))
    }

    /// Whether one sentence mentions an opening mark and the closing one at `closing`:
    /// `<think> comes first, </think> second`. On one line, it continues after both: with a
    /// verb, or a word that joins, after which it is not over.
    pub(crate) fn mentions_both(&self, inside: usize, closing: &Range<usize>) -> bool {
        let between = self.plain[inside..closing.start].strip_prefix(' ');
        let behind = self.plain[closing.end..].strip_prefix(' ');
        let (Some(between), Some(behind)) = (between, behind) else {
            return false;
        };
        let is_unfinished = between.trim_end().ends_with([',', ';']) || is_open(between);
        let is_aside = between.starts_with(['(', '"']) || begins_with_word(between, JOINING_WORDS);
        let has_verb = is_about_mark(between) || is_joined(between);
        let is_mention = (is_unfinished && is_aside) || (has_verb && !ends_sentence(between));
        is_mention
            && !behind.is_empty()
            && !behind.starts_with(char::is_uppercase)
            && !between.contains('\n')
    }

    /// Whether an opening mark belongs to a closing one at `closing`, so that the
    /// two enclose something that the text shows: they are on one line, or the
    /// first is at the beginning of a line (after the mark of a list at most) or at
    /// its end. Otherwise a sentence mentions it.
    pub(crate) fn is_opener_of(&self, open: usize, length: usize, closing: usize) -> bool {
        let between = &self.plain[open + length..closing];
        let line = self.line_before(open);
        let begins_line = is_number(line) || line.chars().all(|c| !c.is_alphanumeric());
        let ends_line = between.trim_start_matches([' ', '\t']).starts_with('\n');
        begins_line || ends_line || !between.contains('\n')
    }

    /// Whether a closing mark without an opening one ends a block: it begins a line,
    /// or follows a sentence or the last word of a line, and no sentence continues
    /// after it.
    pub(crate) fn ends_block(&self, at: usize, length: usize) -> bool {
        let (before, after) = (&self.plain[..at], &self.plain[at + length..]);
        let next_line = after
            .trim_start_matches([' ', '\t', '\r'])
            .strip_prefix('\n');
        let continues = self.sentence_continues(at + length)
            || next_line.is_some_and(|it| begins_with_word(it, CONTINUATIONS));
        if self.is_shown(at, length) || continues {
            return false;
        }
        if next_line.is_some() && self.line_before(at).trim().is_empty() && is_unfinished(before) {
            return false;
        }
        let ends_line = next_line.is_some() || after.trim().is_empty();
        let line = self.line_before(at);
        let begins_line = line.trim().is_empty();
        let after_sentence = ends_sentence(before) && !is_number(line);
        let after_word = before.ends_with(|c: char| !c.is_whitespace());
        begins_line || after_sentence || (ends_line && after_word) || self.is_wedged(at, length)
    }

    /// Whether a mark is between the words of two texts without white space: a
    /// sentence that mentions a mark leaves space around it.
    pub(crate) fn is_wedged(&self, at: usize, length: usize) -> bool {
        let before = self.plain[..at].chars().next_back();
        let after = self.plain[at + length..].chars().next();
        let ends = |c: char| c.is_alphanumeric() || matches!(c, '.' | '!' | '?' | '…' | '。');
        before.is_some_and(ends)
            && after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '*' | '#'))
            && !self.is_shown(at, length)
    }
}

/// Returns the last line of a text; of a long line, its end.
pub(crate) fn last_line(text: &str) -> &str {
    const LONG: usize = 200;
    let end = &text[text.ceil_char_boundary(text.len().saturating_sub(LONG))..];
    end.rsplit('\n').next().unwrap_or_default()
}

/// Whether a text ends with a sentence.
pub(crate) fn ends_sentence(text: &str) -> bool {
    text.trim_end().ends_with(SENTENCE_ENDS)
}

/// Whether a sentence at the end of a text is not over, so that what follows belongs
/// to it: by its last word, or a short text by its colon. A long one with a colon may
/// be a thought that leads up to the answer.
fn is_unfinished(text: &str) -> bool {
    const SHORT: usize = 200;
    let text = text.trim();
    is_open(text) || (text.ends_with(':') && text.len() < SHORT)
}

/// Whether a text ends with a word that no sentence ends with.
pub fn is_open(text: &str) -> bool {
    OPEN_ENDS.contains(&last_word(text.trim_end()))
}

/// Returns the word that a text ends with.
pub(crate) fn last_word(text: &str) -> &str {
    let mut words = last_line(text).rsplit(char::is_whitespace);
    words.next().unwrap_or_default()
}

/// Whether the beginning of a line is the number of a list item, such as `2.`, `b)`.
pub(crate) fn is_number(line: &str) -> bool {
    let item = line.trim();
    let number = item.trim_end_matches(['.', ')', ':']);
    let is_digits = number.len() <= 3 && number.chars().all(|c| c.is_ascii_digit());
    let is_letter = number.len() == 1 && number.chars().all(char::is_alphabetic);
    !number.is_empty() && number.len() < item.len() && (is_digits || is_letter)
}

/// Whether a sentence continues whose subject is the mark before this text.
pub(crate) fn continues_as_subject(rest: &str) -> bool {
    // Unlike an answer, no thought begins with a list without spaces: `-Warm\n-Cold`.
    let compound = rest.strip_prefix('-');
    sentence_continues(rest, SUBJECT_CONTINUATIONS)
        || rest.starts_with('=')
        || compound.is_some_and(|it| it.starts_with(char::is_alphabetic))
}

fn sentence_continues(rest: &str, words: &[&str]) -> bool {
    let is_over = |rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace);
    let after_full_stop = rest.strip_prefix(['.', '?', '!', ':']);
    rest.starts_with([',', ';', ')'])
        || is_part_of_word(rest)
        || after_full_stop.is_some_and(is_over)
        || (rest.starts_with([' ', '\t']) && begins_with_word(rest, words))
}

/// Whether the mark before this text is part of a word: `<think>-tags`, `<think>'s`,
/// `<think>s`.
fn is_part_of_word(rest: &str) -> bool {
    let compound = rest.strip_prefix('-');
    let mut endings = ["s", "'s", "’s"]
        .iter()
        .filter_map(|it| rest.strip_prefix(it));
    compound.is_some_and(|it| it.starts_with(char::is_lowercase))
        || endings.any(|it| !it.starts_with(char::is_alphanumeric))
}

/// Whether a text begins with a capital letter, or a word that begins a sentence.
fn begins_sentence(text: &str) -> bool {
    text.starts_with(char::is_uppercase) || begins_with_word(text, SENTENCE_BEGINNINGS)
}

/// Whether a text begins with a sign that joins it to the mark before it.
fn is_joined(rest: &str) -> bool {
    rest.starts_with(JOINING_SIGNS)
}

/// Whether a text begins with a word that continues a sentence about the mark before it,
/// after spaces at most.
pub(crate) fn is_about_mark(rest: &str) -> bool {
    begins_with_word(rest, MARK_VERBS) || begins_with_word(rest, SUBJECT_CONTINUATIONS)
}

fn begins_with_word(rest: &str, words: &[&str]) -> bool {
    let rest = rest.trim_start_matches([' ', '\t']);
    let word = rest.split(|c: char| !c.is_alphanumeric()).next();
    word.is_some_and(|word| words.contains(&word))
}

/// Returns the places of code in a Markdown text: between fences, up to the end of
/// the text if the last one is not closed, and quoted within a line.
fn code(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut fence: Option<(usize, char, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let mark = trimmed.chars().next().filter(|it| matches!(it, '`' | '~'));
        let (count, info) = mark.map_or((0, trimmed), |mark| {
            let info = trimmed.trim_start_matches(mark);
            (trimmed.len() - info.len(), info)
        });
        let is_fence = count >= 3 && !info.contains('`');
        match fence {
            None if is_fence => fence = mark.map(|mark| (at, mark, count)),
            None => {
                let spans = spans(line).into_iter();
                found.extend(spans.map(|it| at + it.start..at + it.end));
            }
            Some((from, opened, least)) => {
                if mark == Some(opened) && count >= least && info.is_empty() {
                    found.push(from..at + line.len());
                    fence = None;
                }
            }
        }
        at += line.len();
    }
    found.extend(fence.map(|(from, ..)| from..text.len()));
    found
}

/// Returns the places of code in a line: between two equally long runs of
/// backticks.
fn spans(line: &str) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while let Some(next) = line[at..].find('`') {
        let from = at + next;
        at = from + line[from..].len() - line[from..].trim_start_matches('`').len();
        runs.push(from..at);
    }
    let mut next_of = HashMap::new();
    let mut closing = vec![None; runs.len()];
    for (i, run) in runs.iter().enumerate().rev() {
        closing[i] = next_of.insert(run.len(), i);
    }
    let mut found = Vec::new();
    let mut i = 0;
    while i < runs.len() {
        if let Some(closed) = closing[i] {
            found.push(runs[i].start..runs[closed].end);
            i = closed;
        }
        i += 1;
    }
    found
}

/// Whether a mark is between quotation marks.
pub(crate) fn is_quoted(text: &str, at: usize, length: usize) -> bool {
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
