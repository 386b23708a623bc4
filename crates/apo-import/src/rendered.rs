//! Recognises texts that another program rendered for a model: in its chat template,
//! or in a format of turns that is not HH's. As plain text such a prompt would be one
//! human turn, with marks in it that the model's own template does not have.
//!
//! A text is rendered only if it begins with a mark of the format and ends where the
//! assistant is to answer, or with a token that ends a turn. A text that mentions or
//! quotes such marks is not.

/// A format of rendered dialogues.
struct Format {
    name: &'static str,
    /// What a dialogue begins with.
    begins: &'static [&'static str],
    /// What opens the assistant's turn at the end of a prompt.
    opens: &'static [&'static str],
    /// What ends a turn; no text has these by chance.
    ends: &'static [&'static str],
    /// Whether the assistant's turn must begin a line, since its mark is also a word.
    is_line: bool,
}

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
        is_line: false,
    }
}

const fn lines(
    name: &'static str,
    begins: &'static [&'static str],
    opens: &'static [&'static str],
) -> Format {
    Format {
        name,
        begins,
        opens,
        ends: &[],
        is_line: true,
    }
}

const FORMATS: &[Format] = &[
    tokens(
        "ChatML",
        &["<|im_start|>"],
        &["<|im_start|>assistant"],
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
    tokens(
        "LLaMA 2's or Mistral's chat template",
        &["[INST]", "<<SYS>>", "[SYSTEM_PROMPT]"],
        &["[/INST]"],
        &[],
    ),
    tokens(
        "a chat template with `<|user|>` (Zephyr, Phi, GLM)",
        &["<|user|>", "<|system|>", "<|prompter|>"],
        &["<|assistant|>"],
        &["<|end|>", "</s>", "<|endoftext|>"],
    ),
    tokens(
        "Gemma's chat template",
        &["<start_of_turn>", "<|turn>"],
        &["<start_of_turn>model", "<|turn>model"],
        &["<end_of_turn>", "<turn|>"],
    ),
    tokens(
        "DeepSeek's chat template",
        &["<｜User｜>"],
        &["<｜Assistant｜>"],
        &["<｜end▁of▁sentence｜>"],
    ),
    tokens(
        "Command R's chat template",
        &["<|START_OF_TURN_TOKEN|>"],
        &["<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"],
        &["<|END_OF_TURN_TOKEN|>"],
    ),
    tokens(
        "gpt-oss' chat template",
        &["<|start|>"],
        &["<|start|>assistant"],
        &["<|end|>"],
    ),
    lines(
        "Alpaca's template",
        &[
            "### Instruction:",
            "Below is an instruction that describes a task",
        ],
        &["### Response:"],
    ),
    lines(
        "a format with `### Human:` or `### User:`",
        &["### Human:", "### User:", "### System:"],
        &["### Assistant:", "### Response:"],
    ),
    lines(
        "Vicuna's format (`USER:`, `ASSISTANT:`)",
        &["USER:", "User:", "A chat between a curious "],
        &["ASSISTANT:", "Assistant:"],
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
];

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
    let found = FORMATS.iter().find(|it| it.has(text));
    found.map(|it| it.name)
}

/// Returns the name of the format that a table's prompt is rendered in, as a whole or
/// in one of its human turns.
pub fn rendered_in(prompt: &str) -> Option<&'static str> {
    let human = |turn: apo_hh::Turn| (turn.role == apo_hh::Role::Human).then_some(turn.text);
    format_of(prompt).or_else(|| {
        let mut turns = apo_hh::turns(prompt).into_iter().filter_map(human);
        turns.find_map(|text| format_of(&text))
    })
}

/// Returns a response without the mark that opens the assistant's turn, if it begins
/// with such a mark of a chat template.
pub(crate) fn without_opening(response: &str) -> Option<&str> {
    let text = response.trim_start();
    let tokens = FORMATS
        .iter()
        .filter(|it| !it.is_line && !it.ends.is_empty());
    let mut marks = tokens.flat_map(|it| it.opens);
    marks.find_map(|mark| text.strip_prefix(mark))
}

impl Format {
    /// Whether a text without white space around it is a prompt in this format.
    fn has(&self, text: &str) -> bool {
        let Some(begin) = self.begins.iter().find(|it| text.starts_with(**it)) else {
            return false;
        };
        // The marks at both ends are not the same one.
        let rest = &text[begin.len()..];
        let is_open = |mark: &&str| {
            let before = text.strip_suffix(*mark);
            before.is_some_and(|it| it.len() >= begin.len() && (!self.is_line || is_apart(it)))
        };
        self.opens.iter().any(is_open) || self.ends.iter().any(|it| rest.ends_with(it))
    }
}

/// Whether a word after this text is the mark of a turn: it follows white space.
fn is_apart(before: &str) -> bool {
    before.ends_with(char::is_whitespace)
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
            let found = format_of(prompt);
            assert!(
                found.is_some_and(|it| it.contains(name)),
                "{prompt:?}: {found:?}"
            );
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

    #[test]
    fn a_response_may_begin_with_the_mark_of_its_turn() {
        for (response, rest) in [
            (
                "<|im_start|>assistant\nhi<|im_end|>",
                Some("\nhi<|im_end|>"),
            ),
            ("<|assistant|>hi", Some("hi")),
            ("hi", None),
            ("Assistant: hi", None),
            ("[/INST] is a mark.", None),
        ] {
            assert_eq!(without_opening(response), rest, "{response:?}");
        }
    }
}
