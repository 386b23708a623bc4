//! Tells a rendered prompt from a text that mentions or quotes a format's marks.

use apo_thought::is_open;

use super::formats::{Format, Kind, ROLE_TOKENS};

impl Format {
    /// Whether a text without white space around it is a prompt in this format.
    /// `is_introduced` says that a token which begins a text was before it, or a preamble
    /// of the format.
    pub(super) fn has(&self, text: &str, is_introduced: bool) -> bool {
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
            let inner = rest.strip_suffix(*token);
            inner.is_some_and(|inner| self.kind != Kind::Around || self.is_turn(begin, inner))
        };
        self.opens.iter().any(is_open)
            || self.ends.iter().any(is_ended)
            || self.is_within_answer(rest, is_introduced)
    }

    /// Whether the text between a first mark, which encloses texts, and a last token is
    /// one or more turns, and not a sentence that is about the mark or names the token.
    fn is_turn(&self, begin: &str, text: &str) -> bool {
        let may_be_mention = text.starts_with(' ') && !begin.ends_with(':');
        let mut opens = self.opens.iter().filter_map(|it| text.find(it));
        let is_answered = opens.any(|at| self.is_before_open(&text[..at]));
        !text.ends_with(' ') && !is_listed(text) && (is_answered || !may_be_mention)
    }

    /// Whether a text after its first mark ends within the assistant's turn, which the
    /// response is to continue. A token before one of the marks, or text directly around
    /// the last one, shows that no sentence is about the marks.
    fn is_within_answer(&self, rest: &str, is_introduced: bool) -> bool {
        let found = self
            .opens
            .iter()
            .filter_map(|it| Some((rest.rfind(it)?, it.len())));
        let Some((at, length)) = found.max() else {
            return false;
        };
        let (before, opened) = rest.split_at(at);
        let (mark, answer) = opened.split_at(length);
        let mut marks = self.begins.iter().chain(self.ends);
        self.is_before_open(before)
            && begins_answer(mark, answer)
            && !marks.any(|it| answer.contains(it))
            && (is_introduced || self.ends_turns(rest) || is_wedged(before, answer))
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
    pub(super) fn has_behind_system(&self, text: &str, is_begun: bool) -> bool {
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
            Kind::Inline => before.ends_with(char::is_whitespace) && !is_unfinished(before),
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
    let Some(rest) = text.trim_end().strip_suffix(['.', '!']) else {
        return false;
    };
    let last = rest
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
    is_begun && is_closed && !is_unfinished(text) && !text.contains("```") && !text.contains("</s>")
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
/// sentence about the mark continues: after a name that is not a token there is a line break
/// or a token, after a token neither a space nor a sign of punctuation.
fn begins_answer(mark: &str, answer: &str) -> bool {
    if mark.ends_with(char::is_alphabetic) {
        return answer.starts_with(['\n', '\r', '<']);
    }
    if mark.ends_with('>') || mark.ends_with("|]") {
        return !answer.starts_with([' ', ',', ';', '.', ':', ')', '/']);
    }
    !is_listed(answer)
}

/// Whether a mark between these texts has words directly before and after it: a
/// sentence that mentions a mark leaves space around it.
fn is_wedged(before: &str, after: &str) -> bool {
    let is_end = |c: char| c.is_alphanumeric() || matches!(c, '.' | '!' | '?' | '…' | '。');
    before.ends_with(is_end) && after.starts_with(|c: char| c.is_alphanumeric() || "*#".contains(c))
}

/// Whether what follows this text belongs to its last sentence.
pub(super) fn is_unfinished(text: &str) -> bool {
    text.trim_end().ends_with(':') || is_open(text)
}
