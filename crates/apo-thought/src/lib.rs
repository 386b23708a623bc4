//! Which part of a reply is the answer, and which is thought.
//!
//! Servers that do not separate the two leave thoughts in the text, between the
//! model's marks. One rule tells them apart: a thought is a block at the beginning
//! of the reply; only special tokens and the speaker's name may precede it. It ends
//! with the mark that closes it; without one, the whole reply is thought. If the
//! chat template opens the block, the opening mark is in the prompt: then everything
//! before a closing mark without an opening one is thought.
//!
//! After a thought, `Assistant:` and `Final Answer:`, and marks around the whole
//! answer such as `<answer>`, are removed as well.
//!
//! Everything else is part of the answer and stays: marks further on, and marks that
//! a sentence mentions, that code or quotation marks contain, or that are items of a
//! list. [`is_doubtful`] tells whether an answer contains any.
//!
//! | Begins with | Is |
//! |---|---|
//! | `<think>`, `[BEGIN THOUGHT]`, a code block of the language `thinking`: words only for thoughts | a thought, closed or not |
//! | `<plan>`, `[thinking]`, a code block of the language `analysis`: words also for parts of an answer | a thought if it is closed and followed by plain text or the mark of an answer; otherwise text, and doubtful |
//! | `Thought:`, if a later line begins with `Final Answer:`; `Thinking...` with `...done thinking.` | a thought up to these words |
//! | anything, if `[BEGIN FINAL RESPONSE]` follows | a thought up to this mark |
//! | another heading, such as `**Reasoning**` | text, and doubtful |

mod channels;
mod lead;
mod marks;
mod place;
mod tag;

use channels::channels;
use lead::{lead, unlabelled};
use marks::{ANSWERS, ENDS, End, answer_opens, fence, is_cut_opening, opening, unwrapped};
use place::{Text, is_quoted};
use tag::{Kind, tags};

pub use lead::{ends_with_token, without_end};

/// Headings of thoughts, and of parts of an answer.
const HEADINGS: &[&str] = &[
    "thought",
    "thoughts",
    "thinking",
    "reasoning",
    "scratchpad",
    "thought process",
    "thinking process",
    "reasoning process",
    "chain of thought",
    "inner monologue",
    "internal monologue",
];

/// What ends a thought between two words that run into each other: gpt-oss' format
/// without its special tokens, after a beginning that is in the prompt.
const WEDGED: &[&str] = &["assistantfinal"];

/// Most thoughts in a row: no answer follows more.
const MOST_THOUGHTS: usize = 100;

/// Most marks that are examined for the end of a thought.
const MOST_MARKS: usize = 1000;

/// A reply's text, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parted<'a> {
    /// The text without the thoughts before it and the special tokens after it, with
    /// its white space.
    pub answer: &'a str,
    /// Whether a thought that is not empty was removed.
    pub has_thought: bool,
    /// Whether a special token was removed from the end.
    pub has_end: bool,
}

/// Takes a reply's text apart into thoughts and answer.
pub fn parted(content: &str) -> Parted<'_> {
    let whole = content.trim_end();
    let content = without_end(content);
    let text = Text::new(content);
    let lower = &text.lower;
    let parted = |answer, has_thought| Parted {
        answer: without_end(answer),
        has_thought,
        has_end: content.trim_end().len() < whole.len(),
    };
    let mut at = lead(lower);
    if let Some(found) = channels(&text, at) {
        return parted(found.answer, found.has_thought);
    }
    let mut has_thought = false;
    // The end of the last thought.
    let mut thought = None;
    for _ in 0..MOST_THOUGHTS {
        let end = match (block(&text, at), thought) {
            (Block::Cut, _) => return parted("", true),
            (Block::Ended { end, is_filled }, _) => {
                has_thought |= is_filled;
                end
            }
            (Block::None, None) => match unopened(&text, 0, Text::ends_block) {
                Some((mark, end)) => {
                    has_thought |= !content[at.min(mark)..mark].trim().is_empty();
                    end
                }
                None => return parted(content, false),
            },
            // The thought may have contained an end.
            (Block::None, Some(end)) => {
                let Some((_, end)) = unopened(&text, end, Text::is_wedged) else {
                    let answer = unwrapped(without_end(unlabelled(&content[end..])));
                    return parted(answer, has_thought);
                };
                end
            }
        };
        thought = Some(end);
        at = end + lead(&lower[end..]);
    }
    parted("", true)
}

