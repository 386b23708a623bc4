//! Whether an answer may still contain a thought.

use crate::begin::begins_with_token;
use crate::end::ends_with_token;
use crate::marks::{ENDS, fence, opening};
use crate::pairs::partner;
use crate::place::is_quoted;
use crate::reply::sure_answers;
use crate::tag::tags;
use crate::thought_prefix::{behind_token, prefix_length};
use crate::turn::has_turn;

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
    "here is my thought process",
    "chain of thought",
    "inner monologue",
    "internal monologue",
];

/// Parts of names that have to do with thought.
const STEMS: &[&str] = &[
    "think",
    "thought",
    "reason",
    "reflect",
    "ponder",
    "deliberat",
    "brainstorm",
    "monologue",
    "scratch",
    "internal",
    "denken",
    "pensée",
    "размышл",
    "推理",
    "思索",
    "思考",
];

/// The label of the assistant's turn.
const ASSISTANT: &str = "assistant:";

/// Whether an answer, as [`parted`](crate::parted) returns it, may still contain a
/// thought: it has a mark that is not quoted, or a beginning that some models give
/// their thoughts. A text with special tokens or the marks of further turns is doubtful,
/// too, and so is one that still begins with the assistant's name.
pub fn is_doubtful(answer: &str) -> bool {
    let lower = answer.to_ascii_lowercase();
    let is_plain = |&(at, length): &(usize, usize)| !is_quoted(&lower, at, length);
    let mut tags = tags(&lower).map(|(at, tag)| (at, tag.length));
    let mut marks = ENDS
        .iter()
        .flat_map(|mark| [mark.0, mark.1])
        .chain(sure_answers())
        .flat_map(|mark| lower.match_indices(mark).map(|(at, it)| (at, it.len())));
    let first = &lower[prefix_length(&lower)..];
    has_heading(first)
        || has_name(first)
        || opening(first).is_some_and(|it| it.is_doubtful)
        || lower.lines().any(|line| fence(line).is_some())
        || tags.any(|it| is_plain(&it))
        || marks.any(|it| is_plain(&it))
        || has_turn(&lower)
        || has_token(&lower)
        || begins_with_token(answer.trim_start())
        || begins_with_name(answer.trim_start())
        || ends_with_token(answer)
        || ends_with_cut_token(answer.trim_end())
}

/// Whether a text begins with the assistant's name, alone on its line or with a colon, as
/// the header of a turn does once its tokens are removed.
fn begins_with_name(text: &str) -> bool {
    let mut header = ["assistant", "model"]
        .iter()
        .filter_map(|it| text.strip_prefix(it));
    let is_label = text
        .get(..ASSISTANT.len())
        .is_some_and(|it| it.eq_ignore_ascii_case(ASSISTANT));
    header.any(|it| it.starts_with(['\n', '\r'])) || is_label
}

/// Whether a text in lower case has a special token that is neither quoted nor HTML's.
fn has_token(lower: &str) -> bool {
    let is_closed = partner(lower, "<s>", 0).is_some();
    lower.match_indices(['<', '[']).any(|(at, _)| {
        let near = &lower[at..lower.floor_char_boundary(at + 60)];
        let is_element = near.starts_with("<s>") || (is_closed && near.starts_with("</s>"));
        let behind = behind_token(near).filter(|_| !is_element);
        behind.is_some_and(|it| !is_quoted(lower, at, near.len() - it.len()))
    })
}

/// Whether a text ends with the beginning of a special token, such as `<|im_en`.
fn ends_with_cut_token(text: &str) -> bool {
    let Some((_, name)) = text.rsplit_once("<|") else {
        return false;
    };
    let name = name.strip_suffix('|').unwrap_or(name);
    name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

/// Whether a text in lower case begins with the heading of a thought, or with the
/// time that one took.
fn has_heading(first: &str) -> bool {
    let heading = first.trim_start_matches(['*', '#', '>', '_', ' ', '`', '\n', '[', '(']);
    let after = HEADINGS.iter().filter_map(|it| heading.strip_prefix(it));
    let mut after = after.map(|it| it.trim_start_matches(['*', '_', ' ', '.', '…']));
    let line = heading.lines().next().unwrap_or_default();
    let time = ["thought for ", "reasoned for "];
    let mut time = time.iter().filter_map(|it| line.strip_prefix(it));
    after.any(|it| it.starts_with([':', '\n']))
        || time.any(|it| it.contains(char::is_numeric) || it.contains("second"))
}

/// Whether a text in lower case begins with a tag, in any brackets, whose name has to
/// do with thought.
fn has_name(first: &str) -> bool {
    const LONGEST: usize = 40;
    let inside = first.trim_start_matches(['<', '{', '[', '(', '|']);
    let is_tag = inside.len() < first.len();
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let name = inside.split(|c| !is_of_name(c)).next().unwrap_or_default();
    let is_closed = inside[name.len()..].starts_with(['>', '}', ']', ')', '|']);
    is_tag && is_closed && name.len() < LONGEST && STEMS.iter().any(|it| name.contains(it))
}
