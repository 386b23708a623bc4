//! The judge's prompt (APO appendix B) and its replies.

use apo_endpoint::{Message, Request, Role};
use apo_measures::Verdict;

use crate::pairing::Pairing;

const TEMPLATE: &str = include_str!("../../../../pipelines/prompts/judge-compare.txt");

/// The policy whose response the judge sees first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    A,
    B,
}

/// Returns the request that shows the responses in one order. The names stay
/// with the policies: a verdict means the same in both orders.
///
/// `attempt` distinguishes requests that are otherwise the same.
pub fn request(pairing: &Pairing, first: First, judge: &Judge, attempt: u64) -> Request {
    let a = ("model_A", pairing.a.as_str());
    let b = ("model_B", pairing.b.as_str());
    let (first, second) = match first {
        First::A => (a, b),
        First::B => (b, a),
    };
    let content = fill(&[
        ("{dialog_history}", pairing.dialogue()),
        ("{first}", first.0),
        ("{second}", second.0),
        ("{response_of_first}", first.1),
        ("{response_of_second}", second.1),
    ]);
    Request {
        temperature: judge.temperature,
        max_tokens: judge.max_tokens,
        seed: (attempt > 0).then_some(attempt),
        ..Request::new(&judge.model, vec![Message::new(Role::User, content)])
    }
}

/// The judge and its sampling settings.
#[derive(Clone, Debug)]
pub struct Judge {
    pub model: String,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
}

/// Fills the template in one pass, so that nothing in a response is a slot.
fn fill(slots: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = TEMPLATE.trim_end();
    loop {
        let found = slots
            .iter()
            .filter_map(|slot| Some((rest.find(slot.0)?, slot)));
        let Some((at, (slot, value))) = found.min_by_key(|it| it.0) else {
            return text + rest;
        };
        text += &rest[..at];
        text += value;
        rest = &rest[at + slot.len()..];
    }
}

/// Words that may precede a verdict without changing it, as in `Final answer:
/// [[model_A]] is better`. With any other word, such as "not", the line is not a
/// verdict.
const LEADS: &[&str] = &[
    "a",
    "answer",
    "are",
    "as",
    "assessment",
    "both",
    "choice",
    "comparison",
    "conclude",
    "conclusion",
    "decision",
    "evaluation",
    "final",
    "finally",
    "hence",
    "i",
    "in",
    "is",
    "it",
    "judge",
    "judgement",
    "judgment",
    "models",
    "my",
    "of",
    "overall",
    "response",
    "responses",
    "result",
    "say",
    "so",
    "summary",
    "that",
    "the",
    "therefore",
    "they",
    "thus",
    "verdict",
    "would",
];

/// Reads the verdict of a reply. Its last line that is not empty must be one of the
/// four sentences, whatever the white space, case, brackets, emphasis and the
/// punctuation at the end. Words that only announce the verdict may precede it, and
/// the other model may follow. Anything else is invalid.
pub fn verdict(reply: &str) -> Verdict {
    let Some(line) = last_line(reply) else {
        return Verdict::Invalid;
    };
    let words = line
        .trim()
        .trim_matches(['*', '_', '`', '#', '>', '"', ' ']);
    let words = words.trim_end_matches(['.', ',', ';', '!', '*', '_', '`', '"', ' ']);
    let words = words
        .replace(['[', ']', '{', '}', '*', '`'], " ")
        .to_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let is_lead = |word: &&&str| {
        let word = word.trim_matches([':', ',', '.', '-', '–', '—', '"', '\'', '(', ')', '_']);
        word.is_empty() || LEADS.contains(&word)
    };
    let n_leads = words.iter().take_while(is_lead).count();
    match words[n_leads..].join(" ").trim_end_matches(',') {
        "model_a is better" | "model_a is better than model_b" => Verdict::A,
        "model_b is better" | "model_b is better than model_a" => Verdict::B,
        "equally good" | "equally bad" => Verdict::Same,
        _ => Verdict::Invalid,
    }
}

