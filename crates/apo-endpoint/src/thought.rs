//! Which part of a reply is the answer, and which is thought.
//!
//! Servers that do not part the two leave thoughts in the text, between marks
//! of the model's own. Position decides: a thought stands at the beginning. A
//! block that opens there is removed up to its end, or wholly where it has
//! none; where only an end is left of it (chat templates that open the block
//! themselves), all before that end is removed, if it stands as the end of a
//! block and not quoted within a sentence. Marks further on are text.

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
];

/// Other marks around thoughts.
const MARKS: &[(&str, &str)] = &[
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
    ("<details type=\"reasoning\"", "</details>"),
    ("here is my thought process:", "here is my response:"),
];

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
    let text = start(content);
    // Lower case of ASCII alone keeps every place where it is.
    let lower = text.to_ascii_lowercase();
    if let Some(answer) = channels(text, &lower) {
        return answer;
    }
    // Where the last thought ends, and where what follows it begins.
    let mut thought = None;
    let mut at = 0;
    loop {
        let end = match (block(&lower[at..]), thought) {
            (Block::None, Some(end)) => return unwrapped(&text[end..]),
            (Block::None, None) => match unopened(text, &lower) {
                Some(end) => end,
                None => return content,
            },
            (Block::Cut, _) => return "",
            (Block::Ended(length), _) => at + length,
        };
        thought = Some(end);
        at = text.len() - start(&text[end..]).len();
    }
}

/// Returns a text without the white space and byte-order mark that it begins with.
fn start(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}')
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
    let Some((opening, closing)) = opening(lower) else {
        return Block::None;
    };
    let ends = lower[opening..].match_indices(&closing);
    let mut ends = ends.map(|(at, mark)| (opening + at, mark.len()));
    match ends.find(|&(at, length)| !is_quoted(lower, at, length)) {
        Some((at, length)) => Block::Ended(at + length),
        None => Block::Cut,
    }
}

/// Returns the length of the mark that opens a thought, and the one that ends it.
fn opening(lower: &str) -> Option<(usize, String)> {
    let mark = MARKS.iter().find(|mark| lower.starts_with(mark.0));
    if let Some((opening, closing)) = mark {
        return Some((opening.len(), (*closing).to_owned()));
    }
    let rest = lower.strip_prefix('<')?;
    let name = TAGS.iter().find(|name| {
        let after = rest.strip_prefix(**name);
        after.is_some_and(|it| it.starts_with(|c: char| c == '>' || c.is_whitespace()))
    })?;
    let line = rest.lines().next().unwrap_or_default();
    let opening = 2 + line.find('>')?;
    Some((opening, format!("</{name}>")))
}

