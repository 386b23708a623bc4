//! Tags that models put around their thoughts: the words that name them, and
//! their brackets.

/// Words for thoughts.
pub(crate) const THOUGHTS: &[&str] = &[
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "scratchpad",
    "scratch",
    "antthinking",
    "思考",
    "思考过程",
];

/// Those of the words for thoughts that are as often the name of an ordinary element
/// or language, unless there is another word next to them.
const ORDINARY: &[&str] = &["thought", "thoughts", "reasoning", "scratch"];

/// Words for thoughts, or for parts of an answer.
const PARTS: &[&str] = &[
    "analyse",
    "analysis",
    "analyze",
    "cot",
    "deliberation",
    "introspection",
    "monologue",
    "plan",
    "planning",
    "rationale",
    "reason",
    "reflection",
];

/// Words that, next to one of the above, make a name one for thoughts.
const INNER: &[&str] = &["inner", "internal", "private", "hidden", "deep", "longcat"];

/// Words that change nothing next to one of the above.
const NEUTRAL: &[&str] = &[
    "and", "block", "by", "chain", "of", "phase", "process", "section", "step", "steps", "trace",
];

/// Words that change nothing next to a word for thoughts. Next to others they name
/// parts of an answer, as in `<text_analysis>`.
const OF_THOUGHTS: &[&str] = &["content", "model", "my", "notes", "pad", "text"];

/// Words that, next to one of the above, make a name one for parts of an answer.
const PART_OF: &[&str] = &["mode", "self"];

/// What encloses the name of a tag.
type Brackets = (&'static str, &'static str);

const BRACKETS: &[Brackets] = &[
    ("<|", "|>"),
    ("<｜", "｜>"),
    ("<", ">"),
    ("&lt;", "&gt;"),
    ("◁", "▷"),
    ("＜", "＞"),
    // Escaped for Markdown.
    ("\\<", "\\>"),
    ("\\<", ">"),
    SQUARE,
];

/// Square brackets are as often stage directions: `[thinking] Well …`.
const SQUARE: Brackets = ("[", "]");

/// Brackets of special tokens, which no ordinary element has.
const SPECIAL: [Brackets; 3] = [("<|", "|>"), ("<｜", "｜>"), ("◁", "▷")];

/// Most bytes inside a tag; what is longer is text.
const MOST_INSIDE: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Opening,
    Closing,
    /// An empty element.
    Empty,
}

#[derive(Debug)]
pub(crate) struct Tag {
    pub kind: Kind,
    /// Its words, except those that say whether it opens or closes.
    pub name: String,
    pub length: usize,
    /// Whether ordinary text also has such tags.
    pub is_doubtful: bool,
    /// Whether it is only for thoughts if it is not opened, or is inside a text.
    pub is_for_thoughts: bool,
    pub brackets: Brackets,
}

/// Returns the tag for thoughts that a text in lower case begins with. It may be
/// escaped (`&lt;think&gt;`), and have a namespace, attributes and white space.
pub(crate) fn tag(lower: &str) -> Option<Tag> {
    BRACKETS.iter().find_map(|&it| bracketed(lower, it))
}

fn bracketed(lower: &str, brackets: Brackets) -> Option<Tag> {
    let (open, end) = brackets;
    let rest = lower.strip_prefix(open)?;
    let near = &rest[..rest.floor_char_boundary(MOST_INSIDE)];
    // A tag has no other inside.
    let near = near.split_once(open).map_or(near, |it| it.0);
    let whole = &near[..near.find(end)?];
    let inside = whole.trim();
    let (inside, is_slashed) = match inside.strip_prefix(['/', '／']) {
        Some(inside) => (inside.trim_start(), true),
        None => (inside, false),
    };
    let (inside, is_empty) = match inside.strip_suffix('/') {
        Some(inside) if !is_slashed => (inside.trim_end(), true),
        _ => (inside, false),
    };
    let mut words = words(inside)?;
    let side = side(&mut words);
    let (is_begun, is_ended) = (side == Some(Kind::Opening), side == Some(Kind::Closing));
    let sense = Sense::of(&words)?;
    let has_braces = has_braces(inside);
    let is_written = brackets != SQUARE || is_begun || is_ended;
    let is_special = is_begun || is_ended || SPECIAL.contains(&brackets);
    Some(Tag {
        kind: match (is_slashed || is_ended, is_empty) {
            (true, _) => Kind::Closing,
            (false, true) => Kind::Empty,
            (false, false) => Kind::Opening,
        },
        name: words.join("_"),
        length: open.len() + whole.len() + end.len(),
        is_doubtful: match sense {
            // A component of a page.
            _ if has_braces => true,
            Sense::Thought => !is_written,
            Sense::Ordinary => !is_special,
            Sense::Part => true,
        },
        is_for_thoughts: sense != Sense::Part && is_written,
        brackets,
    })
}

