//! What opens and what ends a thought.

use crate::place::{Text, ends_sentence, is_quoted, last_line};
use crate::tag::{self, Kind, THOUGHTS, tag, tags};

/// Most marks that are examined for the end of a thought.
pub(crate) const MOST_MARKS: usize = 1000;

/// Other marks around thoughts; only the second remains if the prompt opens them.
pub(crate) const ENDS: &[(&str, &str)] = &[
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    (SQUARE_THINK, "[/think]"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
    ("<ctrl94>", "<ctrl95>"),
];

/// Magistral's mark, which is in upper case.
pub(crate) const SQUARE_THINK: &str = "[think]";

/// Other marks around thoughts.
const MARKS: &[(&str, &str)] = &[("<details type=\"reasoning\"", DETAILS_END)];

const DETAILS_END: &str = "</details>";

/// Words before a thought, and words at the beginning of a line after it.
struct Words {
    before: &'static str,
    behind: &'static str,
}

const WORDS: &[Words] = &[
    Words {
        before: "here is my thought process:",
        behind: "here is my response:",
    },
    // ollama's command line.
    Words {
        before: "thinking...",
        behind: "...done thinking.",
    },
    // ReAct's protocol.
    Words {
        before: "thought:",
        behind: "final answer:",
    },
];

/// The summaries of folded blocks with a thought; its duration may follow.
const SUMMARIES: &[&str] = &[
    "chain of thought",
    "reasoning process",
    "reasoning",
    "thinking process",
    "thinking",
    "thought process",
    "thoughts",
    "thought",
];

/// Marks around an answer that follows a thought.
pub(crate) struct Answer {
    pub opening: &'static str,
    pub closing: &'static str,
    /// Whether everything before the first one is thought, whatever it begins with.
    pub ends_thought: bool,
}

impl Answer {
    const fn marked(opening: &'static str, closing: &'static str) -> Self {
        Self {
            opening,
            closing,
            ends_thought: false,
        }
    }
}

pub(crate) const ANSWERS: &[Answer] = &[
    Answer {
        ends_thought: true,
        ..Answer::marked("[begin final response]", "[end final response]")
    },
    Answer::marked("<|begin_of_solution|>", "<|end_of_solution|>"),
    Answer::marked("<|start_response|>", "<|end_response|>"),
    Answer::marked("<|begin_of_box|>", "<|end_of_box|>"),
    Answer::marked("<answer>", "</answer>"),
    Answer::marked("<final_answer>", "</final_answer>"),
    Answer::marked("<response>", "</response>"),
    Answer::marked("<output>", "</output>"),
    Answer::marked("<reply>", "</reply>"),
];

/// What opens a thought.
pub(crate) struct Opening {
    /// Its length.
    pub length: usize,
    /// Whether ordinary text also begins like this.
    pub is_doubtful: bool,
    close: Close,
}

/// What closes a thought.
enum Close {
    /// Nothing: it is empty.
    AtOnce,
    Mark(&'static str),
    /// Words at the beginning of a line.
    Words(&'static str),
    /// A tag of that name, or of another name only for thoughts.
    Tag(String),
    /// A tag of that name, in such brackets.
    Own(String, (&'static str, &'static str)),
    /// A fence of at least this many of that character.
    Fence(char, usize),
}

/// How a thought ends.
pub(crate) enum End {
    /// The mark between these places ends it.
    At(usize, usize),
    /// The text only mentions the marks that could end it, and so most likely the one
    /// that opens it.
    Mentioned,
    /// Nothing ends it.
    None,
}

/// Returns what opens a thought at the beginning of a text in lower case.
pub(crate) fn opening(lower: &str) -> Option<Opening> {
    let sure = |length, close| {
        Some(Opening {
            length,
            is_doubtful: false,
            close,
        })
    };
    let mut marks = ENDS.iter().chain(MARKS);
    if let Some(mark) = marks.find(|mark| lower.starts_with(mark.0)) {
        return Some(Opening {
            length: mark.0.len(),
            // A stage direction has space after it: `[Think] Before you speak …`.
            is_doubtful: mark.0 == SQUARE_THINK && lower[mark.0.len()..].starts_with([' ', '\t']),
            close: Close::Mark(mark.1),
        });
    }
    for words in WORDS {
        if let Some(rest) = lower.strip_prefix(words.before)
            && words_at(rest, words.behind).is_some()
        {
            return sure(words.before.len(), Close::Words(words.behind));
        }
    }
    if let Some((length, is_doubtful)) = folded(lower) {
        return Some(Opening {
            length,
            is_doubtful,
            close: Close::Mark(DETAILS_END),
        });
    }
    if let Some(fence) = fence(lower) {
        return Some(fence);
    }
    let tag = tag(lower)?;
    match (tag.kind, tag.is_doubtful) {
        (Kind::Opening, false) => sure(tag.length, Close::Tag(tag.name)),
        (Kind::Empty, false) => sure(tag.length, Close::AtOnce),
        (Kind::Opening, true) => Some(Opening {
            length: tag.length,
            is_doubtful: true,
            close: Close::Own(tag.name, tag.brackets),
        }),
        _ => None,
    }
}

/// Whether a text in lower case is the beginning of a tag for thoughts and nothing
/// else: the token limit cut it off there.
pub(crate) fn is_cut_opening(lower: &str) -> bool {
    const LEAST: usize = 3;
    let Some(inside) = lower.trim_end().strip_prefix('<') else {
        return false;
    };
    let name = inside.strip_prefix('|').unwrap_or(inside);
    name.len() >= LEAST && THOUGHTS.iter().any(|word| word.starts_with(name))
}

/// Returns the place of words that begin a line, after signs of emphasis at most, or
/// follow a sentence.
fn words_at(lower: &str, words: &str) -> Option<usize> {
    let mut places = lower.match_indices(words);
    places.find_map(|(at, _)| {
        let line = last_line(&lower[..at]);
        let begins_line = line.chars().all(|c| matches!(c, ' ' | '*' | '#' | '_'));
        (begins_line || ends_sentence(line)).then_some(at)
    })
}

/// Returns the opening of a code block whose language is a word for thoughts.
pub(crate) fn fence(lower: &str) -> Option<Opening> {
    let mark = lower.chars().next().filter(|it| matches!(it, '`' | '~'))?;
    let line = lower.lines().next()?;
    let language = line.trim_start_matches(mark);
    let count = line.len() - language.len();
    if count < 3 {
        return None;
    }
    Some(Opening {
        length: line.len(),
        is_doubtful: !tag::is_sure(language.trim())?,
        close: Close::Fence(mark, count),
    })
}

impl Opening {
    /// Whether it is a tag or another mark, which a sentence may mention; of an element
    /// with attributes it is only the beginning.
    fn may_be_noun(&self) -> bool {
        match self.close {
            Close::Tag(_) | Close::Own(..) => true,
            Close::Mark(closing) => closing != DETAILS_END,
            _ => false,
        }
    }

    /// Returns the end of the thought that this opens at `from`.
    pub(crate) fn end(&self, text: &Text, from: usize) -> End {
        let inside = from + self.length;
        let may_be_noun = self.may_be_noun();
        if may_be_noun && text.is_subject(inside) {
            return End::Mentioned;
        }
        match self.closed(text, from) {
            End::None if may_be_noun && text.is_noun(inside) => End::Mentioned,
            end => end,
        }
    }

    /// Returns the place of what closes a thought that this opens at `from`.
    fn closed(&self, text: &Text, from: usize) -> End {
        let inside = from + self.length;
        let rest = &text.lower[inside..];
        let at = |at: usize, length: usize| End::At(inside + at, inside + at + length);
        match &self.close {
            Close::AtOnce => at(0, 0),
            Close::Mark(closing) => {
                let mut ends = rest.match_indices(closing).take(MOST_MARKS);
                let end = ends.find(|(at, mark)| {
                    let place = inside + at..inside + at + mark.len();
                    !is_quoted(&text.lower, place.start, mark.len())
                        && !text.sentence_continues(place.end)
                        && !text.mentions_both(inside, &place)
                });
                end.map_or(End::None, |(found, mark)| at(found, mark.len()))
            }
            Close::Words(words) => {
                words_at(rest, words).map_or(End::None, |found| at(found, words.len()))
            }
            Close::Tag(name) => {
                let ends = tags(rest).map(|(at, it)| (at, it.length, it.kind, it.name == *name));
                ended(text, from, inside, ends)
            }
            Close::Own(name, brackets) => {
                let ends = tag::named(rest, name, *brackets);
                let ends = ends.map(|(at, it)| (at, it.length, it.kind, true));
                ended(text, from, inside, ends)
            }
            Close::Fence(mark, count) => fence_end(rest, *mark, *count)
                .map_or(End::None, |(found, end)| at(found, end - found)),
        }
    }
}

/// Returns the end of a thought that a tag opens. Each of the tags after it comes
/// with its place, length and kind, and whether it has the opening tag's name: some
/// models end a thought with another name.
///
/// The best closing tag counts, and the first of equals. The best ones are those that
/// nothing speaks against; then come those with an opening tag on the same line or a
/// word in lower case after them; then those in code, since the thought may have left
/// a fence open.
fn ended(
    text: &Text,
    opening: usize,
    inside: usize,
    tags: impl Iterator<Item = (usize, usize, Kind, bool)>,
) -> End {
    let line_end = text.plain[opening..].find('\n');
    let line_end = line_end.map_or(text.plain.len(), |length| opening + length);
    let mut best: Option<(u8, usize, usize)> = None;
    let mut is_mentioned = false;
    let mut last_open = None;
    for (at, length, kind, is_own) in tags.take(MOST_MARKS) {
        let at = inside + at;
        if kind == Kind::Opening {
            last_open = Some(at + length);
        }
        if kind != Kind::Closing || is_quoted(&text.lower, at, length) {
            continue;
        }
        let behind = &text.plain[at + length..];
        let follows = behind.strip_prefix(' ');
        let is_within = follows.is_some_and(|it| it.starts_with(char::is_lowercase));
        let between = &text.plain[inside..at];
        // `<think>…</think> wraps …`, `<think>.*</think>`: nothing is said between the tags.
        let is_alone = behind.trim().is_empty() && !between.trim().is_empty();
        let is_placeholder = (is_within || is_alone)
            && !between.contains(|c: char| c.is_alphanumeric() || c == '\n');
        let is_mention = text.mentions_both(inside, &(at..at + length));
        if is_placeholder || is_mention || text.sentence_continues(at + length) {
            is_mentioned |= at < line_end || text.line_before(at).trim().is_empty();
            continue;
        }
        let is_paired = last_open
            .take()
            .is_some_and(|open| !text.plain[open..at].contains('\n'));
        let rank = 4 * u8::from(text.is_shown(at, length))
            + 2 * u8::from(is_paired || is_within)
            + u8::from(!is_own);
        if best.is_none_or(|it| rank < it.0) {
            best = Some((rank, at, at + length));
        }
        if rank == 0 {
            break;
        }
    }
    match best {
        Some((_, at, end)) => End::At(at, end),
        None if is_mentioned => End::Mentioned,
        None => End::None,
    }
}

/// Returns the places before and after the fence that closes a code block, which may
/// contain other code blocks; if none closes it, those of the first that may.
fn fence_end(rest: &str, mark: char, count: usize) -> Option<(usize, usize)> {
    let mut depth = 1;
    let mut first = None;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        let from = at;
        at += line.len();
        let language = line.trim().trim_start_matches(mark);
        if line.trim().len() - language.len() < count {
            continue;
        }
        if language.is_empty() {
            first = first.or(Some((from, at)));
            depth -= 1;
        } else if !language.contains(mark) {
            depth += 1;
        }
        if depth == 0 {
            return Some((from, at));
        }
    }
    first
}

/// Returns the length of a folded block's beginning, up to its summary, if it
/// contains a thought, and whether ordinary text also begins like this.
fn folded(lower: &str) -> Option<(usize, bool)> {
    let rest = lower.strip_prefix("<details")?;
    let (_, rest) = rest.split_once('>')?;
    let rest = rest.trim_start().strip_prefix("<summary>")?;
    let summary = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '<');
    let summary = summary.split(['<', '\n']).next().unwrap_or_default();
    let has_sign = !rest.starts_with(summary) || summary.contains(['…', '.']);
    let mut after = SUMMARIES.iter().filter_map(|it| summary.strip_prefix(it));
    let is_sure = after.find_map(|it| {
        let has_time = it.trim_start().starts_with("for ") && it.contains(char::is_numeric);
        let is_alone = !it.contains(char::is_alphanumeric);
        (has_time || is_alone).then_some(has_time || has_sign)
    })?;
    Some((lower.len() - rest.len(), !is_sure))
}

/// Whether a text in lower case begins with the mark of an answer.
pub(crate) fn answer_opens(lower: &str) -> bool {
    ANSWERS.iter().any(|it| lower.starts_with(it.opening))
}

/// Returns what is between the marks of an answer, if these are all around it.
pub(crate) fn unwrapped(text: &str) -> &str {
    let trimmed = text.trim();
    let lower = trimmed.to_ascii_lowercase();
    for Answer {
        opening, closing, ..
    } in ANSWERS
    {
        if lower.starts_with(opening) {
            let end = lower.rfind(closing).filter(|end| *end >= opening.len());
            // An end that the token limit cut off may be missing.
            let is_whole = end.is_none_or(|end| end + closing.len() == trimmed.len());
            if is_whole {
                return &trimmed[opening.len()..end.unwrap_or(trimmed.len())];
            }
        }
    }
    text
}
