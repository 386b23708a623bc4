//! Recognises texts that another program rendered for a model: in its chat template,
//! or in a format of turns that is not HH's. As plain text such a prompt would be one
//! human turn, with marks in it that the model's own template does not have.
//!
//! A text is rendered only if it begins with a mark of the format and ends where the
//! assistant is to answer, with a token that ends a turn, or within the assistant's turn,
//! each as the format writes it. A system text may come before the first mark if a token
//! that begins a text is before it, or in a format whose marks are words on one line. A
//! text that mentions or quotes such marks is not rendered.

use std::path::Path;

use apo_thought::is_open;

/// A format of rendered dialogues.
struct Format {
    name: &'static str,
    /// What a dialogue begins with.
    begins: &'static [&'static str],
    /// What opens the assistant's turn at the end of a prompt.
    opens: &'static [&'static str],
    /// What ends a turn; no text has these by chance.
    ends: &'static [&'static str],
    kind: Kind,
}

/// How a format writes its marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Special tokens; these words or characters follow the first one.
    Tokens(&'static [&'static str]),
    /// Special tokens around the text itself.
    Around,
    /// Words at the beginning of a line.
    Lines,
    /// Words that also are on one line: `USER: hi ASSISTANT:`.
    Inline,
}

/// The speakers' names after a token.
const ROLES: &[&str] = &[
    "system",
    "user",
    "assistant",
    "model",
    "developer",
    "tool",
    "human",
];

/// Those of Kimi's template.
const KIMI_ROLES: &[&str] = &["system", "user", "assistant", "tool_declare", "tool"];

/// The same as tokens of their own.
const ROLE_TOKENS: &[&str] = &["<|SYSTEM_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>"];

const fn tokens(
    name: &'static str,
    begins: &'static [&'static str],
    opens: &'static [&'static str],
    ends: &'static [&'static str],
) -> Format {
    Format {
        name,
        begins,
        opens,
        ends,
        kind: Kind::Tokens(ROLES),
    }
}

const fn lines(
    name: &'static str,
    begins: &'static [&'static str],
    opens: &'static [&'static str],
) -> Format {
    Format {
        kind: Kind::Lines,
        ..tokens(name, begins, opens, &[])
    }
}

const fn around(
    name: &'static str,
    begins: &'static [&'static str],
    opens: &'static [&'static str],
    ends: &'static [&'static str],
) -> Format {
    Format {
        kind: Kind::Around,
        ..tokens(name, begins, opens, ends)
    }
}

const FORMATS: &[Format] = &[
    tokens(
        "ChatML",
        &["<|im_start|>"],
        &["<|im_start|>assistant", "<|im_start|>assistant<|im_sep|>"],
        &["<|im_end|>"],
    ),
    tokens(
        "LLaMA 3's chat template",
        &["<|start_header_id|>", "<|header_start|>"],
        &[
            "<|start_header_id|>assistant<|end_header_id|>",
            "<|header_start|>assistant<|header_end|>",
        ],
        &["<|eot_id|>", "<|eot|>"],
    ),
    around(
        "LLaMA 2's or Mistral's chat template",
        &["[INST]", "<<SYS>>", "[SYSTEM_PROMPT]"],
        &["[/INST]"],
        &["</s>"],
    ),
    around(
        "a chat template with `<|user|>` (Zephyr, Phi, GLM)",
        &["<|user|>", "<|system|>", "<|prompter|>"],
        &["<|assistant|>"],
        &["<|end|>", "</s>", "<|endoftext|>"],
    ),
    tokens(
        "Granite's chat template",
        &["<|start_of_role|>"],
        &["<|start_of_role|>assistant<|end_of_role|>"],
        &["<|end_of_text|>"],
    ),
    tokens(
        "Gemma's chat template",
        &["<start_of_turn>", "<|turn>"],
        &["<start_of_turn>model", "<|turn>model"],
        &["<end_of_turn>", "<turn|>"],
    ),
    around(
        "DeepSeek's chat template",
        &["<｜User｜>", "<|User|>"],
        &["<｜Assistant｜>", "<|Assistant|>"],
        &["<｜end▁of▁sentence｜>"],
    ),
    Format {
        kind: Kind::Tokens(ROLE_TOKENS),
        ..tokens(
            "Command R's chat template",
            &["<|START_OF_TURN_TOKEN|>"],
            &["<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"],
            &["<|END_OF_TURN_TOKEN|>"],
        )
    },
    tokens(
        "gpt-oss' chat template",
        &["<|start|>"],
        &[
            "<|start|>assistant",
            "<|start|>assistant<|channel|>final<|message|>",
            "<|start|>assistant<|channel|>analysis<|message|>",
        ],
        &["<|end|>"],
    ),
    Format {
        kind: Kind::Tokens(KIMI_ROLES),
        ..tokens(
            "Kimi's chat template",
            &["<|im_user|>", "<|im_system|>"],
            &["<|im_assistant|>assistant<|im_middle|>"],
            &["<|im_end|>"],
        )
    },
    tokens(
        "Seed's chat template",
        &["<seed:bos>"],
        &["<seed:bos>assistant"],
        &["<seed:eos>"],
    ),
    around(
        "EXAONE's chat template",
        &["[|user|]", "[|system|]"],
        &["[|assistant|]"],
        &["[|endofturn|]"],
    ),
    around(
        "OpenChat's chat template",
        &[
            "GPT4 Correct User:",
            "GPT4 Correct System:",
            "GPT4 User:",
            "Math Correct User:",
            "Code User:",
        ],
        &[
            "<|end_of_turn|>GPT4 Correct Assistant:",
            "<|end_of_turn|>GPT4 Assistant:",
            "<|end_of_turn|>Math Correct Assistant:",
            "<|end_of_turn|>Code Assistant:",
        ],
        &["<|end_of_turn|>"],
    ),
    lines(
        "Alpaca's template",
        &["### Instruction:"],
        &["### Response:"],
    ),
    lines(
        "a format with `### Human:` or `### User:`",
        &["### Human:", "### User:", "### System:"],
        &["### Assistant:", "### Response:"],
    ),
    Format {
        kind: Kind::Inline,
        ..lines(
            "Vicuna's format (`USER:`, `ASSISTANT:`)",
            &["USER:"],
            &["ASSISTANT:"],
        )
    },
    lines(
        "Vicuna's format (`User:`, `Assistant:`)",
        &["User:", "USER:"],
        &["Assistant:"],
    ),
    lines(
        "RedPajama's format (`<human>:`, `<bot>:`)",
        &["<human>:"],
        &["<bot>:"],
    ),
    lines(
        "HH's form without the blank lines before `Human:` and `Assistant:`",
        &["Human:"],
        &["Assistant:"],
    ),
];

