//! Preferences whose columns say which of two responses is better, as published sets have
//! them.

use apo_hh::Role;
use serde_json::value::RawValue;

use crate::extra::{Extra, extra};
use crate::fault::Fault;
use crate::fields::{Fields, kind, number, text};
use crate::messages::{Conversation, Message, Text};
use crate::preference::Preference;
use crate::scores;

/// The columns of `HelpSteer3`: a dialogue, two responses to it, and from -3 to 3 how much
/// the second is better.
pub(crate) const HELP_STEER: [&str; 4] =
    ["context", "response1", "response2", "overall_preference"];

/// The columns of ms-swift's rows with the rejected response as a text; the chosen one ends
/// the messages.
pub(crate) const SWIFT_TEXT: [&str; 2] = ["messages", "rejected_response"];

/// The columns of ms-swift's rows with two whole conversations.
pub(crate) const SWIFT_MESSAGES: [&str; 2] = ["messages", "rejected_messages"];

/// The columns of the arena's votes with a prompt: what people said, and what each of two
/// models answered, turn by turn.
pub(crate) const ARENA: [&str; 5] = [
    "prompt",
    "response_a",
    "response_b",
    "winner_model_a",
    "winner_model_b",
];

/// The columns of the arena's votes with two whole conversations.
pub(crate) const ARENA_CONVERSATIONS: [&str; 3] = ["conversation_a", "conversation_b", "winner"];

/// Reads a preference; `None` if the record has none of these forms.
///
/// # Errors
///
/// When a field is malformed, or belongs to the query and is not read.
pub(crate) fn preference(found: &Fields<'_>) -> Result<Option<Preference>, Fault> {
    if let Some(values) = all(found, HELP_STEER) {
        return help_steer(found, values).map(Some);
    }
    for names in [SWIFT_TEXT, SWIFT_MESSAGES] {
        if let Some([messages, rejected]) = all(found, names) {
            return swift(found, messages, (names[1], rejected)).map(Some);
        }
    }
    if let Some(values) = all(found, ARENA) {
        return arena(found, values).map(Some);
    }
    if let Some(values) = all(found, ARENA_CONVERSATIONS) {
        return conversations(found, values).map(Some);
    }
    Ok(None)
}

/// Returns fields, if none of them is missing.
fn all<'a, const N: usize>(found: &Fields<'a>, names: [&str; N]) -> Option<[&'a RawValue; N]> {
    let values: Vec<&RawValue> = names.iter().filter_map(|it| found.get(it)).collect();
    values.try_into().ok()
}

/// Makes a preference of two responses, without a margin; `lead` says by how much the second
/// is better.
fn of_two(prompt: Option<Text>, [first, second]: [Text; 2], lead: f64) -> Preference {
    let (chosen, rejected) = if lead > 0.0 {
        (second, first)
    } else {
        (first, second)
    };
    Preference {
        prompt,
        chosen,
        rejected,
        score_chosen: Some(lead.abs()),
        score_rejected: Some(0.0),
        margin: None,
        extra: Extra::default(),
    }
}

fn help_steer(
    found: &Fields<'_>,
    [context, first, second, lead]: [&RawValue; 4],
) -> Result<Preference, Fault> {
    let prompt = Text::read(HELP_STEER[0], context)?;
    let response = |name, value| -> Result<Text, Fault> {
        let message = Message {
            role: Role::Assistant,
            content: text(name, value)?,
        };
        Ok(Text::Messages(Conversation {
            messages: vec![message],
            ..Conversation::default()
        }))
    };
    let responses = [
        response(HELP_STEER[1], first)?,
        response(HELP_STEER[2], second)?,
    ];
    let lead = number(HELP_STEER[3], lead)?;
    let used = [&HELP_STEER[..], &["individual_preference", "domain"]].concat();
    let mut extra = extra(found, &used, &prompt.plain_text())?;
    extra.add(prompt.unused());
    Ok(Preference {
        margin: Some(lead.abs()),
        extra,
        ..of_two(Some(prompt), responses, lead)
    })
}