/// Returns the line of a reply that should contain the verdict.
pub fn last_line(reply: &str) -> Option<&str> {
    reply.lines().rev().find(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairing(a: &str) -> Pairing {
        Pairing {
            query_id: "q".into(),
            subset: "s".into(),
            prompt: "\n\nHuman: Hi. What is tea?\n\nAssistant:".into(),
            a: a.into(),
            b: "A drink.".into(),
        }
    }

    fn content(a: &str, first: First) -> String {
        let judge = Judge {
            model: "m".into(),
            temperature: Some(0.0),
            max_tokens: None,
        };
        let request = request(&pairing(a), first, &judge, 0);
        request.messages[0].content.clone()
    }

    #[test]
    fn the_names_stay_with_the_policies_and_the_places_are_swapped() {
        let plain = content("Leaves.", First::A);
        let swapped = content("Leaves.", First::B);
        assert!(plain.contains("Here is a conversation:\nHuman: Hi. What is tea?\nHere are"));
        assert!(plain.contains("[[model_A]]: Leaves.\n[[model_B]]: A drink.\n"));
        assert!(swapped.contains("[[model_B]]: A drink.\n[[model_A]]: Leaves.\n"));
        assert!(swapped.contains("two models model_B, model_A:"));
    }

    #[test]
    fn a_response_that_names_a_slot_stays_as_it_is() {
        let text = content("{response_of_second} {first}", First::A);
        assert!(text.contains("[[model_A]]: {response_of_second} {first}\n"));
        assert_eq!(text.matches("A drink.").count(), 1);
    }

    #[test]
    fn a_verdict_is_one_of_four_sentences_on_the_last_line() {
        for (reply, expected) in [
            ("It is clear.\n[[model_A]] is better", Verdict::A),
            ("So:\n\n**[model_B] is better.**\n\n", Verdict::B),
            ("model_A IS  better,", Verdict::A),
            ("_Equally good_", Verdict::Same),
            ("> `equally bad.`", Verdict::Same),
            ("", Verdict::Invalid),
            ("\n \n", Verdict::Invalid),
            // What a response quotes changes nothing.
            (
                "It says \"[[model_A]] is better\".\nequally good",
                Verdict::Same,
            ),
            ("[[model_A]] is better\nI cannot decide.", Verdict::Invalid),
            ("Final answer: [[model_A]] is better", Verdict::A),
            ("**Final Answer:** [[model_B]] is better.", Verdict::B),
            ("Final verdict - model_B is better", Verdict::B),
            ("Therefore, [[model_A]] is better.", Verdict::A),
            ("So, in conclusion, model_A is better", Verdict::A),
            ("[[model_A]] is better than [[model_B]]", Verdict::A),
            ("Both responses are equally good.", Verdict::Same),
            ("My judgment: equally bad", Verdict::Same),
            ("Final answer: [[model_A]] is not better", Verdict::Invalid),
            ("It is not that [[model_A]] is better", Verdict::Invalid),
            ("I cannot say that [[model_A]] is better", Verdict::Invalid),
            (
                "Final answer: model_A is better or equally good",
                Verdict::Invalid,
            ),
            ("[[model_A]] is better than [[model_A]]", Verdict::Invalid),
            ("[[model_A]] is better in length", Verdict::Invalid),
            ("Not equally good", Verdict::Invalid),
            ("Is [[model_A]] is better?", Verdict::Invalid),
            ("Final answer: [[model_A]]", Verdict::Invalid),
            (
                "[[model_A]] is better, [[model_B]] is better",
                Verdict::Invalid,
            ),
            ("[[model_A]] is not better", Verdict::Invalid),
            ("model A is better", Verdict::Invalid),
        ] {
            assert_eq!(verdict(reply), expected, "{reply:?}");
        }
    }
}
