//! A raw record as a pair of the tables, or why it is none.

use apo_dialogue::hh::{self, Role, Split};
use apo_tables::Pair;
use apo_tables::import::{Message, Preference, Record, Text, parse};

/// The reason of a record that is not what it should be.
pub const MALFORMED: &str = "malformed";

/// The reason of a preference that its own scores do not make.
const SAME_SCORE: &str = "same_score";

/// Reads a record.
///
/// # Errors
///
/// The reason, as the rejects table names it.
pub fn pair(record: &Record, subset: &str) -> Result<Pair, &'static str> {
    let preference: Preference = parse(record).map_err(|_| MALFORMED)?;
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
        pair(&Record { line: 1, json }, "s")
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
    fn equal_scores_are_no_preference() {
        let scored = |chosen: f64, rejected: f64| {
            read(&format!(
                r#"{{"prompt": "a?", "chosen": "yes", "rejected": "no",
                    "score_chosen": {chosen:?}, "score_rejected": {rejected:?}}}"#
            ))
        };
        assert_eq!(scored(7.5, 7.5), Err(SAME_SCORE));
        assert!(scored(7.5, 7.0).is_ok());
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
        ] {
            assert_eq!(read(json), Err(MALFORMED), "{json}");
        }
        let record = Record {
            line: 1,
            json: vec![b'"', 0xff, b'"'],
        };
        assert_eq!(pair(&record, "s"), Err(MALFORMED));
    }
}