/// Removes the words that say whether a tag opens or closes, as in `end_of_thought`,
/// `think_start` and `startofthink`, and returns what they say.
fn side(words: &mut Vec<&str>) -> Option<Kind> {
    const SIDES: [(&str, Kind); 3] = [
        ("begin", Kind::Opening),
        ("start", Kind::Opening),
        ("end", Kind::Closing),
    ];
    for (word, kind) in SIDES {
        if words[0] == word {
            let n_before = 1 + usize::from(words.get(1) == Some(&"of"));
            words.drain(..n_before);
            return Some(kind);
        }
        if words.len() > 1 && words.last() == Some(&word) {
            words.pop();
            return Some(kind);
        }
        let joined = words[0].strip_prefix(word);
        if let Some(name) = joined.and_then(|it| it.strip_prefix("of")) {
            words[0] = name;
            return Some(kind);
        }
    }
    None
}

/// Returns the words of a tag's name, without a namespace (`seed:`) and attributes;
/// `None` if it is not a name.
fn words(inside: &str) -> Option<Vec<&str>> {
    let name = match inside.find(['=', '{']) {
        Some(at) if inside[at..].starts_with('{') => {
            let name = inside[..at].trim_end();
            has_braces(inside).then_some(name)?
        }
        // Attributes begin with the word before the first `=`.
        Some(at) => {
            let before = inside[..at].trim_end();
            before.rsplit_once(char::is_whitespace)?.0.trim_end()
        }
        None => inside,
    };
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '▁' | ' ');
    let local = match name.split_once(':') {
        Some((space, local)) if !space.is_empty() && !space.contains(' ') => local,
        _ => name,
    };
    if !name.replacen(':', "", 1).chars().all(is_of_name) {
        return None;
    }
    let words: Vec<&str> = local
        .split(['_', '-', ' ', '▁'])
        .filter(|word| !word.is_empty())
        .collect();
    (!words.is_empty()).then_some(words)
}

/// Whether a tag's inside ends with attributes in braces: `Think {...props}`.
fn has_braces(inside: &str) -> bool {
    inside.ends_with('}')
}

/// The meaning of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Thought,
    /// A thought, or an ordinary element of that name.
    Ordinary,
    /// A thought or a part of an answer.
    Part,
}

impl Sense {
    fn of(words: &[&str]) -> Option<Self> {
        let has = |names: &[&str]| words.iter().any(|it| names.contains(it));
        let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
        let all = [THOUGHTS, PARTS, INNER, NEUTRAL, OF_THOUGHTS, PART_OF];
        let is_known = |word: &&str| is_number(word) || all.iter().any(|it| it.contains(word));
        if !words.iter().all(is_known) {
            return None;
        }
        match (has(THOUGHTS), has(PARTS)) {
            (true, false) if !has(PART_OF) => Some(match words {
                [word, numbers @ ..]
                    if ORDINARY.contains(word) && numbers.iter().all(|it| is_number(it)) =>
                {
                    Self::Ordinary
                }
                _ => Self::Thought,
            }),
            (_, true) if has(INNER) => Some(Self::Thought),
            (false, false) => None,
            (false, true) if has(OF_THOUGHTS) => None,
            _ => Some(Self::Part),
        }
    }
}

/// Returns whether a name is only for thoughts, or also for parts of an answer;
/// `None` for any other name.
pub(crate) fn is_sure(name: &str) -> Option<bool> {
    Some(Sense::of(&words(name)?)? == Sense::Thought)
}

/// Returns the tags only for thoughts in a text in lower case, with their places.
pub(crate) fn tags(lower: &str) -> impl Iterator<Item = (usize, Tag)> {
    let places = lower.match_indices(['<', '&', '◁', '＜', '\\', '[']);
    apart(places.filter_map(move |(at, _)| {
        let tag = tag(&lower[at..]).filter(|it| it.is_for_thoughts)?;
        Some((at, tag))
    }))
}

/// Returns the tags of a name in such brackets in a text in lower case, with their
/// places.
pub(crate) fn named<'a>(
    lower: &'a str,
    name: &'a str,
    brackets: Brackets,
) -> impl Iterator<Item = (usize, Tag)> + 'a {
    let places = lower.match_indices(brackets.0);
    apart(places.filter_map(move |(at, _)| {
        let tag = bracketed(&lower[at..], brackets).filter(|it| it.name == name)?;
        Some((at, tag))
    }))
}

/// Returns the tags that are not inside the one before, in its attributes.
fn apart(tags: impl Iterator<Item = (usize, Tag)>) -> impl Iterator<Item = (usize, Tag)> {
    let mut end = 0;
    tags.filter(move |(at, tag)| {
        let is_apart = *at >= end;
        if is_apart {
            end = at + tag.length;
        }
        is_apart
    })
}
