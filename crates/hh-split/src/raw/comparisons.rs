//! Comparisons of two or more answers as preferences.

use apo_dialogue::hh;
use apo_tables::import::{Asked, Comparison, Preference, Text};

/// Begins a human turn of the authors' dialogues outside of HH.
const HEADED_HUMAN: &str = "## Human:";

/// Begins an assistant's turn there, after a blank line.
const HEADED_ASSISTANT: &str = "\n\n## Assistant:";

/// Ends Alpaca's prompt, where the response is to follow.
const ALPACA_RESPONSE: &str = "### Response:";

/// The preferences between the answers of a comparison, each two in order;
/// equal scores are left to the caller to reject.
pub(super) fn preferences(comparison: Comparison) -> Vec<Preference> {
    let mut answers = comparison.answers;
    let prompt = match comparison.asked {
        Asked::Question(question) => Some(question),
        Asked::Instruction(instruction) => Some(alpaca_prompt(&instruction)),
        Asked::Dialogues => {
            for answer in &mut answers {
                let text = std::mem::take(&mut answer.text);
                answer.text = dialogue(text);
            }
            None
        }
    };
    let mut preferences = Vec::new();
    for (i, first) in answers.iter().enumerate() {
        for second in &answers[i + 1..] {
            let (better, worse) = if first.score < second.score {
                (second, first)
            } else {
                (first, second)
            };
            preferences.push(Preference {
                prompt: prompt.clone().map(Text::Plain),
                chosen: Text::Plain(better.text.clone()),
                rejected: Text::Plain(worse.text.clone()),
                score_chosen: Some(better.score),
                score_rejected: Some(worse.score),
                beside: comparison.beside.clone(),
            });
        }
    }
    preferences
}

/// A dialogue of the authors' as HH writes it: as it is, or with HH's markers
/// in place of headings.
fn dialogue(text: String) -> String {
    if !text.starts_with(HEADED_HUMAN) {
        return text;
    }
    let text = format!("\n\n{text}")
        .replace(&format!("\n\n{HEADED_HUMAN}"), hh::HUMAN)
        .replace(HEADED_ASSISTANT, hh::ASSISTANT);
    match text.rsplit_once(hh::ASSISTANT) {
        None => text,
        // The turns are stripped, so that the query is the one that the same
        // question makes in the other forms.
        Some((query, response)) => {
            let turns = hh::turns(query);
            hh::prompt_of(turns.iter().map(|turn| (turn.role, turn.text.as_str()))) + response
        }
    }
}

/// An Alpaca prompt without its open end, which a query has of its own and
/// the second version of GPT4LLM lacks.
fn alpaca_prompt(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_suffix(ALPACA_RESPONSE).unwrap_or(text);
    text.to_owned()
}