/// Tokens that begin a text in several formats.
const BEGINNINGS: &[&str] = &[
    "<s>",
    "<bos>",
    "<|begin_of_text|>",
    "<｜begin▁of▁sentence｜>",
    "<|endoftext|>",
    "<BOS_TOKEN>",
    "[gMASK]",
    "<sop>",
    "[BOS]",
];

/// What some formats begin with before their first mark: that mark follows.
const PREAMBLES: &[(&str, &[&str])] = &[
    (
        "A chat between a curious ",
        &["USER:", "User:", "### Human:"],
    ),
    ("Below is an instruction", &["### Instruction:"]),
];

/// The sentences with which their preambles end: no other text has these by chance.
const PREAMBLE_ENDS: &[&str] = &[
    "answers to the human's questions.",
    "answers to the user's questions.",
    "appropriately completes the request.",
];

/// What opens the response in Alpaca's template, and alone in `WizardLM`'s.
const RESPONSE: &str = "\n\n### Response:";

/// What templates open or close in the assistant's turn.
const THOUGHTS: &[&str] = &["<think>", "</think>"];

/// Returns the name of the format that a prompt is rendered in; `None` for plain text
/// and for dialogues in HH's form.
pub(crate) fn format_of(prompt: &str) -> Option<&'static str> {
    let begin = without(BEGINNINGS, prompt, |text, mark| text.strip_prefix(mark));
    let text = without(THOUGHTS, begin, |text, mark| text.strip_suffix(mark));
    if text.ends_with(apo_hh::ASSISTANT) && text.starts_with(apo_hh::HUMAN.trim_start()) {
        return None;
    }
    let (preamble, rest) = text.split_at(preamble(text));
    let beginning = prompt.trim().strip_suffix(begin).unwrap_or_default();
    // A sentence about the token follows after a space.
    let is_begun = !beginning.is_empty() && !beginning.ends_with(' ');
    let has_preamble = |end: &&str| preamble.trim_end().ends_with(*end);
    let is_introduced = is_begun || PREAMBLE_ENDS.iter().any(has_preamble);
    let found = FORMATS
        .iter()
        .find(|it| it.has(rest, is_introduced) || it.has_behind_system(text, is_begun));
    found.map(|it| it.name).or_else(|| {
        let asked = text.strip_suffix(RESPONSE)?;
        let is_plain = !asked.trim().is_empty() && !asked.contains("```");
        (is_plain && !leads_up(asked)).then_some("Alpaca's or WizardLM's template")
    })
}

/// Counts a table's prompts that another program rendered for a model. In a table that
/// `hh-split` made there are none: it rejects them.
#[derive(Debug, Default)]
pub struct Rendered {
    n: u64,
    /// The first one's row, and its format.
    first: Option<(usize, &'static str)>,
}

impl Rendered {
    /// Looks at the prompt of a row, which is counted from 0.
    pub fn add(&mut self, row: usize, prompt: &str) {
        if let Some(format) = rendered_in(prompt) {
            self.n += 1;
            self.first.get_or_insert((row, format));
        }
    }

