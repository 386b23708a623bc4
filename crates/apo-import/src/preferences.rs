//! Reads rows as preferences.
//!
//! A null field counts as missing. If a record has the fields of several forms, the
//! first form of [`FORMS`](crate::forms::FORMS) counts, and of several names the first.

use apo_hh::Role;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::columns::Columns;
use crate::comparison::{ScoredAnswers, comparison, list};
use crate::dialogue::as_dialogue;
use crate::extra::{Extra, extra};
use crate::fault::Fault;
use crate::fields::{self, Fields};
use crate::forms::{ANSWERS, ASKED, PREFERENCE_FORMS, QUERIES};
use crate::messages::{Text, is_quoted};
use crate::preference::Preference;
use crate::published;
use crate::query::{after_history, alpaca};
use crate::record::Record;
use crate::scores;

/// The preferences in a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Preferences {
    /// One response is preferred to another.
    Preference(Box<Preference>),
    /// Each of several answers is preferred to those with lower scores.
    ScoredAnswers(ScoredAnswers),
}

/// A row of HH: two texts and nothing else. Such rows are parsed in one pass.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialogues {
    chosen: String,
    rejected: String,
}

impl From<Dialogues> for Preference {
    fn from(Dialogues { chosen, rejected }: Dialogues) -> Self {
        Self {
            prompt: None,
            chosen: Text::Plain(chosen),
            rejected: Text::Plain(rejected),
            score_chosen: None,
            score_rejected: None,
            margin: None,
            extra: Extra::default(),
        }
    }
}

impl Preferences {
    /// Parses a record in one of the [documented](fn@crate::documentation) forms, whose
    /// fields may have other names.
    ///
    /// # Errors
    ///
    /// When it has another form, or is to be rejected.
    pub fn read(record: &Record, columns: &Columns) -> Result<Self, Fault> {
        fields::of(record, |text| {
            if text.trim_start().starts_with('[') {
                return list(text).map(Self::ScoredAnswers);
            }
            if columns.is_empty()
                && let Ok(dialogues) = serde_json::from_str::<Dialogues>(text)
                && !(is_quoted(&dialogues.chosen) && is_quoted(&dialogues.rejected))
            {
                return Ok(Self::Preference(Box::new(dialogues.into())));
            }
            let found = columns.apply(fields::object(text)?);
            for names in SIDES {
                if let [Some(chosen), Some(rejected)] = names.map(|it| found.get(it)) {
                    let sides = [(names[0], chosen), (names[1], rejected)];
                    return preference(&found, sides).map(|it| Self::Preference(Box::new(it)));
                }
            }
            if let Some(preference) = published::preference(&found)? {
                return Ok(Self::Preference(Box::new(preference)));
            }
            match comparison(&found)? {
                Some(comparison) => comparison.checked().map(Self::ScoredAnswers),
                None => Err(no_form(&found)),
            }
        })
    }
}

/// Says why a record is not a preference.
fn no_form(found: &Fields<'_>) -> Fault {
    let fields = format!("its fields are {}", found.names());
    if found.get("label").is_some() && ANSWERS.iter().any(|it| found.get(it).is_some()) {
        return Fault::malformed(format!(
            "is a response with a label (KTO's form), expected two responses, of which one is \
             better; {fields}"
        ));
    }
    // A field that many forms have says nothing of which one is meant.
    let n_told = |names: &&&[&str]| {
        let told = names.iter().filter(|it| found.get(it).is_some());
        told.filter(|it| !ASKED.contains(it) && !QUERIES.contains(it))
            .count()
    };
    let forms = PREFERENCE_FORMS.iter().rev().filter(|it| n_told(it) > 0);
    if let Some(lacking) = forms.max_by_key(n_told).and_then(|it| found.lacking(it)) {
        return Fault::malformed(format!("{lacking}; {fields}"));
    }
    let expected: Vec<String> = PREFERENCE_FORMS
        .iter()
        .map(|names| format!("`{}`", names.join("`, `")))
        .collect();
    Fault::malformed(format!("{fields}; expected {}", expected.join(", or ")))
}

/// The names of the two responses of a preference.
const SIDES: [[&str; 2]; 2] = [
    ["chosen", "rejected"],
    ["chosen_response", "rejected_response"],
];

/// Other names of a prompt, for responses that do not begin with it.
const QUESTIONS: [&str; 3] = ["question", "query", "input"];

fn preference(
    found: &Fields<'_>,
    [chosen, rejected]: [(&str, &RawValue); 2],
) -> Result<Preference, Fault> {
    let mut used = vec![chosen.0, rejected.0];
    let (chosen, rejected) = Text::read_both(chosen, rejected)?;
    let prompt = prompt(found, &chosen, &mut used)?;
    let scores = scores::read(found)?;
    used.extend_from_slice(&scores.used);
    let query = match (&prompt, &chosen) {
        (None, Text::Plain(dialogue)) => dialogue.clone(),
        (None, Text::Messages(chosen)) => chosen.query(),
        (Some(prompt), Text::Plain(_)) => prompt.plain_text(),
        (Some(prompt), Text::Messages(chosen)) => prompt.plain_text() + "\n\n" + &chosen.query(),
    };
    let mut extra = extra(found, &used, &query)?;
    for text in [prompt.as_ref(), Some(&chosen), Some(&rejected)] {
        extra.add(text.map(Text::unused).unwrap_or_default());
    }
    Ok(Preference {
        prompt,
        chosen,
        rejected,
        score_chosen: scores.chosen,
        score_rejected: scores.rejected,
        margin: scores.difference(),
        extra,
    })
}

/// Returns the prompt of a preference, or `None` if it is the common beginning of both
/// responses.
fn prompt(found: &Fields<'_>, chosen: &Text, used: &mut Vec<&str>) -> Result<Option<Text>, Fault> {
    let (name, prompt) = if let Some(value) = found.get("prompt") {
        used.push("prompt");
        ("prompt", Text::read("prompt", value)?)
    } else if let Some(asked) = alpaca(found)? {
        used.extend(["instruction", "input"]);
        ("instruction", Text::Plain(asked))
    } else if let (Some(value), Text::Messages(response)) = (found.get("conversations"), chosen)
        && response.messages.len() == 1
    {
        used.push("conversations");
        ("conversations", Text::read("conversations", value)?)
    } else if let Some(name) = QUESTIONS.into_iter().find(|it| is_text(found.get(it)))
        && !begins_with_query(chosen)
        && let Some(value) = found.get(name)
    {
        used.push(name);
        (name, Text::read(name, value)?)
    } else {
        return Ok(None);
    };
    let is_blank = match &prompt {
        Text::Plain(text) => text.trim().is_empty(),
        Text::Messages(_) => false,
    };
    if is_blank {
        return Ok(None);
    }
    used.push("history");
    after_history(found, name, prompt).map(Some)
}

fn is_text(value: Option<&RawValue>) -> bool {
    value.is_some_and(|it| it.get().starts_with('"'))
}

/// Whether a response is a whole dialogue or conversation, which begins with its query.
fn begins_with_query(response: &Text) -> bool {
    match response {
        Text::Plain(text) => as_dialogue(text).is_some(),
        Text::Messages(conversation) => {
            let first = conversation.messages.first();
            first.is_some_and(|it| it.role == Role::Human)
        }
    }
}
