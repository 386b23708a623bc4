//! What opens a thought, and what ends it.

use super::place::is_quoted;

/// Names of tags around thoughts, with `_` for what parts their words.
pub(super) const SURE: &[&str] = &[
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "scratchpad",
    "scratch_pad",
    "antthinking",
    "longcat_think",
    "deep_think",
    "reasoning_content",
    "reasoning_process",
    "thought_process",
    "thinking_process",
    "chain_of_thought",
    "inner_monologue",
    "internal_monologue",
    "inner_thought",
    "inner_thoughts",
    "internal_thoughts",
    "internal_reasoning",
    "思考",
    "思考过程",
];

/// Names of tags around thoughts or around parts of an answer.
pub(super) const DOUBTFUL: &[&str] = &[
    "analysis",
    "cot",
    "deliberation",
    "monologue",
    "reason",
    "reflection",
    "self_reflection",
    "thinking_mode",
];

/// Other marks around thoughts whose end stands alone where the prompt opens
/// them.
pub(super) const ENDS: &[(&str, &str)] = &[
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("[think]", "[/think]"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
];

/// Other marks around thoughts.
const MARKS: &[(&str, &str)] = &[("<details type=\"reasoning\"", "</details>")];

/// Words around thoughts: where the second ones are missing, and more stands on the
/// line of the first ones, they are prose.
const WORDS: (&str, &str) = ("here is my thought process:", "here is my response:");

/// The summaries of folded blocks that hold a thought; the time that it took may
/// follow.
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
const ANSWERS: &[(&str, &str)] = &[
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|start_response|>", "<|end_response|>"),
    ("<answer>", "</answer>"),
    ("<final_answer>", "</final_answer>"),
    ("<response>", "</response>"),
    ("<output>", "</output>"),
    ("<reply>", "</reply>"),
];

/// What stands around the name of a tag.
const BRACKETS: &[(&str, &str)] = &[
    ("<|", "|>"),
    ("<｜", "｜>"),
    ("<", ">"),
    ("&lt;", "&gt;"),
    ("◁", "▷"),
];

/// Square ones are as often stage directions, as `[thinking] Well …`.
const SQUARE: (&str, &str) = ("[", "]");

/// How long the attributes of a tag may be, in bytes: what is longer is text.
const MOST_ATTRIBUTES: usize = 500;

/// Words before the name in a tag, beside `/`.
const BEGINS: &[&str] = &["begin_of_", "start_of_", "begin_", "start_"];
const CLOSES: &[&str] = &["end_of_", "end_"];

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Opening,
    Closing,
    /// An element of nothing.
    Empty,
}

pub(super) struct Tag<'a> {
    pub kind: Kind,
    pub name: &'a str,
    pub length: usize,
}

/// Returns the tag of such a name that a text in lower case begins with; it may
/// be escaped, as `&lt;think&gt;`, and have a namespace, attributes and white
/// space.
fn tag<'a>(lower: &str, names: &[&'a str]) -> Option<Tag<'a>> {
    let mut brackets = BRACKETS.iter();
    brackets.find_map(|&it| bracketed(lower, it, names))
}

fn bracketed<'a>(lower: &str, (open, end): (&str, &str), names: &[&'a str]) -> Option<Tag<'a>> {
    let inside = lower.strip_prefix(open)?.trim_start_matches(' ');
    let behind = |words: &[&str]| words.iter().find_map(|it| inside.strip_prefix(it));
    let is_token = open.len() > 1 && open.starts_with('<');
    let closed = inside
        .strip_prefix('/')
        .map(|it| it.trim_start_matches(' '));
    let closed = closed.or_else(|| behind(CLOSES).filter(|_| is_token));
    let begun = behind(BEGINS).filter(|_| is_token);
    let is_closing = closed.is_some();
    let inside = closed.or(begun).unwrap_or(inside);
    let ends = |rest: &str| {
        rest.starts_with(end) || rest.starts_with(|c: char| c == '/' || c.is_whitespace())
    };
    let local = without_namespace(inside);
    // The longest, for one is the beginning of another.
    let named = names.iter().filter_map(|name| {
        let rest = after_name(local, name)?;
        ends(rest).then_some((*name, rest))
    });
    let (name, rest) = named.max_by_key(|(name, _)| name.len())?;
    let near = &rest[..rest.floor_char_boundary(MOST_ATTRIBUTES)];
    let line = near.lines().next().unwrap_or_default();
    let at = line.find(end)?;
    let within = line[..at].trim();
    let kind = match (is_closing, within) {
        (true, "") => Kind::Closing,
        (true, _) => return None,
        (false, it) if it.ends_with('/') => Kind::Empty,
        _ => Kind::Opening,
    };
    let length = lower.len() - rest.len() + at + end.len();
    Some(Tag { kind, name, length })
}

