//! Which part of a reply is the answer, and which is thought.
//!
//! Servers that do not part the two leave thoughts in the text, between marks
//! of the model's own. Position decides: a thought stands at the beginning,
//! behind special tokens and the speaker's name at most. A block that opens
//! there is removed up to its end, or wholly where it has none; where only an
//! end is left of it (chat templates that open the block themselves), all before
//! that end is removed, if it stands as the end of a block and not quoted within
//! a sentence. Marks further on are text, and [`is_doubtful`] tells of them.

/// Names of XML-like tags around thoughts.
const TAGS: &[&str] = &[
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "scratchpad",
    "antthinking",
    "seed:think",
    "longcat_think",
    "reasoning_content",
    "reasoning_process",
    "thought_process",
    "thinking_process",
    "thinking process",
    "chain_of_thought",
    "inner_monologue",
];

/// Names of tags that stand around thoughts or around parts of an answer.
const DOUBTFUL_TAGS: &[&str] = &[
    "analysis",
    "cot",
    "monologue",
    "reason",
    "reflection",
    "thinking_mode",
];

/// Marks around thoughts whose end stands alone where the prompt opens them.
const ENDS: &[(&str, &str)] = &[
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|think|>", "<|/think|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
];

/// Other marks around thoughts.
const MARKS: &[(&str, &str)] = &[
    ("<details type=\"reasoning\"", "</details>"),
    ("here is my thought process:", "here is my response:"),
];

/// How the summary of a folded block begins that holds a thought.
const SUMMARIES: &[&str] = &["thought", "thinking", "reasoning", "chain of thought"];

/// Marks around an answer that follows a thought.
const ANSWERS: &[(&str, &str)] = &[
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|start_response|>", "<|end_response|>"),
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<output>", "</output>"),
];

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
    loop {
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
}

/// Whether an answer, as [`said`] returns it, may still hold a thought: a mark
/// that is not quoted, or a beginning that only some models give their thoughts.
pub fn is_doubtful(answer: &str) -> bool {
    let lower = answer.to_ascii_lowercase();
    let is_plain = |&(at, length): &(usize, usize)| !is_quoted(&lower, at, length);
    let mut tags = tags(&lower, TAGS).map(|(at, tag)| (at, tag.length));
    let mut marks = ENDS
        .iter()
        .flat_map(|mark| [mark.0, mark.1])
        .flat_map(|mark| lower.match_indices(mark).map(|(at, it)| (at, it.len())));
    let first = &lower[lead(&lower)..];
    let heading = first.trim_start_matches(['*', '#', '>', '_', ' ', '`', '\n']);
    let after = [
        "thinking",
        "reasoning",
        "thought process",
        "chain of thought",
    ]
    .iter()
    .find_map(|name| heading.strip_prefix(name));
    let is_heading = after.is_some_and(|it| {
        let it = it.trim_start_matches(['*', '_', ' ']);
        it.starts_with([':', '\n'])
    });
    is_heading
        || tag(first, DOUBTFUL_TAGS).is_some_and(|it| it.kind == Kind::Opening)
        || tags.any(|it| is_plain(&it))
        || marks.any(|it| is_plain(&it))
}

/// Returns the length of what says nothing at the beginning of a text in lower
/// case: white space, invisible characters, special tokens, the speaker's name.
fn lead(lower: &str) -> usize {
    const TOKENS: &[&str] = &[
        "<s>",
        "</s>",
        "<bos>",
        "<start_of_turn>",
        "<end_of_turn>",
        "[/inst]",
    ];
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let mut rest = lower.trim_start_matches(blank);
    let mut after_token = false;
    loop {
        let is_channel = rest.starts_with("<|channel|>") || rest.starts_with("<|start|>");
        if is_channel || opening(rest).is_some() || answer_opens(rest) {
            break;
        }
        let token = TOKENS.iter().find_map(|it| rest.strip_prefix(it));
        let behind = if let Some(behind) = token.or_else(|| special(rest)) {
            after_token = true;
            behind
        } else if let Some(behind) = speaker(rest, after_token) {
            after_token = false;
            behind
        } else {
            break;
        };
        rest = behind.trim_start_matches(blank);
    }
    lower.len() - rest.len()
}

