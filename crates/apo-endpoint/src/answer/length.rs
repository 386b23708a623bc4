//! How servers say that a prompt is longer than they take.

/// Codes and types, without punctuation and in lower case.
const NAMES: &[&str] = &[
    "contextlengthexceeded",
    "contextwindowexceeded",
    "exceedcontextsize",
    "stringabovemaxlength",
    "requesttoolarge",
    "prompttoolong",
    "inputtoolong",
    "maxtokensexceeded",
];

/// Parts of sentences; a sentence must contain all parts of one entry.
const SENTENCES: &[&[&str]] = &[
    &["context length"],
    &["context window"],
    &["context size"],
    &["maximum context"],
    &["max_model_len"],
    &["maximum model length"],
    &["model's maximum", "token"],
    &["maximum sequence length"],
    &["max_seq_len"],
    &["n_ctx"],
    &["prompt", "too long"],
    &["prompt", "longer than"],
    &["input", "too long"],
    &["input", "longer than"],
    &["input length"],
    &["prompt", "exceed"],
    &["input", "exceed"],
    &["request exceeds"],
    &["tokens", "must have less than"],
    &["inputs` tokens", "must be"],
    &["token limit", "exceed"],
    &["token count", "exceed"],
    &["too many tokens"],
    &["too many", "prompt", "token"],
    &["reduce the length"],
    &["request too large"],
    &["输入长度"],
    &["上下文", "超"],
];

/// Parts of sentences that are not about the prompt's length.
const NOT_PROMPTS: &[&str] = &["rate limit", "per minute", "tokens per", "quota"];

/// Whether an error says that the prompt is too long.
pub(super) fn is_too_long(names: &[String], message: &str) -> bool {
    let plain = |name: &String| -> String {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase()
    };
    let by_name = names
        .iter()
        .map(plain)
        .any(|name| NAMES.iter().any(|it| name.contains(it)));
    let message = message.to_lowercase();
    let says = |parts: &&[&str]| parts.iter().all(|part| message.contains(part));
    by_name || (SENTENCES.iter().any(says) && !NOT_PROMPTS.iter().any(|it| message.contains(it)))
}
