//! A raw record as pairs of the tables, or why it is none.

use apo_dialogue::hh::{self, Role, Split};
use apo_tables::Pair;
use apo_tables::import::{Comparison, Message, Preference, Record, Text, parse};

/// The reason of a record that is not what it should be.
pub const MALFORMED: &str = "malformed";

/// The reason of a preference that its own scores do not make.
const SAME_SCORE: &str = "same_score";

/// Begins a human turn of the authors' dialogues outside of HH.
const HEADED_HUMAN: &str = "## Human:";

/// Begins an assistant's turn there, after a blank line.
const HEADED_ASSISTANT: &str = "\n\n## Assistant:";

/// Ends Alpaca's prompt, where the response is to follow.
const ALPACA_RESPONSE: &str = "### Response:";

/// Reads a record: a preference is one pair, a comparison one for each two of
/// its answers.
///
/// Each is a pair, or the reason why not, as the rejects table names it.
pub fn pairs(record: &Record, subset: &str) -> Vec<Result<Pair, &'static str>> {
    // Preferences first, so that the other forms cost HH's rows nothing.
    if let Ok(preference) = parse::<Preference>(record) {
        return vec![pair(&preference, subset)];
    }
    let comparison = parse::<Comparison>(record).map_err(|_| MALFORMED);
    match comparison.and_then(preferences) {
        Ok(preferences) => preferences.iter().map(|it| pair(it, subset)).collect(),
        Err(reason) => vec![Err(reason)],
    }
}

/// Cuts and cleans a preference.
fn pair(preference: &Preference, subset: &str) -> Result<Pair, &'static str> {
    let scores = (preference.score_chosen, preference.score_rejected);
    if scores.0.is_some() && scores.0 == scores.1 {
        return Err(SAME_SCORE);
    }
    let chosen = text(&preference.chosen)?;
    let rejected = text(&preference.rejected)?;
    let prompt = preference.prompt.as_ref().map(prompt).transpose()?;
    let split = match &prompt {
        None => hh::split_pair(&chosen, &rejected),
        // Responses may repeat the prompt, as TRL's conversational rows can.
        Some(prompt) => {
            let after = |response| str::strip_prefix(response, prompt.as_str()).unwrap_or(response);
            hh::split_at_prompt(prompt, answer(after(&chosen)), answer(after(&rejected)))
        }
    };
    let Split {
        prompt,
        chosen,
        rejected,
    } = split.map_err(hh::Fault::as_str)?;
    Ok(Pair {
        query_id: hh::query_id(prompt),
        pair_id: hh::pair_id(prompt, chosen, rejected),
        subset: subset.to_owned(),
        prompt: prompt.to_owned(),
        chosen: chosen.to_owned(),
        rejected: rejected.to_owned(),
    })
}

/// The preferences between the answers of a comparison, each two in order;
/// equal scores are left to [`pair`] to reject.
fn preferences(comparison: Comparison) -> Result<Vec<Preference>, &'static str> {
    let (prompt, answers): (Option<String>, Vec<(String, f64)>) = match comparison {
        Comparison::WebGpt {
            question,
            answer_0,
            answer_1,
            score_0,
            score_1,
        } => {
            let answers = vec![(answer_0, score_0), (answer_1, score_1)];
            (Some(question.full_text), answers)
        }
        Comparison::WebGptList(answers) => {
            let question = answers.first().ok_or(MALFORMED)?.question.clone();
            if answers.iter().any(|it| it.question != question) {
                return Err(MALFORMED);
            }
            let answers = answers.into_iter().map(|it| (it.answer, it.score));
            (Some(question.full_text), answers.collect())
        }
        Comparison::Dialogues { text, score } => {
            if text.len() != score.len() {
                return Err(MALFORMED);
            }
            let dialogues = text.into_iter().map(dialogue);
            (None, dialogues.zip(score).collect())
        }
        Comparison::Gpt4Llm {
            user_input,
            completion_a,
            completion_b,
        } => {
            let answers = vec![(completion_a, 1.0), (completion_b, 0.0)];
            (Some(alpaca_prompt(&user_input)), answers)
        }
        Comparison::Gpt4LlmScored {
            user_input,
            responses_and_scores,
        } => {
            let answers = responses_and_scores.into_iter();
            let answers = answers.map(|it| (it.response, it.score));
            (Some(alpaca_prompt(&user_input)), answers.collect())
        }
    };
    if answers.len() < 2 {
        return Err(MALFORMED);
    }
    let mut preferences = Vec::new();
    for (i, first) in answers.iter().enumerate() {
        for second in &answers[i + 1..] {
            let (better, worse) = if first.1 < second.1 {
                (second, first)
            } else {
                (first, second)
            };
            preferences.push(Preference {
                prompt: prompt.clone().map(Text::Plain),
                chosen: Text::Plain(better.0.clone()),
                rejected: Text::Plain(worse.0.clone()),
                score_chosen: Some(better.1),
                score_rejected: Some(worse.1),
            });
        }
    }
    Ok(preferences)
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