fn answer_opens(lower: &str) -> bool {
    ANSWERS.iter().any(|mark| lower.starts_with(mark.0))
}

/// Returns what follows a special token, as `<|im_start|>`.
fn special(lower: &str) -> Option<&str> {
    let (inside, end) = if let Some(inside) = lower.strip_prefix("<|") {
        (inside, "|>")
    } else {
        (lower.strip_prefix("<｜")?, "｜>")
    };
    let (name, behind) = inside.split_once(end)?;
    let is_name = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '▁'));
    (is_name && name.len() < 40).then_some(behind)
}

/// Returns what follows the name of the speaker, with a colon or behind a token.
fn speaker(lower: &str, after_token: bool) -> Option<&str> {
    let name = lower.trim_start_matches(['*', '#', ' ']);
    let names = ["assistant", "model", "ai", "bot", "gpt"];
    let behind = names.iter().find_map(|it| name.strip_prefix(it))?;
    let behind = behind.trim_start_matches('*');
    if let Some(behind) = behind.strip_prefix(':') {
        return Some(behind.trim_start_matches('*'));
    }
    let is_alone = after_token && behind.starts_with(|c: char| c.is_whitespace() || c == '<');
    let is_line = behind.starts_with(['\n', '\r']);
    (is_alone || is_line).then_some(behind)
}

/// Whether a character shows nothing: marks of width, direction and joining.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Opening,
    Closing,
    /// An element of nothing.
    Empty,
}

struct Tag<'a> {
    kind: Kind,
    name: &'a str,
    length: usize,
}

/// Returns the tag of such a name that a text in lower case begins with; it may
/// be escaped, as `&lt;think&gt;`, and have attributes and white space.
fn tag<'a>(lower: &str, names: &[&'a str]) -> Option<Tag<'a>> {
    let (inside, end) = match lower.strip_prefix('<') {
        Some(inside) => (inside, ">"),
        None => (lower.strip_prefix("&lt;")?, "&gt;"),
    };
    let inside = inside.trim_start_matches(' ');
    let (is_closing, inside) = match inside.strip_prefix('/') {
        Some(inside) => (true, inside.trim_start_matches(' ')),
        None => (false, inside),
    };
    let ends = |rest: &str| {
        rest.starts_with(end) || rest.starts_with(|c: char| c == '/' || c.is_whitespace())
    };
    // The longest, for one holds a space.
    let named = names.iter().filter_map(|name| {
        let rest = inside.strip_prefix(name)?;
        ends(rest).then_some((*name, rest))
    });
    let (name, rest) = named.max_by_key(|(name, _)| name.len())?;
    let line = rest.lines().next().unwrap_or_default();
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

/// Returns the tags of such names in a text in lower case, and where they stand.
fn tags<'a>(lower: &str, names: &'a [&'a str]) -> impl Iterator<Item = (usize, Tag<'a>)> {
    let places = lower.match_indices(['<', '&']);
    places.filter_map(move |(at, _)| Some((at, tag(&lower[at..], names)?)))
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
    let is_end = |&(at, length): &(usize, usize)| !is_quoted(lower, at, length);
    let end = match opening {
        Opening::Empty(length) => return Block::Ended(length),
        Opening::Mark(from, closing) => {
            let mut ends = lower[from..].match_indices(closing);
            ends.find_map(|(at, mark)| Some((from + at, mark.len())).filter(is_end))
        }
        Opening::Tag(from, name) => {
            let closings = || {
                tags(&lower[from..], TAGS)
                    .filter(|(_, it)| it.kind == Kind::Closing)
                    .map(|(at, it)| (it.name, (from + at, it.length)))
                    .filter(|(_, it)| is_end(it))
            };
            // Some models end one with another's name.
            let own = closings().find(|(it, _)| *it == name);
            own.or_else(|| closings().next()).map(|(_, it)| it)
        }
    };
    end.map_or(Block::Cut, |(at, length)| Block::Ended(at + length))
}