    /// Says how many there are, which the first is, and what to do; `None` if there are
    /// none.
    pub fn sentence(&self, table: &Path) -> Option<String> {
        let (row, format) = self.first?;
        let prompts = if self.n == 1 {
            "prompt is"
        } else {
            "prompts are"
        };
        Some(format!(
            "{}: {} {prompts} already rendered, the first in row {row} (from 0), in {format}: its \
             marks become part of the question; write the prompts as HH's turns, as hh-split does",
            table.display(),
            self.n
        ))
    }
}

/// Returns the name of the format that a table's prompt is rendered in, as a whole or
/// in one of its human turns.
fn rendered_in(prompt: &str) -> Option<&'static str> {
    let human = |turn: apo_hh::Turn| (turn.role == apo_hh::Role::Human).then_some(turn.text);
    format_of(prompt).or_else(|| {
        let mut turns = apo_hh::turns(prompt).into_iter().filter_map(human);
        turns.find_map(|text| format_of(&text))
    })
}

/// Returns the length of the preamble that a text begins with, up to the first mark of
/// its format.
fn preamble(text: &str) -> usize {
    let found = PREAMBLES.iter().find(|it| text.starts_with(it.0));
    let mark = found.and_then(|it| it.1.iter().filter_map(|mark| text.find(mark)).min());
    mark.unwrap_or_default()
}

/// Whether what follows this text belongs to its last sentence.
fn leads_up(text: &str) -> bool {
    text.trim_end().ends_with(':') || is_open(text)
}

impl Format {
    /// Whether a text without white space around it is a prompt in this format.
    /// `is_introduced` says that a token which begins a text was before it, or a preamble
    /// of the format.
    fn has(&self, text: &str, is_introduced: bool) -> bool {
        let Some(begin) = self.begins.iter().find(|it| text.starts_with(**it)) else {
            return false;
        };
        // The marks at both ends are not the same one.
        let rest = &text[begin.len()..];
        if !self.begins_turn(rest) {
            return false;
        }
        let is_open = |mark: &&str| {
            let before = rest.strip_suffix(*mark);
            before.is_some_and(|it| self.is_before_open(it))
        };
        let is_ended = |token: &&str| {
            let said = rest.strip_suffix(*token);
            said.is_some_and(|said| self.kind != Kind::Around || self.is_turn(begin, said))
        };
        self.opens.iter().any(is_open)
            || self.ends.iter().any(is_ended)
            || self.is_within_answer(rest, is_introduced)
    }

    /// Whether a text between a first mark that stands around texts and a last token is
    /// a turn, or several, and no sentence that names the token, or tells of the mark.
    fn is_turn(&self, begin: &str, said: &str) -> bool {
        let may_tell = said.starts_with(' ') && !begin.ends_with(':');
        let mut opens = self.opens.iter().filter_map(|it| said.find(it));
        let is_answered = opens.any(|at| self.is_before_open(&said[..at]));
        !said.ends_with(' ') && !is_listed(said) && (is_answered || !may_tell)
    }

    /// Whether a text after its first mark ends within the assistant's turn, which the
    /// response is to continue. That no sentence tells of the marks is shown by a token
    /// before one of them, or by text directly around the last one.
    fn is_within_answer(&self, rest: &str, is_introduced: bool) -> bool {
        let found = self
            .opens
            .iter()
            .filter_map(|it| Some((rest.rfind(it)?, it.len())));
        let Some((at, length)) = found.max() else {
            return false;
        };
        let (before, opened) = rest.split_at(at);
        let (mark, said) = opened.split_at(length);
        let mut marks = self.begins.iter().chain(self.ends);
        self.is_before_open(before)
            && begins_answer(mark, said)
            && !marks.any(|it| said.contains(it))
            && (is_introduced || self.ends_turns(rest) || is_wedged(before, said))
    }

    /// Whether a token that ends a turn is before one of the marks in a text.
    fn ends_turns(&self, text: &str) -> bool {
        let marks = self.begins.iter().chain(self.opens);
        let mut places = marks.flat_map(|it| text.match_indices(it));
        places.any(|(at, mark)| {
            let before = text[..at].trim_end();
            let mut ends = self.ends.iter();
            ends.any(|it| before.ends_with(it) || mark.starts_with(it))
        })
    }

    /// Whether a text is a prompt in this format after a system text. `is_begun` says
    /// that a token which begins a text was before it.
    fn has_behind_system(&self, text: &str, is_begun: bool) -> bool {
        if !is_begun && self.kind != Kind::Inline {
            return false;
        }
        let places = self.begins.iter().filter_map(|it| text.find(it));
        let Some((system, rest)) = places.min().map(|at| text.split_at(at)) else {
            return false;
        };
        let is_system = match self.kind {
            Kind::Inline => system.ends_with(char::is_whitespace) && is_system(system),
            Kind::Lines => system.ends_with('\n') && is_system(system),
            Kind::Tokens(_) | Kind::Around => is_text(system),
        };
        is_system && self.has(rest, is_begun)
    }