fn swift(
    found: &Fields<'_>,
    messages: &RawValue,
    (name, rejected): (&str, &RawValue),
) -> Result<Preference, Fault> {
    let chosen = Conversation::read("messages", messages)?;
    let rejected = if name == SWIFT_TEXT[1] {
        let mut other = chosen.clone();
        // The caller says so if there is no last message, or it is the human's.
        other.messages.pop();
        other.messages.push(Message {
            role: Role::Assistant,
            content: text(name, rejected)?,
        });
        other
    } else {
        Conversation::read(name, rejected)?
    };
    let scores = scores::read(found)?;
    let used = [&["messages", name][..], &scores.used].concat();
    let mut extra = extra(found, &used, &chosen.query())?;
    extra.add(&chosen.unused);
    Ok(Preference {
        prompt: None,
        chosen: Text::Messages(chosen),
        rejected: Text::Messages(rejected),
        score_chosen: scores.chosen,
        score_rejected: scores.rejected,
        margin: scores.difference(),
        extra,
    })
}

fn arena(
    found: &Fields<'_>,
    [prompt, first, second, first_wins, second_wins]: [&RawValue; 5],
) -> Result<Preference, Fault> {
    let asked = turns(ARENA[0], prompt)?;
    let conversation = |name, value| {
        let answers = turns(name, value)?;
        if answers.len() != asked.len() {
            return Err(Fault::malformed(format!(
                "`{name}` has {} turns, `prompt` {}",
                answers.len(),
                asked.len()
            )));
        }
        let both = asked.iter().zip(answers);
        let messages = both.flat_map(|(asked, answer)| {
            [(Role::Human, asked.clone()), (Role::Assistant, answer)]
                .map(|(role, content)| Message { role, content })
        });
        Ok(Text::Messages(Conversation {
            messages: messages.collect(),
            ..Conversation::default()
        }))
    };
    let responses = [
        conversation(ARENA[1], first)?,
        conversation(ARENA[2], second)?,
    ];
    let lead = vote(ARENA[4], second_wins)? - vote(ARENA[3], first_wins)?;
    let used = [&ARENA[..], &["winner_tie", "model_a", "model_b"]].concat();
    Ok(Preference {
        extra: extra(found, &used, &asked.join("\n\n"))?,
        ..of_two(None, responses, lead)
    })
}

/// Parses a vote: a truth value, or a number.
fn vote(name: &str, value: &RawValue) -> Result<f64, Fault> {
    match value.get() {
        "true" => Ok(1.0),
        "false" => Ok(0.0),
        _ => number(name, value),
    }
}

/// Returns the texts of a list, which may be JSON in a text. An empty reply is null there.
fn turns(name: &str, value: &RawValue) -> Result<Vec<String>, Fault> {
    let quoted = match kind(value) {
        "a text" => text(name, value)?,
        _ => value.get().to_owned(),
    };
    let found: Result<Vec<&RawValue>, _> = serde_json::from_str(&quoted);
    let found = found.map_err(|_| {
        Fault::malformed(format!(
            "`{name}` is not a list of texts, or JSON of such a list"
        ))
    })?;
    let texts = found.into_iter().map(|it| match kind(it) {
        "null" => Ok(String::new()),
        _ => text(name, it),
    });
    texts.collect()
}

fn conversations(
    found: &Fields<'_>,
    [first, second, winner]: [&RawValue; 3],
) -> Result<Preference, Fault> {
    let [name, other, last] = ARENA_CONVERSATIONS;
    let first = Conversation::read(name, first)?;
    let second = Conversation::read(other, second)?;
    let winner = text(last, winner)?;
    let lead = match winner.as_str() {
        "model_a" => -1.0,
        "model_b" => 1.0,
        it if it.starts_with("tie") || it == "both_bad" => 0.0,
        it => {
            let it: String = it.chars().take(40).collect();
            return Err(Fault::malformed(format!(
                "`{last}` is `{it}`, expected model_a, model_b, tie or both_bad"
            )));
        }
    };
    let mut used = ARENA_CONVERSATIONS.to_vec();
    // Who voted, and on what occasion.
    used.extend([
        "question_id",
        "model_a",
        "model_b",
        "judge",
        "turn",
        "anony",
        "tstamp",
        "openai_moderation",
        "toxic_chat_tag",
    ]);
    let mut extra = extra(found, &used, &first.query())?;
    extra.add(&first.unused);
    Ok(Preference {
        extra,
        ..of_two(None, [first, second].map(Text::Messages), lead)
    })
}