/// What opens a thought: its length, and what ends it.
enum Opening {
    Empty(usize),
    Mark(usize, &'static str),
    Tag(usize, &'static str),
}

fn opening(lower: &str) -> Option<Opening> {
    let mut marks = ENDS.iter().chain(MARKS);
    if let Some(mark) = marks.find(|mark| lower.starts_with(mark.0)) {
        return Some(Opening::Mark(mark.0.len(), mark.1));
    }
    if let Some(length) = folded(lower) {
        return Some(Opening::Mark(length, "</details>"));
    }
    let tag = tag(lower, TAGS)?;
    match tag.kind {
        Kind::Opening => Some(Opening::Tag(tag.length, tag.name)),
        Kind::Empty => Some(Opening::Empty(tag.length)),
        Kind::Closing => None,
    }
}

/// Returns where the summary of a folded block stands that holds a thought.
fn folded(lower: &str) -> Option<usize> {
    let rest = lower.strip_prefix("<details")?;
    let (_, rest) = rest.split_once('>')?;
    let rest = rest.trim_start().strip_prefix("<summary>")?;
    let summary = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '<');
    let is_thought = SUMMARIES.iter().any(|it| summary.starts_with(it));
    is_thought.then(|| lower.len() - rest.len())
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
    for (at, tag) in tags(rest, TAGS) {
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
        let mut ends = rest.match_indices(closing);
        let (at, mark) = ends.find(|&(at, mark)| {
            !rest[..at].contains(opening) && is_end(text, from + at, mark.len())
        })?;
        Some(from + at + mark.len())
    });
    marks.chain(tag_end).min()
}

/// Whether a tag opens what ends behind `before`: it begins its line, but for
/// the mark of a list, or stands on the same one. Else a sentence mentions it.
fn pairs(before: &str, open: usize) -> bool {
    let line = before[..open].rsplit('\n').next().unwrap_or_default();
    let begins_line = line.chars().all(|c| !c.is_alphanumeric());
    begins_line || !before[open..].contains('\n')
}

/// Whether a mark stands as the end of a block: on a line's border or after a
/// sentence, not quoted, not in the middle of one, not in listed code.
fn ends_block(text: &str, at: usize, length: usize) -> bool {
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
fn is_wedged(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    let ends = |c: char| c.is_alphanumeric() || matches!(c, '.' | '!' | '?' | '…' | '。');
    before.is_some_and(ends)
        && after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '*' | '#'))
        && text[..at].matches("```").count().is_multiple_of(2)
}

/// Whether a mark stands between quotation marks.
fn is_quoted(text: &str, at: usize, length: usize) -> bool {
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

/// Returns the final channel of a text in gpt-oss' format, with its special
/// tokens or without; none of another text.
fn channels<'a>(text: &'a str, lower: &str) -> Option<&'a str> {
    const FINAL: &str = "<|channel|>final";
    const MESSAGE: &str = "<|message|>";
    const BARE: &str = "assistantfinal";
    if lower.starts_with("<|channel|>") || lower.starts_with("<|start|>") {
        let answer = lower.rfind(FINAL).and_then(|at| {
            let from = at + lower[at..].find(MESSAGE)? + MESSAGE.len();
            let ends = ["<|return|>", "<|end|>", "<|call|>", "<|start|>"];
            let ends = ends.iter().filter_map(|mark| lower[from..].find(mark));
            Some(&text[from..from + ends.min().unwrap_or(text.len() - from)])
        });
        return Some(answer.unwrap_or_default());
    }
    // A word that runs into the next, as `analysisThe`, is no word.
    let rest = text.strip_prefix("analysis")?;
    if !rest.starts_with(|c: char| c.is_uppercase()) {
        return None;
    }
    let from = lower.rfind(BARE).map(|at| at + BARE.len());
    Some(from.map_or("", |from| &text[from..]))
}

/// Returns what stands between the marks of an answer, where these are all
/// around it.
fn unwrapped(text: &str) -> &str {
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

#[cfg(test)]
mod tests;