    /// Whether a turn follows the first mark, as the format writes it, and no
    /// sentence about the mark.
    fn begins_turn(&self, rest: &str) -> bool {
        match self.kind {
            Kind::Tokens(names) => names.iter().any(|name| {
                let behind = rest.strip_prefix(name);
                behind.is_some_and(|it| it.starts_with(['\n', '\r', '<']) || names == ROLE_TOKENS)
            }),
            Kind::Around | Kind::Lines | Kind::Inline => true,
        }
    }

    /// Whether the assistant's turn may begin after this text.
    fn is_before_open(&self, before: &str) -> bool {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let begins_line = before.contains('\n') && line.trim().is_empty();
        match self.kind {
            Kind::Tokens(_) => true,
            // Spaces are as common around a text as around a mark.
            Kind::Around => !before.trim().is_empty() && !is_listed(before),
            Kind::Lines => begins_line && !is_open(before),
            Kind::Inline => before.ends_with(char::is_whitespace) && !leads_up(before),
        }
    }
}

/// Whether this text before the first mark may be a system text: it ends with a
/// sentence, which is neither a question nor a task that concerns what follows.
fn is_system(text: &str) -> bool {
    const TASKS: &[&str] = &[
        "add",
        "answer",
        "check",
        "complete",
        "continue",
        "correct",
        "edit",
        "explain",
        "extend",
        "fill",
        "finish",
        "fix",
        "format",
        "give",
        "go",
        "improve",
        "make",
        "parse",
        "predict",
        "read",
        "rewrite",
        "say",
        "see",
        "shorten",
        "sum",
        "summarise",
        "summarize",
        "take",
        "tell",
        "translate",
        "turn",
        "write",
    ];
    let Some(said) = text.trim_end().strip_suffix(['.', '!']) else {
        return false;
    };
    let last = said
        .rsplit(['.', '!', '?', '\n'])
        .next()
        .unwrap_or_default();
    let word = last.split_whitespace().next().unwrap_or_default();
    is_text(text) && !TASKS.contains(&word.to_lowercase().as_str())
}

/// Whether a text stands for itself, and is not a sentence about the token before it or
/// the mark after it.
fn is_text(text: &str) -> bool {
    let is_begun = text.starts_with(|c: char| c.is_alphanumeric() || !c.is_ascii());
    let is_closed = text.trim_end().ends_with(['.', '!', '。']) || !text.ends_with(' ');
    is_begun && is_closed && !leads_up(text) && !text.contains("```") && !text.contains("</s>")
}

/// Whether a mark before this text is one of several that a sentence lists or tells of:
/// `[INST] vs [/INST]`, `<|user|> or <|assistant|>`. If the text is a whole sentence, such
/// as `is it so?`, it only begins with the same word.
fn is_listed(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "vs", "versus", "and", "or", "to", "is", "are", "prompt", "prompts", "needs", "tag",
        "tags", "token", "tokens", "in", "marks", "means", "begins", "closes", "comes", "ends",
        "opens", "stands", "starts",
    ];
    let Some(rest) = text.strip_prefix([' ', ',', '/', ';']) else {
        return false;
    };
    let rest = rest.trim_start();
    let word = rest.split(|c: char| !c.is_alphanumeric()).next();
    let is_whole = rest.trim_end().ends_with(['.', '!', '?', '。', '！', '？']);
    text.starts_with([',', ';'])
        || rest.is_empty()
        || ["[", "<|", "<｜"].iter().any(|it| rest.starts_with(it))
        || (!is_whole && word.is_some_and(|it| WORDS.contains(&it)))
}

/// Whether an answer begins after the mark that opens the assistant's turn, and no
/// sentence about the mark goes on: after a name that is no token there is a line break
/// or a token, after a token neither a space nor a sign of punctuation.
fn begins_answer(mark: &str, said: &str) -> bool {
    if mark.ends_with(char::is_alphabetic) {
        return said.starts_with(['\n', '\r', '<']);
    }
    if mark.ends_with('>') || mark.ends_with("|]") {
        return !said.starts_with([' ', ',', ';', '.', ':', ')', '/']);
    }
    !is_listed(said)
}

/// Whether a mark between these texts has words directly before and behind it: a
/// sentence that mentions a mark leaves space around it.
fn is_wedged(before: &str, said: &str) -> bool {
    let is_end = |c: char| c.is_alphanumeric() || matches!(c, '.' | '!' | '?' | '…' | '。');
    before.ends_with(is_end) && said.starts_with(|c: char| c.is_alphanumeric() || "*#".contains(c))
}

