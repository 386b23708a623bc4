//! Divides a reply into thoughts and answer.

use crate::channels::channels;
use crate::end::without_end;
use crate::marks::{
    ANSWERS, ENDS, End, MOST_MARKS, answer_opens, is_cut_opening, opening, unwrapped,
};
use crate::place::{Text, is_quoted};
use crate::tag::{Kind, tags};
use crate::template_prefix::opened;
use crate::thought_prefix::{prefix_length, unlabelled};

/// Words that end a thought although they run into its last word and the answer's first:
/// gpt-oss' format without its special tokens, if the prompt begins the thought.
const WEDGED: &[&str] = &["assistantfinal"];

/// If a mark is also one for parts of an answer, it is a thought's only if at least this
/// many characters follow the element: a plan may have a closing remark.
const LEAST_ANSWER: usize = 40;

/// Most thoughts in a row: no answer follows more.
const MOST_THOUGHTS: usize = 100;

/// A reply's text, divided into thoughts and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parted<'a> {
    /// The text without the thoughts before it and the special tokens around it, with
    /// its white space.
    pub answer: &'a str,
    /// Whether a thought that is not empty was removed.
    pub has_thought: bool,
    /// Whether a special token was removed from the beginning or end.
    pub has_tokens: bool,
}

/// Divides a reply's text into thoughts and answer.
pub fn parted(content: &str) -> Parted<'_> {
    let whole = content;
    let content = without_tokens(content);
    let text = Text::new(content);
    let lower = &text.lower;
    let is_shorter = |text: &str, than: &str| text.trim().len() < than.trim().len();
    let parted = |text, has_thought| {
        let answer = without_tokens(text);
        Parted {
            answer,
            has_thought,
            has_tokens: is_shorter(content, whole) || is_shorter(answer, text),
        }
    };
    let mut at = prefix_length(lower);
    if let Some(found) = channels(&text, at) {
        let parted = parted(found.answer, found.has_thought);
        return Parted {
            has_tokens: parted.has_tokens || !found.has_thought,
            ..parted
        };
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
                None => {
                    return Parted {
                        answer: content,
                        has_thought: false,
                        has_tokens: is_shorter(content, whole),
                    };
                }
            },
            // The thought may have contained an end.
            (Block::None, Some(end)) => {
                let Some((_, end)) = unopened(&text, end, Text::is_wedged) else {
                    let parted = parted(unlabelled(&content[end..]), has_thought);
                    return Parted {
                        answer: unwrapped(parted.answer),
                        ..parted
                    };
                };
                end
            }
        };
        thought = Some(end);
        at = end + prefix_length(&lower[end..]);
    }
    parted("", true)
}

/// Returns a text without the special tokens around it.
fn without_tokens(text: &str) -> &str {
    // The beginning comes first: a token at the end tells whether one there is a token.
    without_end(opened(text).map_or(text, |range| &text[range]))
}

/// Returns the marks of answers that only follow thoughts.
pub(crate) fn sure_answers() -> impl Iterator<Item = &'static str> {
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
        at += prefix_length(&text.lower[at..]);
        let rest = &text.lower[at..];
        let Some(opening) = opening(rest) else {
            let mut start = rest.chars();
            let is_element = start.next() == Some('<')
                && start.next().is_some_and(|it| it.is_ascii_alphabetic());
            let is_long = rest.trim().chars().count() >= LEAST_ANSWER;
            return answer_opens(rest) || (is_long && !is_element);
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
/// `from`: the first one that no earlier mark opens and that `is_end` accepts.
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