/// A response that came as a conversation of one assistant message.
fn answer(text: &str) -> &str {
    text.strip_prefix(hh::ASSISTANT).unwrap_or(text)
}

/// Whose message it is; a system message is no part of a dialogue.
fn role(message: &Message) -> Result<Option<Role>, &'static str> {
    match message.role.as_str() {
        "user" | "human" => Ok(Some(Role::Human)),
        "assistant" | "gpt" => Ok(Some(Role::Assistant)),
        "system" => Ok(None),
        _ => Err(MALFORMED),
    }
}

/// A conversation as HH writes it, without an open end.
fn text(text: &Text) -> Result<String, &'static str> {
    let messages = match text {
        Text::Plain(text) => return Ok(text.clone()),
        Text::Messages(messages) => messages,
    };
    let mut turns = Vec::with_capacity(messages.len());
    for message in messages {
        if let Some(role) = role(message)? {
            turns.push((role, message.content.as_str()));
        }
    }
    let open = hh::prompt_of(turns);
    Ok(open.strip_suffix(hh::ASSISTANT).unwrap_or(&open).to_owned())
}

/// A prompt in HH's form: as it is, or one question, or a conversation.
fn prompt(text: &Text) -> Result<String, &'static str> {
    match text {
        Text::Plain(text) => Ok(hh::as_prompt(text)),
        Text::Messages(_) => Ok(self::text(text)? + hh::ASSISTANT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Pair, &'static str> {
        let json = json.as_bytes().to_vec();
        let mut pairs = pairs(&Record { line: 1, json }, "s");
        assert_eq!(pairs.len(), 1);
        pairs.remove(0)
    }

    #[test]
    fn all_forms_give_the_same_pair() {
        let hh = r#"{"chosen": "\n\nHuman: a?\n\nAssistant: yes", "rejected": "\n\nHuman: a?\n\nAssistant: no"}"#;
        let expected = read(hh).unwrap();
        assert_eq!(expected.prompt, "\n\nHuman: a?\n\nAssistant:");
        for json in [
            r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "score": 3}"#,
            r#"{"prompt": "\n\nHuman: a?\n\nAssistant:", "chosen": " yes", "rejected": "no"}"#,
            r#"{"prompt": "\n\nHuman: a?\n\nAssistant: ", "chosen": "yes", "rejected": "no"}"#,
            r#"{"prompt": "Human: a?", "chosen": "yes", "rejected": "no"}"#,
            r#"{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a?"}],
                "chosen": [{"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "assistant", "content": "no"}]}"#,
            r#"{"prompt": [{"role": "user", "content": "a?"}],
                "chosen": [{"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "assistant", "content": "no"}]}"#,
            r#"{"chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}"#,
            r#"{"prompt": "a?",
                "chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}"#,
        ] {
            assert_eq!(read(json), Ok(expected.clone()), "{json}");
        }
    }

    #[test]
    fn all_forms_of_a_comparison_give_the_same_pair() {
        let expected = read(r#"{"prompt": "a?", "chosen": "yes", "rejected": "no"}"#).unwrap();
        for json in [
            r#"{"question": {"dataset": "eli5", "id": "1", "full_text": "a?\n\n"},
                "quotes_0": {"title": [], "extract": []},
                "answer_0": "no", "answer_1": "yes", "score_0": -0.5, "score_1": 0.5}"#,
            r#"[{"question": {"full_text": "a?"}, "answer": "yes", "score": 1},
                {"question": {"full_text": "a?"}, "answer": "no", "score": -1}]"#,
            r###"{"text": ["## Human:\na?\n\n\n\n## Assistant:\n no",
                        "## Human:\na?\n\n\n\n## Assistant:\nyes"], "score": [0.5, 1.5]}"###,
            r#"{"text": ["\n\nHuman: a?\n\nAssistant: yes",
                        "\n\nHuman: a?\n\nAssistant: no"], "score": [1.0, 0.0]}"#,
            r#"{"user_input": "a?\n\n### Response:", "completion_a": "yes", "completion_b": "no"}"#,
            r#"{"user_input": "a?", "completion_a": "yes", "completion_b": "no"}"#,
            r#"{"user_input": "a?", "responses_and_scores": [
                {"response": "no", "source": "icm-1.3b", "score": 0},
                {"response": "yes", "source": "gpt4", "score": 8.5}]}"#,
        ] {
            assert_eq!(read(json), Ok(expected.clone()), "{json}");
        }
    }

    #[test]
    fn headed_turns_are_turns() {
        let pair = read(
            r###"{"text": ["## Human:\na\n\n## Assistant:\nb\n\n## Human:\nc\n\n## Assistant:\nyes",
                        "## Human:\na\n\n## Assistant:\nb\n\n## Human:\nc\n\n## Assistant:\nno"],
                "score": [2.0, 0.0]}"###,
        );
        let pair = pair.unwrap();
        let prompt = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:";
        assert_eq!(pair.prompt, prompt);
        assert_eq!((&*pair.chosen, &*pair.rejected), ("yes", "no"));
    }

    #[test]
    fn each_two_of_several_answers_are_a_pair() {
        let json = r#"{"user_input": "a?", "responses_and_scores": [
            {"response": "good", "score": 7}, {"response": "best", "score": 9},
            {"response": "", "score": 1}, {"response": "fine", "score": 7.0}]}"#;
        let json = json.as_bytes().to_vec();
        let mut reasons = Vec::new();
        let mut taken = Vec::new();
        for pair in pairs(&Record { line: 1, json }, "s") {
            match pair {
                Ok(pair) => taken.push(format!("{} > {}", pair.chosen, pair.rejected)),
                Err(reason) => reasons.push(reason),
            }
        }
        assert_eq!(taken, ["best > good", "best > fine"]);
        let empty = "empty_response";
        assert_eq!(reasons, [empty, SAME_SCORE, empty, empty]);
    }

    #[test]
    fn equal_scores_are_no_preference() {
        let scored = |chosen: f64, rejected: f64| {
            read(&format!(
                r#"{{"prompt": "a?", "chosen": "yes", "rejected": "no",
                    "score_chosen": {chosen:?}, "score_rejected": {rejected:?}}}"#
            ))
        };
        assert_eq!(scored(7.5, 7.5), Err(SAME_SCORE));
        assert!(scored(7.5, 7.0).is_ok());
        for json in [
            r#"{"question": {"full_text": "a?"}, "answer_0": "x", "answer_1": "y",
                "score_0": 0.0, "score_1": -0.0}"#,
            r#"{"text": ["\n\nHuman: a?\n\nAssistant: x",
                        "\n\nHuman: a?\n\nAssistant: y"], "score": [1, 1.0]}"#,
        ] {
            assert_eq!(read(json), Err(SAME_SCORE), "{json}");
        }
    }

    #[test]
    fn what_is_no_pair_is_malformed() {
        for json in [
            "",
            "{",
            "[]",
            r#"{"chosen": "x"}"#,
            r#"{"chosen": "x", "rejected": 3}"#,
            r#"{"chosen": [{"role": "tool", "content": "x"}], "rejected": "y"}"#,
            r#"{"question": {"full_text": "a?"}, "answer_0": "x", "answer_1": "y", "score_0": 1.0}"#,
            r#"[{"question": {"full_text": "a?"}, "answer": "x", "score": 1.0}]"#,
            r#"[{"question": {"full_text": "a?"}, "answer": "x", "score": 1.0},
                {"question": {"full_text": "b?"}, "answer": "y", "score": -1.0}]"#,
            r#"{"text": ["x"], "score": [1.0]}"#,
            r#"{"text": ["x", "y"], "score": [1.0]}"#,
            r#"{"text": ["x", "y"], "score": [1.0, null]}"#,
            r#"{"user_input": "a?", "completion_a": "x"}"#,
            r#"{"user_input": "a?", "responses_and_scores": []}"#,
        ] {
            assert_eq!(read(json), Err(MALFORMED), "{json}");
        }
        let record = Record {
            line: 1,
            json: vec![b'"', 0xff, b'"'],
        };
        assert_eq!(pairs(&record, "s"), [Err(MALFORMED)]);
    }
}