/// Returns where a thought ends whose beginning stands in the prompt.
fn unopened(text: &str, lower: &str) -> Option<usize> {
    let tags = TAGS
        .iter()
        .map(|name| (format!("<{name}"), format!("</{name}>")));
    let marks = MARKS[..7]
        .iter()
        .map(|mark| (mark.0.to_owned(), mark.1.to_owned()));
    let ends = tags.chain(marks).filter_map(|(opening, closing)| {
        let is_end = |&(at, mark): &(usize, &str)| {
            !lower[..at].contains(&opening) && ends_block(text, at, mark.len())
        };
        let (at, mark) = lower.match_indices(&closing).find(is_end)?;
        Some(at + mark.len())
    });
    ends.min()
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
    // As in "</think> is the tag that ends it".
    let goes_on = after.starts_with(blank) && rest.starts_with(char::is_lowercase);
    ends_line || ((after_sentence || begins_line) && !goes_on)
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
mod tests {
    use super::*;

    #[test]
    fn a_thought_at_the_beginning_is_no_answer() {
        for content in [
            "<think>\nThe user asks. Let me see.\n</think>\n\nWarm water.",
            "\u{feff} \n<think>a</think>Warm water.",
            "<think></think>Warm water.",
            "<think>\n\n</think>\n\nWarm water.",
            "<THINK>a</THINK>Warm water.",
            "<Think effort=\"high\">a</think>Warm water.",
            "<thinking>a</thinking> Warm water.",
            "<thought>a</thought>\nWarm water.",
            "<thoughts>a</thoughts>\nWarm water.",
            "<reasoning>a</reasoning>\nWarm water.",
            "<scratchpad>a</scratchpad>\nWarm water.",
            "<seed:think>a</seed:think>Warm water.",
            "<|begin_of_thought|>\n\na\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nWarm water.\n\n<|end_of_solution|>",
            "<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>Warm water.",
            "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Warm water.<|END_RESPONSE|>",
            "[THINK]a[/THINK]Warm water.",
            "◁think▷a◁/think▷Warm water.",
            "<|channel>thought\na<channel|>Warm water.",
            "<unused94>thought\na<unused95>Warm water.",
            "<details type=\"reasoning\" done=\"true\">\na\n</details>\nWarm water.",
            "Here is my thought process:\na\n\nHere is my response:\nWarm water.",
            "<think>a</think>\n<answer>\nWarm water.\n</answer>",
            // Several.
            "<think>a</think>\n<think>b</think>\n\nWarm water.",
            "<think>a</think><thinking>b</thinking>Warm water.",
            // The thought quotes its own end.
            "<think>They want `</think>` explained. \"</think>\", too.</think>Warm water.",
            // The beginning stands in the prompt.
            "The user asks. Let me see.\n</think>\n\nWarm water.",
            "Let me see.</think>Warm water.",
            "Let me see. </think> Warm water.",
            "so warm water it is</think>\nWarm water.",
            "</think>\n\nWarm water.",
            "Let me see\n</think>Warm water.",
            "They mean the `</think>` tag.\n</think>\n\nWarm water.",
            "Hm.\n</thinking>\n\nWarm water.",
            "Hm.\n[/THINK]\n\nWarm water.",
            "Hm.\n</think>\n\n<answer>Warm water.</answer>",
            // gpt-oss.
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Warm water.<|return|>",
            "<|start|>assistant<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Warm water.",
            "<|channel|>final<|message|>Warm water.",
            "analysisThe user asks. We answer.assistantfinalWarm water.",
        ] {
            assert_eq!(said(content).trim(), "Warm water.", "{content:?}");
        }
    }

    #[test]
    fn a_thought_without_an_end_is_all_there_is() {
        for content in [
            "<think>",
            "<think>\nThe user asks",
            "\n<thinking>The user asks",
            "<think>They want \"</think>\" expl",
            "<think>a</think>\n<think>b",
            "<think>a</think>",
            "a\n</think>\n",
            "<|begin_of_thought|>The user",
            "[THINK]The user",
            "<|channel|>analysis<|message|>The user asks",
            "<|channel|>commentary<|message|>The user asks<|end|>",
            "analysisThe user asks for",
            "Here is my thought process:\nThe user",
            "",
            " \n",
        ] {
            assert_eq!(said(content).trim(), "", "{content:?}");
        }
    }

    #[test]
    fn marks_within_an_answer_are_text() {
        for content in [
            "Warm water.",
            "Models write `<think>` first and `</think>` last.",
            "Models write <think> first and </think> last.",
            "Close it with </think> and go on.",
            "The end is marked. </think> is the tag for it.",
            "To end it:\n</think> is what you write.",
            "The tag \"</think>\" ends a thought.",
            "`<think>` begins a thought.",
            "Tags:\n- <think>\n- </think>\n",
            "Write this:\n```\n</think>\n```\nand go on.",
            "Write this:\n```\n<think>\na\n</think>\nb\n```\n",
            "Sure.\n<think>\nsecret\n</think>\nDone.",
            "<thinker> is no such tag. </thinker>",
            "<b>Warm</b> water.",
            "<answer>Warm water.</answer>",
            "analysis of the question: warm water.",
            "Analysis: assistantfinal is a word of one model.",
            "I think [think] is a tag, and so is [/think] in French.",
        ] {
            assert_eq!(said(content), content, "{content:?}");
        }
        // After the thought, the text stays as it is.
        for answer in [
            "The tag that ends a thought is\n</think>\nUse it.",
            "Use `<think>` and `</think>`.",
            "<answer>a</answer> or <answer>b</answer>, as you like",
        ] {
            let content = format!("<think>a</think>\n\n{answer}");
            assert_eq!(said(&content), format!("\n\n{answer}"));
        }
    }
}