/// Returns a tag's inside behind a namespace, as `seed:`.
fn without_namespace(inside: &str) -> &str {
    let end = inside.find(|c| !is_of_name(c)).unwrap_or_default();
    match inside[end..].strip_prefix(':') {
        Some(local) if end > 0 => local,
        _ => inside,
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Returns what follows a name, whose words may be parted by `_`, `-` or a space.
fn after_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    for c in name.chars() {
        rest = match c {
            '_' => rest.strip_prefix(['_', '-', ' '])?,
            c => rest.strip_prefix(c)?,
        };
    }
    Some(rest)
}

/// Returns the tags of sure names in a text in lower case, and where they stand.
pub(super) fn tags(lower: &str) -> impl Iterator<Item = (usize, Tag<'static>)> {
    let places = lower.match_indices(['<', '&', '◁']);
    places.filter_map(move |(at, _)| Some((at, tag(&lower[at..], SURE)?)))
}

/// What opens a thought.
pub(super) struct Opening {
    /// Its length.
    pub length: usize,
    /// Whether ordinary text opens so, too.
    pub is_doubtful: bool,
    close: Close,
}

/// What closes a thought.
enum Close {
    /// It holds nothing.
    AtOnce,
    Mark(&'static str),
    /// A tag of that name, or of another sure one.
    Tag(&'static str),
    /// A tag of that name, in such brackets.
    Own(&'static str, (&'static str, &'static str)),
    /// A fence of at least so many of that character.
    Fence(char, usize),
}

/// Returns what opens a thought at the beginning of a text in lower case.
pub(super) fn opening(lower: &str) -> Option<Opening> {
    let sure = |length, close| {
        Some(Opening {
            length,
            is_doubtful: false,
            close,
        })
    };
    let mut marks = ENDS.iter().chain(MARKS);
    if let Some(mark) = marks.find(|mark| lower.starts_with(mark.0)) {
        return sure(mark.0.len(), Close::Mark(mark.1));
    }
    let (words, end) = WORDS;
    if let Some(rest) = lower.strip_prefix(words)
        && (rest.contains(end) || rest.trim_start_matches(' ').starts_with('\n'))
    {
        return sure(words.len(), Close::Mark(end));
    }
    if let Some(length) = folded(lower) {
        return sure(length, Close::Mark("</details>"));
    }
    if let Some(fence) = fence(lower) {
        return Some(fence);
    }
    if let Some(tag) = tag(lower, SURE) {
        return match tag.kind {
            Kind::Opening => sure(tag.length, Close::Tag(tag.name)),
            Kind::Empty => sure(tag.length, Close::AtOnce),
            Kind::Closing => None,
        };
    }
    let doubtful = BRACKETS.iter().map(|it| (*it, DOUBTFUL));
    let mut doubtful = doubtful.chain([(SQUARE, SURE), (SQUARE, DOUBTFUL)]);
    doubtful.find_map(|(brackets, names)| {
        let tag = bracketed(lower, brackets, names)?;
        (tag.kind == Kind::Opening).then_some(Opening {
            length: tag.length,
            is_doubtful: true,
            close: Close::Own(tag.name, brackets),
        })
    })
}

/// Returns the opening of listed code, between fences, whose language is a word
/// for thoughts.
pub(super) fn fence(lower: &str) -> Option<Opening> {
    let mark = lower.chars().next().filter(|it| matches!(it, '`' | '~'))?;
    let line = lower.lines().next()?;
    let language = line.trim_start_matches(mark);
    let count = line.len() - language.len();
    let is = |names: &[&str]| {
        let mut rests = names
            .iter()
            .filter_map(|it| after_name(language.trim(), it));
        rests.any(str::is_empty)
    };
    let is_sure = is(SURE);
    (count >= 3 && (is_sure || is(DOUBTFUL))).then_some(Opening {
        length: line.len(),
        is_doubtful: !is_sure,
        close: Close::Fence(mark, count),
    })
}

impl Opening {
    /// Returns where the thought ends that this opens in a text in lower case.
    pub(super) fn end(&self, lower: &str) -> Option<usize> {
        let from = self.length;
        let rest = &lower[from..];
        let is_end = |&(at, length): &(usize, usize)| !is_quoted(lower, at, length);
        let found = match self.close {
            Close::AtOnce => return Some(from),
            Close::Mark(closing) => {
                let mut ends = rest.match_indices(closing);
                ends.find_map(|(at, mark)| Some((from + at, mark.len())).filter(is_end))
            }
            Close::Tag(name) => {
                let closings = || {
                    tags(rest)
                        .filter(|(_, it)| it.kind == Kind::Closing)
                        .map(|(at, it)| (it.name, (from + at, it.length)))
                        .filter(|(_, it)| is_end(it))
                };
                // Some models end one with another's name.
                let own = closings().find(|(it, _)| *it == name);
                own.or_else(|| closings().next()).map(|(_, it)| it)
            }
            Close::Own(name, brackets) => {
                let mut places = rest.match_indices(brackets.0);
                places.find_map(|(at, _)| {
                    let tag = bracketed(&rest[at..], brackets, &[name])?;
                    let end = (from + at, tag.length);
                    (tag.kind == Kind::Closing && is_end(&end)).then_some(end)
                })
            }
            Close::Fence(mark, count) => return Some(from + fence_end(rest, mark, count)?),
        };
        found.map(|(at, length)| at + length)
    }
}

/// Returns where listed code ends: behind the fence that closes it, whatever is
/// listed in it in turn; where none does, behind the first that may.
fn fence_end(rest: &str, mark: char, count: usize) -> Option<usize> {
    let mut depth = 1;
    let mut first = None;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        let language = line.trim().trim_start_matches(mark);
        if line.trim().len() - language.len() < count {
            continue;
        }
        if language.is_empty() {
            first = first.or(Some(at));
            depth -= 1;
        } else if !language.contains(mark) {
            depth += 1;
        }
        if depth == 0 {
            return Some(at);
        }
    }
    first
}

/// Returns where the summary of a folded block stands that holds a thought.
fn folded(lower: &str) -> Option<usize> {
    let rest = lower.strip_prefix("<details")?;
    let (_, rest) = rest.split_once('>')?;
    let rest = rest.trim_start().strip_prefix("<summary>")?;
    let summary = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '<');
    let summary = summary.split(['<', '\n']).next().unwrap_or_default();
    let mut after = SUMMARIES.iter().filter_map(|it| summary.strip_prefix(it));
    let is_thought = after.any(|it| {
        let has_time = it.trim_start().starts_with("for ") && it.contains(char::is_numeric);
        has_time || !it.contains(char::is_alphanumeric)
    });
    is_thought.then(|| lower.len() - rest.len())
}

/// Whether a text in lower case begins with the mark of an answer.
pub(super) fn answer_opens(lower: &str) -> bool {
    ANSWERS.iter().any(|mark| lower.starts_with(mark.0))
}

/// Returns what stands between the marks of an answer, where these are all
/// around it.
pub(super) fn unwrapped(text: &str) -> &str {
    let trimmed = text.trim();
    let lower = trimmed.to_ascii_lowercase();
    for (opening, closing) in ANSWERS {
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
