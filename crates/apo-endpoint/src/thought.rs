//! Which part of a reply is the answer, and which is thought.
//!
//! Servers that do not part the two leave thoughts in the text, between marks
//! of the model's own. Position decides: a thought stands at the beginning,
//! behind special tokens and the speaker's name at most. A block that opens
//! there is removed up to its end, or wholly where it has none; where only an
//! end is left of it (chat templates that open the block themselves), all before
//! that end is removed, if it stands as the end of a block and not quoted within
//! a sentence. Marks further on are text, and [`is_doubtful`] tells of them.
//!
//! | Begins with | Is |
//! |---|---|
//! | `<think>`, `[THINK]`, listed code of the language `thinking`: words for thoughts alone | a thought, closed or not |
//! | `<analysis>`, `[thinking]`, listed code of the language `analysis`: words for parts of an answer, too | a thought if it is closed and plain text, or the mark of an answer, follows; else text, and doubtful |
//! | a heading, as `**Reasoning**` | text, and doubtful |

mod channels;
mod lead;
mod marks;
mod place;

use channels::channels;
use lead::lead;
use marks::{ENDS, Kind, answer_opens, fence, opening, tags, unwrapped};
use place::{ends_block, is_quoted, is_wedged, pairs};

/// Headings of thoughts, and of parts of an answer.
const HEADINGS: &[&str] = &[
    "thought",
    "thoughts",
    "thinking",
    "reasoning",
    "scratchpad",
    "thought process",
    "chain of thought",
    "inner monologue",
    "internal monologue",
];

/// Thoughts that may stand one after the other: nobody answers behind more.
const MOST_THOUGHTS: usize = 100;

/// Marks that are looked at for the end of a thought that the prompt opens.
const MOST_MARKS: usize = 1000;

/// Returns the answer in a reply's text: all but the thoughts before it, white
/// space included.
pub fn said(content: &str) -> &str {
    // Lower case of ASCII alone keeps every place where it is.
    let lower = content.to_ascii_lowercase();
    let mut at = lead(&lower);
    if let Some(answer) = channels(&content[at..], &lower[at..]) {
        return answer;
    }
    // Where the last thought ends, and where what follows it begins.
    let mut thought = None;
    for _ in 0..MOST_THOUGHTS {
        let end = match (block(&lower[at..]), thought) {
            (Block::Cut, _) => return "",
            (Block::Ended(length), _) => at + length,
            (Block::None, None) => match unopened(content, &lower, 0, ends_block) {
                Some(end) => end,
                None => return content,
            },
            // The thought held an end, too.
            (Block::None, Some(end)) => match unopened(content, &lower, end, is_wedged) {
                Some(end) => end,
                None => return unwrapped(&content[end..]),
            },
        };
        thought = Some(end);
        at = end + lead(&lower[end..]);
    }
    ""
}

/// Whether an answer, as [`said`] returns it, may still hold a thought: a mark
/// that is not quoted, or a beginning that only some models give their thoughts.
pub fn is_doubtful(answer: &str) -> bool {
    let lower = answer.to_ascii_lowercase();
    let is_plain = |&(at, length): &(usize, usize)| !is_quoted(&lower, at, length);
    let mut tags = tags(&lower).map(|(at, tag)| (at, tag.length));
    let mut marks = ENDS
        .iter()
        .flat_map(|mark| [mark.0, mark.1])
        .flat_map(|mark| lower.match_indices(mark).map(|(at, it)| (at, it.len())));
    let first = &lower[lead(&lower)..];
    let heading = first.trim_start_matches(['*', '#', '>', '_', ' ', '`', '\n']);
    let after = HEADINGS.iter().filter_map(|it| heading.strip_prefix(it));
    let mut after = after.map(|it| it.trim_start_matches(['*', '_', ' ']));
    let is_heading = after.any(|it| it.starts_with([':', '\n']));
    is_heading
        || opening(first).is_some_and(|it| it.is_doubtful)
        || lower.lines().any(|line| fence(line).is_some())
        || tags.any(|it| is_plain(&it))
        || marks.any(|it| is_plain(&it))
}

enum Block {
    /// The text begins with something else.
    None,
    /// It begins with a thought that has no end.
    Cut,
    /// It begins with a thought that ends here.
    Ended(usize),
}

fn block(lower: &str) -> Block {
    let Some(opening) = opening(lower) else {
        return Block::None;
    };
    match opening.end(lower) {
        Some(end) if !opening.is_doubtful || answer_follows(&lower[end..]) => Block::Ended(end),
        None if !opening.is_doubtful => Block::Cut,
        _ => Block::None,
    }
}

/// Whether an answer follows what may have been a thought: not where nothing
/// does, nor where another element does, for then the whole may be made of them.
fn answer_follows(lower: &str) -> bool {
    let mut rest = lower;
    loop {
        rest = &rest[lead(rest)..];
        let Some(opening) = opening(rest) else {
            let mut start = rest.chars();
            let is_element = start.next() == Some('<')
                && start.next().is_some_and(|it| it.is_ascii_alphabetic());
            return !rest.is_empty() && (answer_opens(rest) || !is_element);
        };
        match opening.end(rest) {
            _ if !opening.is_doubtful => return true,
            Some(end) => rest = &rest[end..],
            None => return false,
        }
    }
}

/// Returns where a thought ends whose beginning stands in the prompt, or before
/// `from`: at the first mark there that no mark before it opens and that is an
/// end by its place.
fn unopened(
    text: &str,
    lower: &str,
    from: usize,
    is_end: fn(&str, usize, usize) -> bool,
) -> Option<usize> {
    let rest = &lower[from..];
    let mut opened = Vec::new();
    let mut tag_end = None;
    for (at, tag) in tags(rest).take(MOST_MARKS) {
        let at = from + at;
        match tag.kind {
            Kind::Opening if !is_quoted(lower, at, tag.length) => opened.push((at, tag.name)),
            Kind::Closing => {
                let is_pair = opened
                    .iter()
                    .any(|&(open, name)| name == tag.name && pairs(&lower[from..at], open - from));
                if !is_pair && is_end(text, at, tag.length) {
                    tag_end = Some(at + tag.length);
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
        Some(from + at + mark.len())
    });
    marks.chain(tag_end).min()
}

#[cfg(test)]
mod tests;
