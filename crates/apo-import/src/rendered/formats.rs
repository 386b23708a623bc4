//! The formats in which other programs render dialogues.

/// A format of rendered dialogues.
pub(super) struct Format {
    pub(super) name: &'static str,
    /// What a dialogue begins with.
    pub(super) begins: &'static [&'static str],
    /// What opens the assistant's turn at the end of a prompt.
    pub(super) opens: &'static [&'static str],
    /// What ends a turn; no text has these by chance.
    pub(super) ends: &'static [&'static str],
    pub(super) kind: Kind,
}

/// How a format writes its marks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) const ROLE_TOKENS: &[&str] =
    &["<|SYSTEM_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>"];

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

pub(super) const FORMATS: &[Format] = &[
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
pub(super) const BEGINNINGS: &[&str] = &[
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

/// The texts before the first mark of some formats, and the marks that may follow.
pub(super) const PREAMBLES: &[(&str, &[&str])] = &[
    (
        "A chat between a curious ",
        &["USER:", "User:", "### Human:"],
    ),
    ("Below is an instruction", &["### Instruction:"]),
];

/// The sentences with which their preambles end: no other text has these by chance.
pub(super) const PREAMBLE_ENDS: &[&str] = &[
    "answers to the human's questions.",
    "answers to the user's questions.",
    "appropriately completes the request.",
];

/// What opens the response in Alpaca's template, and alone in `WizardLM`'s.
pub(super) const RESPONSE: &str = "\n\n### Response:";

/// What templates open or close in the assistant's turn.
pub(super) const THOUGHTS: &[&str] = &["<think>", "</think>"];
