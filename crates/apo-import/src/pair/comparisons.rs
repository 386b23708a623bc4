//! Turns comparisons of two or more answers into preferences.

use crate::comparison::{Asked, ScoredAnswers};
use crate::messages::Text;
use crate::preference::Preference;

/// Begins a human turn in the authors' dialogues outside HH.
const HEADED_HUMAN: &str = "## Human:";

/// Begins an assistant's turn in them, after a blank line.
const HEADED_ASSISTANT: &str = "\n\n## Assistant:";

/// Ends Alpaca's prompt; the response follows it.
const ALPACA_RESPONSE: &str = "### Response:";

/// Returns the preferences between the answers of a comparison, for every two in
/// order; the caller rejects equal scores.
pub(super) fn preferences(comparison: ScoredAnswers) -> Vec<Preference> {
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
                margin: comparison.has_scores.then_some(better.score - worse.score),
                extra: comparison.extra.clone(),
            });
        }
    }
    preferences
}

/// Returns a dialogue of the authors in HH's form: as it is, or with HH's markers
/// instead of headings.
fn dialogue(text: String) -> String {
    if !text.starts_with(HEADED_HUMAN) {
        return text;
    }
    let text = format!("\n\n{text}")
        .replace(&format!("\n\n{HEADED_HUMAN}"), apo_hh::HUMAN)
        .replace(HEADED_ASSISTANT, apo_hh::ASSISTANT);
    match text.rsplit_once(apo_hh::ASSISTANT) {
        None => text,
        // The turns are stripped, so that the query is the same as in the other
        // forms.
        Some((query, response)) => {
            let turns = apo_hh::turns(query);
            apo_hh::prompt_of(turns.iter().map(|turn| (turn.role, turn.text.as_str()))) + response
        }
    }
}

/// Returns an Alpaca prompt without its open end: a query has its own, and the
/// second version of GPT4LLM has none.
fn alpaca_prompt(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_suffix(ALPACA_RESPONSE).unwrap_or(text);
    text.to_owned()
}