/// Whether an answer, as [`parted`] returns it, may still contain a thought: it has
/// a mark that is not quoted, or a beginning that some models give their thoughts.
/// Nor is it certain of a text that still ends with a special token.
pub fn is_doubtful(answer: &str) -> bool {
    let lower = answer.to_ascii_lowercase();
    let is_plain = |&(at, length): &(usize, usize)| !is_quoted(&lower, at, length);
    let mut tags = tags(&lower).map(|(at, tag)| (at, tag.length));
    let mut marks = ENDS
        .iter()
        .flat_map(|mark| [mark.0, mark.1])
        .chain(sure_answers())
        .flat_map(|mark| lower.match_indices(mark).map(|(at, it)| (at, it.len())));
    let first = &lower[lead(&lower)..];
    let heading = first.trim_start_matches(['*', '#', '>', '_', ' ', '`', '\n', '[', '(']);
    let after = HEADINGS.iter().filter_map(|it| heading.strip_prefix(it));
    let mut after = after.map(|it| it.trim_start_matches(['*', '_', ' ', '.', '…']));
    let is_heading = after.any(|it| it.starts_with([':', '\n']));
    is_heading
        || opening(first).is_some_and(|it| it.is_doubtful)
        || lower.lines().any(|line| fence(line).is_some())
        || tags.any(|it| is_plain(&it))
        || marks.any(|it| is_plain(&it))
        || ends_with_token(answer)
}

/// Returns the marks of answers that only follow thoughts.
fn sure_answers() -> impl Iterator<Item = &'static str> {
    let sure = ANSWERS.iter().filter(|it| it.ends_thought);
    sure.map(|it| it.opening)
}

enum Block {
    /// The text begins with something else.
    None,
    /// It begins with a thought without an end.
    Cut,
    /// It begins with a thought that ends here, and may be empty.
    Ended { end: usize, is_filled: bool },
}

/// Returns the block that begins at a place of the text.
fn block(text: &Text, from: usize) -> Block {
    let rest = &text.lower[from..];
    let Some(opening) = opening(rest) else {
        return if is_cut_opening(rest) {
            Block::Cut
        } else {
            Block::None
        };
    };
    match opening.end(text, from) {
        End::At(at, end) if !opening.is_doubtful || answer_follows(text, end) => Block::Ended {
            end,
            is_filled: !text.plain[from + opening.length..at].trim().is_empty(),
        },
        End::None if !opening.is_doubtful => Block::Cut,
        _ => Block::None,
    }
}

/// Whether an answer follows what may have been a thought: not if nothing follows,
/// nor if another element does, since the answer may then consist of elements.
fn answer_follows(text: &Text, end: usize) -> bool {
    let mut at = end;
    for _ in 0..MOST_THOUGHTS {
        at += lead(&text.lower[at..]);
        let rest = &text.lower[at..];
        let Some(opening) = opening(rest) else {
            let mut start = rest.chars();
            let is_element = start.next() == Some('<')
                && start.next().is_some_and(|it| it.is_ascii_alphabetic());
            return !rest.is_empty() && (answer_opens(rest) || !is_element);
        };
        if !opening.is_doubtful {
            return true;
        }
        match opening.end(text, at) {
            End::At(_, end) => at = end,
            _ => return false,
        }
    }
    false
}

/// Returns the mark that ends a thought whose beginning is in the prompt, or before
/// `from`: the first one that no mark before it opens and whose place is that of an
/// end.
fn unopened<'a>(
    text: &Text<'a>,
    from: usize,
    is_end: fn(&Text<'a>, usize, usize) -> bool,
) -> Option<(usize, usize)> {
    let rest = &text.lower[from..];
    let mut opened: Vec<(usize, usize, String)> = Vec::new();
    let mut found = None;
    for (at, tag) in tags(rest).take(MOST_MARKS) {
        let at = from + at;
        match tag.kind {
            Kind::Opening if !is_quoted(&text.lower, at, tag.length) => {
                opened.push((at, tag.length, tag.name));
            }
            Kind::Closing => {
                let is_pair = opened.iter().any(|(open, length, name)| {
                    *name == tag.name && text.is_opener_of(*open, *length, at)
                });
                if !is_pair && is_end(text, at, tag.length) {
                    found = Some((at, at + tag.length));
                    break;
                }
            }
            _ => {}
        }
    }
    let marks = ENDS.iter().filter_map(|(opening, closing)| {
        let mut ends = rest.match_indices(closing).take(MOST_MARKS);
        let (at, mark) = ends.find(|&(at, mark)| {
            !rest[..at].contains(opening) && is_end(text, from + at, mark.len())
        })?;
        Some((from + at, from + at + mark.len()))
    });
    // The mark of the answer stays, so that what is around the answer can be removed.
    let answers = sure_answers().filter_map(|opening| {
        let mut places = rest.match_indices(opening).take(MOST_MARKS);
        let (at, _) = places
            .find(|&(at, mark)| (at > 0 || from == 0) && is_end(text, from + at, mark.len()))?;
        Some((from + at, from + at))
    });
    let wedged = WEDGED.iter().filter_map(|mark| {
        let mut places = rest.match_indices(mark).take(MOST_MARKS);
        let (at, _) = places.find(|&(at, mark)| text.is_wedged(from + at, mark.len()))?;
        Some((from + at, from + at + mark.len()))
    });
    marks.chain(found).chain(answers).chain(wedged).min()
}

#[cfg(test)]
mod tests;