/// Returns a text without white space around it, and without any of some marks, as
/// `strip` removes one.
fn without<'a>(
    marks: &[&str],
    text: &'a str,
    strip: impl Fn(&'a str, &str) -> Option<&'a str>,
) -> &'a str {
    let mut text = text.trim();
    while let Some(rest) = marks.iter().find_map(|mark| strip(text, mark)) {
        text = rest.trim();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_format(prompt: &str, name: &str) {
        let found = format_of(prompt);
        assert!(
            found.is_some_and(|it| it.contains(name)),
            "{prompt:?}: {found:?}"
        );
    }

    #[test]
    fn a_rendered_prompt_is_known_by_both_its_ends() {
        for (prompt, name) in [
            (
                "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
                "ChatML",
            ),
            (
                "<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n",
                "ChatML",
            ),
            (
                "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
                "ChatML",
            ),
            (
                "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\n",
                "LLaMA 3",
            ),
            ("<s>[INST] hi [/INST]", "LLaMA 2"),
            ("[INST] <<SYS>>\nBe.\n<</SYS>>\n\nhi [/INST]", "LLaMA 2"),
            ("<|user|>\nhi</s>\n<|assistant|>\n", "<|user|>"),
            (
                "<|system|>\nBe.<|end|>\n<|user|>\nhi<|end|>\n<|assistant|>",
                "<|user|>",
            ),
            ("[gMASK]<sop><|user|>\nhi<|assistant|>", "<|user|>"),
            (
                "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n",
                "Gemma",
            ),
            (
                "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜><think>\n",
                "DeepSeek",
            ),
            (
                "<|start|>user<|message|>hi<|end|><|start|>assistant",
                "gpt-oss",
            ),
            ("### Instruction:\nhi\n\n### Response:", "Alpaca"),
            (
                "Below is an instruction that describes a task, paired with an input.\n\n\
                 ### Instruction:\nhi\n\n### Input:\na\n\n### Response:\n",
                "Alpaca",
            ),
            (
                "Below is an instruction. Write a response.\n\n### Instruction:\nhi\n\n### Response:",
                "Alpaca",
            ),
            (
                "Be kind.\n\n### Instruction:\nhi\n\n### Response:",
                "Alpaca",
            ),
            ("hi there\n\n### Response:", "WizardLM"),
            ("<human>: hi\n<bot>:", "RedPajama"),
            (
                "<|im_start|>user<|im_sep|>hi<|im_end|><|im_start|>assistant<|im_sep|>",
                "ChatML",
            ),
            (
                "<|start_of_role|>user<|end_of_role|>hi<|end_of_text|>\n\
                 <|start_of_role|>assistant<|end_of_role|>",
                "Granite",
            ),
            ("<|User|>hi there<|Assistant|>", "DeepSeek"),
            (
                "<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>final<|message|>",
                "gpt-oss",
            ),
            (
                "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|>\
                 <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
                "Command R",
            ),
            ("### Human: hi\n### Assistant:", "### Human:"),
            ("USER: hi ASSISTANT:", "Vicuna"),
            (
                "A chat between a curious user and an assistant. USER: hi ASSISTANT:",
                "Vicuna",
            ),
            ("User: hi\n\nAssistant:", "Vicuna"),
            ("User:hi\nAssistant: ", "Vicuna"),
            ("Human: hi\nAssistant:", "HH's form"),
            ("\n\nHuman: hi\nAssistant:", "HH's form"),
            (
                "Human: hi\nAssistant: hello\nHuman: bye\nAssistant:",
                "HH's form",
            ),
            (
                "\n\nHuman: hi\n\nAssistant: hello\nHuman: bye\nAssistant:",
                "HH's form",
            ),
        ] {
            check_format(prompt, name);
        }
    }

    #[test]
    fn a_system_text_may_come_before_the_first_mark() {
        for (prompt, name) in [
            (
                "<｜begin▁of▁sentence｜>You are kind.<｜User｜>hi<｜Assistant｜>",
                "DeepSeek",
            ),
            (
                "<｜begin▁of▁sentence｜>You are kind<｜User｜>hi<｜Assistant｜><think>\n",
                "DeepSeek",
            ),
            (
                "<｜begin▁of▁sentence｜>Be kind.\n\n<｜User｜>hi<｜Assistant｜>a<｜end▁of▁sentence｜>",
                "DeepSeek",
            ),
            ("<s>Be kind. [INST] hi [/INST]", "LLaMA 2"),
            ("<s>Be kind.\n### Human: hi\n### Assistant:", "### Human:"),
            ("You are a helpful AI. USER: hi ASSISTANT:", "Vicuna"),
            ("You are a helpful AI.\nUSER: hi\nASSISTANT:", "Vicuna"),
            (
                "You are a helpful AI! USER: hi ASSISTANT: hello</s>USER: bye ASSISTANT:",
                "Vicuna",
            ),
            ("<s>You are a helpful AI. USER: hi ASSISTANT:", "Vicuna"),
        ] {
            check_format(prompt, name);
        }
    }

    #[test]
    fn the_newer_formats_are_known() {
        for (prompt, name) in [
            (
                "GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant:",
                "OpenChat",
            ),
            (
                "<s>GPT4 Correct System: Be.<|end_of_turn|>GPT4 Correct User: hi<|end_of_turn|>\
                 GPT4 Correct Assistant: a<|end_of_turn|>",
                "OpenChat",
            ),
            ("Code User: hi<|end_of_turn|>Code Assistant:", "OpenChat"),
            ("[|user|]hi\n[|assistant|]", "EXAONE"),
            (
                "[BOS][|system|]Be.[|endofturn|]\n[|user|]hi\n[|assistant|]",
                "EXAONE",
            ),
            (
                "[|system|]Be.[|endofturn|]\n[|user|]hi[|endofturn|]\n[|assistant|]<think>\n",
                "EXAONE",
            ),
            (
                "<|im_user|>user<|im_middle|>hi<|im_end|>\
                 <|im_assistant|>assistant<|im_middle|>",
                "Kimi",
            ),
            (
                "<|im_system|>tool_declare<|im_middle|>[]<|im_end|><|im_user|>user<|im_middle|>hi\
                 <|im_end|><|im_assistant|>assistant<|im_middle|>",
                "Kimi",
            ),
            ("<seed:bos>user\nhi<seed:eos><seed:bos>assistant\n", "Seed"),
            (
                "<seed:bos>system\nBe.<seed:eos><seed:bos>user\nhi<seed:eos>",
                "Seed",
            ),
        ] {
            check_format(prompt, name);
        }
    }

    #[test]
    fn a_text_about_marks_is_no_rendered_prompt() {
        for prompt in [
            "hi",
            "",
            "Human: hi",
            "\n\nHuman: hi\n\nAssistant:",
            "\n\nHuman: Go on:\nHuman: hi\nAssistant:\n\nAssistant:",
            "What are [INST] and [/INST]?",
            "[INST] is which model's mark?",
            "[INST]",
            "Why does my prompt end with [/INST]",
            "<|im_start|> and <|im_end|> are tokens of which model?",
            "<|im_start|>",
            "Sum this up:\n\nUser: hi\nAssistant: hello\nUser: bye\n",
            "Go on:\nUser: hi\nAssistant:",
            "User: hi\nAssistant: hello\nUser: bye\n\nSum this up.",
            "User: what is an AssistantAssistant:",
            "```\n### Instruction:\nhi\n### Response:\n```\nWhich template is it?",
            "Complete it:\n### Instruction:\nhi\n### Response:",
            "Below is an instruction that describes a task. Is it clear?",
            "Assistant:",
            "[INST] vs [/INST]",
            "[INST], [/INST]",
            "[INST][/INST]",
            "<|im_start|> vs <|im_end|>",
            "<|start|> and <|end|>",
            "<|user|> or <|assistant|>",
            "<|system|> prompt in Phi ends with </s>",
            "<start_of_turn> needs <end_of_turn>",
            "User: complete this Assistant:",
            "User: my dog\nUser: my cat\nWho is the Assistant:",
            "USER: root\nHOST: x\nROLE: ASSISTANT:",
            "Human: is a word. So is\nAssistant:",
            "Below is an instruction that describes a task. Grade it:\n\n### Response:",
            "A chat between a curious kid and a bot. Continue.\nAssistant:",
            "Fill in the text after:\n\n### Response:",
            "Sum this up. USER: hi ASSISTANT: hello",
            "Sum this up: USER: hi ASSISTANT:",
            "Continue the dialogue. USER: hi ASSISTANT:",
            "Does a prompt end with ASSISTANT:",
            "Does it begin with USER: and end with ASSISTANT:",
            "Is this Vicuna's? USER: hi ASSISTANT:",
            "It begins with USER: hi. It ends with ASSISTANT:",
            "Vicuna has two labels. USER: and ASSISTANT:",
            "```\nBe kind. USER: hi ASSISTANT:",
            "<s>old</s> price. What does [INST] hi [/INST]",
            "<s> is HTML's. What is [INST] hi [/INST]",
            "<|endoftext|> is GPT-2's. Which has <|user|>hi<|assistant|>",
            "<｜begin▁of▁sentence｜> and <｜User｜> and <｜Assistant｜>",
            "<｜begin▁of▁sentence｜>, <｜User｜>hi<｜Assistant｜>",
            "You are kind.<｜User｜>hi<｜Assistant｜>",
            "GPT4 Correct User: is OpenChat's. GPT4 Correct Assistant:",
            "GPT4 Correct User: and GPT4 Correct Assistant:",
            "Which model has [|user|] and [|assistant|]",
            "[|user|] and [|assistant|]",
            "[|user|][|assistant|]",
            "<|im_user|> and <|im_end|>",
            "<|im_user|>user is Kimi's, with <|im_end|>",
            "<seed:bos> and <seed:eos>",
            "<seed:bos>user is Seed's, it ends with <seed:eos>",
        ] {
            assert_eq!(format_of(prompt), None, "{prompt:?}");
        }
    }

    #[test]
    fn a_prompt_may_end_within_the_assistants_turn() {
        for (prompt, name) in [
            (
                "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure, here",
                "ChatML",
            ),
            (
                "<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n\
                 <|im_start|>assistant\n<think>\nOkay, so",
                "ChatML",
            ),
            (
                "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n\
                 <|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\nSure",
                "ChatML",
            ),
            (
                "<|im_start|>user<|im_sep|>hi<|im_end|><|im_start|>assistant<|im_sep|>Sure",
                "ChatML",
            ),
            (
                "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\nSure, here",
                "LLaMA 3",
            ),
            (
                "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\nSure, here",
                "LLaMA 3",
            ),
            (
                "<|header_start|>user<|header_end|>\n\nhi<|eot|><|header_start|>assistant\
                 <|header_end|>\n\nSure",
                "LLaMA 3",
            ),
            (
                "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nSure, here",
                "Gemma",
            ),
            (
                "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nSure, here",
                "Gemma",
            ),
            ("<|turn>user\nhi<turn|>\n<|turn>model\nSure", "Gemma"),
            ("<|user|>\nhi</s>\n<|assistant|>\nSure, here", "<|user|>"),
            (
                "<|system|>\nBe.<|end|>\n<|user|>\nhi<|end|>\n<|assistant|>\nSure",
                "<|user|>",
            ),
            ("[gMASK]<sop><|user|>\nhi<|assistant|>\nSure", "<|user|>"),
            ("<|prompter|>hi<|endoftext|><|assistant|>Sure", "<|user|>"),
            (
                "<|start_of_role|>user<|end_of_role|>hi<|end_of_text|>\n\
                 <|start_of_role|>assistant<|end_of_role|>Sure",
                "Granite",
            ),
        ] {
            check_format(prompt, name);
        }
    }

    #[test]
    fn a_prompt_of_the_other_formats_may_end_within_the_assistants_turn() {
        for (prompt, name) in [
            (
                "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜>Sure, here",
                "DeepSeek",
            ),
            ("<｜User｜>hi<｜Assistant｜>Sure, here", "DeepSeek"),
            (
                "<｜begin▁of▁sentence｜>Be kind.<｜User｜>hi<｜Assistant｜><think>\nOkay, so",
                "DeepSeek",
            ),
            (
                "<｜User｜>hi<｜Assistant｜>a<｜end▁of▁sentence｜><｜User｜>b<｜Assistant｜>Sure",
                "DeepSeek",
            ),
            (
                "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|>\
                 <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Sure",
                "Command R",
            ),
            (
                "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|>\
                 <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>Sure",
                "Command R",
            ),
            (
                "<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>final\
                 <|message|>Sure",
                "gpt-oss",
            ),
            (
                "<|start|>system<|message|>Be.<|end|><|start|>user<|message|>hi<|end|>\
                 <|start|>assistant<|channel|>analysis<|message|>User says",
                "gpt-oss",
            ),
            (
                "<|im_user|>user<|im_middle|>hi<|im_end|><|im_assistant|>assistant\
                 <|im_middle|>Sure",
                "Kimi",
            ),
            (
                "<seed:bos>user\nhi<seed:eos><seed:bos>assistant\nSure",
                "Seed",
            ),
            ("[|user|]hi[|endofturn|]\n[|assistant|]Sure", "EXAONE"),
            (
                "[|system|]Be.[|endofturn|]\n[|user|]hi\n[|assistant|]Sure",
                "EXAONE",
            ),
            ("[BOS][|user|]hi\n[|assistant|]Sure", "EXAONE"),
            (
                "GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant: Sure",
                "OpenChat",
            ),
            (
                "Code User: hi<|end_of_turn|>Code Assistant: Sure",
                "OpenChat",
            ),
            ("<s>[INST] hi [/INST] Sure, here", "LLaMA 2"),
            ("[INST]hi[/INST]Sure", "LLaMA 2"),
            (
                "<s>[INST] hi [/INST] hello </s><s>[INST] bye [/INST] Sure",
                "LLaMA 2",
            ),
            (
                "[INST] hi [/INST] hello</s>[INST] bye [/INST] Sure",
                "LLaMA 2",
            ),
            (
                "Below is an instruction that describes a task. Write a response that \
                 appropriately completes the request.\n\n### Instruction:\nhi\n\n### Response:\n\
                 Sure, here",
                "Alpaca",
            ),
            (
                "A chat between a curious user and an artificial intelligence assistant. The \
                 assistant gives helpful, detailed, and polite answers to the user's questions. \
                 USER: hi ASSISTANT: Sure",
                "Vicuna",
            ),
            (
                "A chat between a curious human and an artificial intelligence assistant. The \
                 assistant gives helpful, detailed, and polite answers to the human's \
                 questions.\n### Human: hi\n### Assistant: Sure",
                "### Human:",
            ),
            ("<s>USER: hi ASSISTANT: Sure", "Vicuna"),
        ] {
            check_format(prompt, name);
        }
    }

    #[test]
    fn a_text_between_such_marks_may_begin_like_a_sentence_about_them() {
        for (prompt, name) in [
            ("<s>[INST] hi [/INST] hello</s>", "LLaMA 2"),
            ("[INST] hi [/INST] hello</s>", "LLaMA 2"),
            ("[INST] is it raining? [/INST]", "LLaMA 2"),
            ("[INST] in which year did it rain? [/INST]", "LLaMA 2"),
            ("<s>[INST] are cats nice? [/INST]", "LLaMA 2"),
            ("<|user|> is it raining?<|assistant|>", "<|user|>"),
        ] {
            check_format(prompt, name);
        }
    }

    #[test]
    fn a_text_about_marks_that_does_not_end_with_one_is_no_rendered_prompt() {
        for prompt in [
            "<|im_start|>user\nhi<|im_end|> is how a turn looks.",
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant opens the next turn.",
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\nWhich \
             format is this?",
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n\
             <|im_start|>user\nWhy does it end here?",
            "```\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure\n```",
            "Which format is this?\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure",
            "<|im_start|>assistant\nSure, here",
            "<|im_start|> opens a turn, <|im_end|> ends it, <|im_start|>assistant\nis where the \
             model goes on",
            "\"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure\"",
            "<|user|> and <|assistant|>\nare Zephyr's marks",
            "<|user|>\nmarks the user's turn\n<|assistant|>\nmarks the answer",
            "<|user|>hi</s><|assistant|> is where the answer begins",
            "<|user|>/<|assistant|>/<|system|>",
            "<|user|>/<|assistant|>",
            "<|user|>, <|assistant|>",
            "<|user|> was used by Phi.</s>",
            "[INST] was used by Mistral.</s>",
            "[INST] opens a turn and </s>",
            "[INST] hi [/INST] hello",
            "[INST] opens it, [/INST] closes it.",
            "<s>[INST] opens it, [/INST] closes it.",
            "<s>[INST] hi [/INST] is how LLaMA 2 renders it",
            "[INST] is LLaMA 2's mark, and so is [/INST]",
            "[INST] is its mark, [/INST] its partner.</s>",
            "<start_of_turn>user is Gemma's. <end_of_turn>\n<start_of_turn>model\nanswers",
            "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model is how Gemma renders it.",
            "<start_of_turn>user\nhi\n<start_of_turn>model\nIs the end token missing?",
            "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant\
             <|end_header_id|> is what comes next.",
            "<｜User｜>hi<｜Assistant｜> is DeepSeek's format.",
            "<｜User｜> and <｜Assistant｜> are DeepSeek's.",
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|> is a turn of Command R",
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>\
             <|CHATBOT_TOKEN|> is the end of its prompt",
            "<|start|>user<|message|>hi<|end|><|start|>assistant is where it goes on",
            "<seed:bos>user\nhi<seed:eos><seed:bos>assistant is Seed's",
            "[|user|]hi[|endofturn|]\n[|assistant|] is EXAONE's",
            "GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant: is OpenChat's prompt",
            "GPT4 Correct User: hi\nGPT4 Correct Assistant: hello",
            "USER: hi ASSISTANT: hello",
            "User: hi\nAssistant: hello",
            "Human: hi\nAssistant: hello",
            "### Instruction:\nhi\n\n### Response:\nhello\n\nIs the response good?",
            "### Instruction:\nhi\n\n### Response:\nhello",
            "Below is an instruction and a response. Grade it.\n\n### Instruction:\nhi\n\n### \
             Response:\nhello",
            "Below is an instruction that describes a task, with a response. Rate it.\n\n### \
             Instruction:\nhi\n\n### Response:\nhello",
            "### Human: hi\n### Assistant: hello",
            "<human>: hi\n<bot>: hello",
            "A chat between a curious kid and a bot. USER: hi ASSISTANT: hello. Continue.",
        ] {
            assert_eq!(format_of(prompt), None, "{prompt:?}");
        }
    }

    #[test]
    fn a_tables_prompt_is_rendered_as_a_whole_or_in_a_turn() {
        let chat = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
        let turn = apo_hh::prompt_of([(apo_hh::Role::Human, chat)]);
        for prompt in [chat, &turn, "Human: hi\nAssistant:"] {
            assert!(rendered_in(prompt).is_some(), "{prompt:?}");
        }
        for prompt in [
            "hi",
            "\n\nHuman: hi\n\nAssistant:",
            "\n\nHuman: What is [INST]?\n\nAssistant: <|im_start|>a<|im_end|>\n\nHuman: Why?\n\nAssistant:",
        ] {
            assert_eq!(rendered_in(prompt), None, "{prompt:?}");
        }
    }
}
