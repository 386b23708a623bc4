//! The format of gpt-oss, which parts thoughts and answers into channels.

/// Returns the final channel of a text in gpt-oss' format, with its special
/// tokens or without; none of another text.
pub(super) fn channels<'a>(text: &'a str, lower: &str) -> Option<&'a str> {
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
    if let Some(at) = lower.rfind(BARE) {
        return Some(&text[at + BARE.len()..]);
    }
    // A name of code, as `analysisResult`, is one.
    let first = rest.split(|c: char| !c.is_alphabetic()).next()?;
    FIRST_WORDS.contains(&first).then_some("")
}

/// How the thoughts of gpt-oss begin.
const FIRST_WORDS: [&str; 12] = [
    "The", "We", "User", "Need", "They", "This", "I", "It", "Let", "Okay", "So", "First",
];
