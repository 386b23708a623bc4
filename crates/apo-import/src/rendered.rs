//! Recognises texts that another program rendered for a model: in its chat template,
//! or in a format of turns that is not HH's. As plain text such a prompt would be one
//! human turn, with marks in it that the model's own template does not have.
//!
//! A text is rendered only if it begins with a mark of the format and ends where the
//! assistant is to answer, with a token that ends a turn, or within the assistant's turn,
//! each as the format writes it. A system text may come before the first mark if a token
//! that begins a text is before it, or in a format whose marks are words on one line. A
//! text that mentions or quotes such marks is not rendered.

mod formats;
mod recognise;

use std::path::Path;

use self::formats::{BEGINNINGS, FORMATS, PREAMBLE_ENDS, PREAMBLES, RESPONSE, THOUGHTS};
use self::recognise::is_unfinished;

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

/// Returns the name of the format that a prompt is rendered in; `None` for plain text
/// and for dialogues in HH's form.
pub(crate) fn format_of(prompt: &str) -> Option<&'static str> {
    let begin = without(BEGINNINGS, prompt, |text, mark| text.strip_prefix(mark));
    let text = without(THOUGHTS, begin, |text, mark| text.strip_suffix(mark));
    let is_dialogue =
        text.starts_with(apo_hh::HUMAN.trim_start()) || apo_hh::without_system(text).is_some();
    if text.ends_with(apo_hh::ASSISTANT) && is_dialogue {
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
        (is_plain && !is_unfinished(asked)).then_some("Alpaca's or WizardLM's template")
    })
}

/// Returns the length of the preamble that a text begins with, up to the first mark of
/// its format.
fn preamble(text: &str) -> usize {
    let found = PREAMBLES.iter().find(|it| text.starts_with(it.0));
    let mark = found.and_then(|it| it.1.iter().filter_map(|mark| text.find(mark)).min());
    mark.unwrap_or_default()
}

/// Returns a text without white space and without these marks around it; `strip` removes
/// one mark.
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
mod tests;
