//! Answers to learn from, without what models and servers leave around them.

use apo_stage::warn;
use apo_tables::Response;
use apo_thought::{is_doubtful, parted};
use serde::Serialize;

/// Counts of answers that were changed, or may have to be.
#[derive(Debug, Default, Serialize)]
pub struct Cleaned {
    /// Answers from which a thought was removed.
    thoughts_removed: u64,
    /// Answers that are only thoughts or special tokens, and left out.
    only_thoughts: u64,
    /// Answers that may contain a thought or a special token, and were kept.
    thoughts_kept: u64,
    /// Answers from which special tokens around them were removed.
    tokens_removed: u64,
}

impl Cleaned {
    /// Returns an answer without its thoughts and special tokens, or `None` if nothing
    /// else is in it.
    pub fn answer<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        self.rest_of_answer(text, false)
    }

    /// As [`Self::answer`], for an answer from which a reader has already removed special
    /// tokens, if it `had_tokens`.
    pub fn rest_of_answer<'a>(&mut self, text: &'a str, had_tokens: bool) -> Option<&'a str> {
        let found = parted(text);
        if found.answer.trim().is_empty() && !text.trim().is_empty() {
            self.only_thoughts += 1;
            return None;
        }
        self.thoughts_removed += u64::from(found.has_thought);
        self.tokens_removed += u64::from(found.has_tokens || had_tokens);
        self.thoughts_kept += u64::from(is_doubtful(found.answer));
        Some(if found.answer.len() == text.len() {
            text
        } else {
            found.answer.trim()
        })
    }

    /// Cleans a golden answer as [`Self::answer`] does. Returns whether anything is left.
    pub fn golden(&mut self, response: &mut Response) -> bool {
        let Some(answer) = self.answer(&response.response) else {
            return false;
        };
        if answer.len() < response.response.len() {
            response.response = answer.to_owned();
        }
        true
    }

    /// Returns how many answers were left out.
    pub fn left_out(&self) -> u64 {
        self.only_thoughts
    }

    /// Warns of changed and of doubtful answers.
    pub fn warn(&self) {
        let counted = |n: u64, one: &str, more: &str| match n {
            0 => {}
            1 => warn(&format!("1 answer {one}")),
            n => warn(&format!("{n} answers {more}")),
        };
        counted(
            self.thoughts_removed,
            "begins with a thought, such as `<think>…</think>`, which was removed",
            "begin with a thought, such as `<think>…</think>`, which was removed",
        );
        counted(
            self.only_thoughts,
            "is only a thought or special tokens, and left out",
            "are only thoughts or special tokens, and left out",
        );
        counted(
            self.tokens_removed,
            "had special tokens around it, such as `</s>`, which were removed: training adds the \
             model's own",
            "had special tokens around them, such as `</s>`, which were removed: training adds the \
             model's own",
        );
        counted(
            self.thoughts_kept,
            "contains what may be a thought, a mark of one, or a special token; it is kept as it is",
            "contain what may be a thought, a mark of one, or a special token; they are kept as they \
             are",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_counted_by_what_was_around_it() {
        let mut cleaned = Cleaned::default();
        for (text, expected) in [
            ("Yes.", Some("Yes.")),
            (" Yes. ", Some(" Yes. ")),
            ("<think>Hm.</think>\n\nYes.", Some("Yes.")),
            ("<think>\n\n</think>\n\nYes.", Some("Yes.")),
            ("<think>Hm.", None),
            ("<think></think>", None),
            ("</s>", None),
            ("", Some("")),
            ("Yes.</s>", Some("Yes.")),
            (
                "Sure. <think>Hm.</think> Yes.",
                Some("Sure. <think>Hm.</think> Yes."),
            ),
            ("yes </s>", Some("yes </s>")),
        ] {
            assert_eq!(cleaned.answer(text), expected, "{text:?}");
        }
        let counts = [
            cleaned.thoughts_removed,
            cleaned.only_thoughts,
            cleaned.tokens_removed,
            cleaned.thoughts_kept,
        ];
        assert_eq!(counts, [1, 3, 1, 2]);
    }
}
