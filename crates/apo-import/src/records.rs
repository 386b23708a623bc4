//! Reads rows as preferences.
//!
//! A null field counts as missing. If a record has the fields of several forms, the
//! first form of [`FORMS`](crate::FORMS) counts, and of several names the first.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::beside::{Beside, beside};
use crate::fault::Fault;
use crate::fields::{self, Fields, number, text};
use crate::forms::PREFERENCE_FORMS;
use crate::messages::{Text, is_quoted};
use crate::query::{after_history, alpaca};
use crate::record::Record;
use crate::scores;

/// A preference as HH, TRL and Hugging Face's datasets write it: `chosen` and
/// `rejected`, with or without a `prompt`, as texts or conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// The prompt of both responses; `None` if it is their common beginning.
    pub prompt: Option<Text>,
    /// The preferred response or dialogue.
    pub chosen: Text,
    /// The other one.
    pub rejected: Text,
    /// The score of the preferred response, if the row has scores.
    pub score_chosen: Option<f64>,
    /// The score of the other response.
    pub score_rejected: Option<f64>,
    /// The other columns of the row.
    pub beside: Beside,
}

/// The query of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A question.
    Question(String),
    /// An instruction, in Alpaca's prompt.
    Instruction(String),
    /// The answers are whole dialogues, equal up to their last turn.
    Dialogues,
}

/// An answer and its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The answer, or the dialogue that ends with it.
    pub text: String,
    /// Its score.
    pub score: f64,
}

/// Two or more answers to one query with their scores, as in the published comparisons
/// of WebGPT and GPT4LLM.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The query.
    pub asked: Asked,
    /// The answers.
    pub answers: Vec<Scored>,
    /// The other columns of the row.
    pub beside: Beside,
}

/// The preferences in a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Preferences {
    /// One response is preferred to another.
    Preference(Preference),
    /// Each of several answers is preferred to those with lower scores.
    Comparison(Comparison),
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
            beside: Beside::default(),
        }
    }
}

/// A question of WebGPT's.
#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow)]
    full_text: &'a RawValue,
}

/// A question of WebGPT's with one of its answers.
#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    question: &'a RawValue,
    #[serde(borrow)]
    answer: &'a RawValue,
    #[serde(borrow)]
    score: &'a RawValue,
}

/// A response of GPT4LLM's second version.
#[derive(Deserialize)]
struct Rated<'a> {
    #[serde(borrow)]
    response: &'a RawValue,
    #[serde(borrow)]
    score: &'a RawValue,
}

impl Preferences {
    /// Parses a record in one of the documented [`FORMS`](crate::FORMS).
    ///
    /// # Errors
    ///
    /// When it has another form, or is to be rejected.
    pub fn read(record: &Record) -> Result<Self, Fault> {
        fields::of(record, |text| {
            if text.trim_start().starts_with('[') {
                return list(text).map(Self::Comparison);
            }
            if let Ok(dialogues) = serde_json::from_str::<Dialogues>(text)
                && !(is_quoted(&dialogues.chosen) && is_quoted(&dialogues.rejected))
            {
                return Ok(Self::Preference(dialogues.into()));
            }
            let found = fields::object(text)?;
            if let (Some(chosen), Some(rejected)) = (found.get("chosen"), found.get("rejected")) {
                return preference(&found, chosen, rejected).map(Self::Preference);
            }
            match comparison(&found)? {
                Some(comparison) => comparison.checked().map(Self::Comparison),
                None => Err(no_form(&found)),
            }
        })
    }
}

/// Says why a record is not a preference.
fn no_form(found: &Fields<'_>) -> Fault {
    let fields = format!("its fields are {}", found.names());
    let mut forms = PREFERENCE_FORMS.iter();
    if let Some(lacking) = forms.find_map(|names| found.lacking(names)) {
        return Fault::malformed(format!("{lacking}; {fields}"));
    }
    let expected: Vec<String> = PREFERENCE_FORMS
        .iter()
        .map(|names| format!("`{}`", names.join("`, `")))
        .collect();
    Fault::malformed(format!("{fields}; expected {}", expected.join(", or ")))
}

fn preference(
    found: &Fields<'_>,
    chosen: &RawValue,
    rejected: &RawValue,
) -> Result<Preference, Fault> {
    let (chosen, rejected) = Text::read_both(("chosen", chosen), ("rejected", rejected))?;
    let mut used = vec!["chosen", "rejected"];
    let prompt = prompt(found, &chosen, &mut used)?;
    let scores = scores::read(found)?;
    used.extend_from_slice(&scores.used);
    let query = match (&prompt, &chosen) {
        (None, Text::Plain(dialogue)) => dialogue.clone(),
        (None, Text::Messages(chosen)) => chosen.asked(),
        (Some(prompt), Text::Plain(_)) => prompt.said(),
        (Some(prompt), Text::Messages(chosen)) => prompt.said() + "\n\n" + &chosen.asked(),
    };
    let mut beside = beside(found, &used, &query)?;
    for text in [prompt.as_ref(), Some(&chosen), Some(&rejected)] {
        beside.add(text.map(Text::unused).unwrap_or_default());
    }
    Ok(Preference {
        prompt,
        chosen,
        rejected,
        score_chosen: scores.chosen,
        score_rejected: scores.rejected,
        beside,
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

fn comparison(found: &Fields<'_>) -> Result<Option<Comparison>, Fault> {
    if let Some(comparison) = web_gpt(found)? {
        return Ok(Some(comparison));
    }
    if let (Some(texts), Some(scores)) = (found.get("text"), found.get("score")) {
        let texts = items("text", texts)?;
        let scores = items("score", scores)?;
        if texts.len() != scores.len() {
            return Err(Fault::malformed(format!(
                "`text` holds {} texts, `score` {} scores",
                texts.len(),
                scores.len()
            )));
        }
        let answers = texts.into_iter().zip(scores);
        let answers = answers
            .map(|(it, score)| scored("text", it, "score", score))
            .collect::<Result<Vec<_>, _>>()?;
        let query = answers.first().map_or("", |it| &it.text);
        return Ok(Some(Comparison {
            asked: Asked::Dialogues,
            beside: beside(found, &["text", "score"], query)?,
            answers,
        }));
    }
    let Some(user_input) = found.get("user_input") else {
        return Ok(None);
    };
    let asked = text("user_input", user_input)?;
    let beside = |used: &[&str]| beside(found, &[&["user_input"], used].concat(), &asked);
    let names = ("completion_a", "completion_b");
    if let (Some(better), Some(worse)) = (found.get(names.0), found.get(names.1)) {
        let answer = |name, it, score| text(name, it).map(|text| Scored { text, score });
        return Ok(Some(Comparison {
            // GPT-4 preferred the first completion.
            answers: vec![answer(names.0, better, 1.0)?, answer(names.1, worse, 0.0)?],
            beside: beside(&[names.0, names.1])?,
            asked: Asked::Instruction(asked),
        }));
    }
    let name = "responses_and_scores";
    let Some(rated) = found.get(name) else {
        return Ok(None);
    };
    let rated: Vec<Rated<'_>> = serde_json::from_str(rated.get()).map_err(|_| {
        Fault::malformed(format!("`{name}` is not a list of `response` and `score`"))
    })?;
    let answers = rated
        .iter()
        .map(|it| scored("response", it.response, "score", it.score))
        .collect::<Result<_, _>>()?;
    Ok(Some(Comparison {
        answers,
        beside: beside(&[name])?,
        asked: Asked::Instruction(asked),
    }))
}

fn web_gpt(found: &Fields<'_>) -> Result<Option<Comparison>, Fault> {
    let used = ["question", "answer_0", "answer_1", "score_0", "score_1"];
    let [
        Some(question),
        Some(first),
        Some(second),
        Some(first_score),
        Some(second_score),
    ] = used.map(|name| found.get(name))
    else {
        return Ok(None);
    };
    let question = full_text(question)?;
    Ok(Some(Comparison {
        answers: vec![
            scored("answer_0", first, "score_0", first_score)?,
            scored("answer_1", second, "score_1", second_score)?,
        ],
        beside: beside(found, &used, &question)?,
        asked: Asked::Question(question),
    }))
}

/// Reads a comparison of WebGPT's from OpenAI's JSON lines: a list of two answers.
fn list(record: &str) -> Result<Comparison, Fault> {
    let answered: Vec<Answered<'_>> = serde_json::from_str(record).map_err(|error| {
        if !error.is_data() {
            return fields::no_json(&error);
        }
        Fault::malformed(
            "is a list, expected one record per line (a file that is one list needs a name that \
             ends in .json), or WebGPT's list of two with `question`, `answer` and `score`",
        )
    })?;
    let mut questions = answered.iter().map(|it| full_text(it.question));
    let question = questions
        .next()
        .ok_or_else(|| Fault::malformed("is an empty list"))??;
    for other in questions {
        if other? != question {
            return Err(Fault::malformed("its answers are to different questions"));
        }
    }
    let answers = answered
        .iter()
        .map(|it| scored("answer", it.answer, "score", it.score))
        .collect::<Result<_, _>>()?;
    Comparison {
        asked: Asked::Question(question),
        answers,
        beside: Beside::default(),
    }
    .checked()
}

fn full_text(question: &RawValue) -> Result<String, Fault> {
    let found: Question<'_> = serde_json::from_str(question.get()).map_err(|_| {
        let found = fields::kind(question);
        Fault::malformed(format!(
            "`question` is {found}, expected an object with `full_text`"
        ))
    })?;
    text("full_text", found.full_text)
}

fn items<'a>(name: &str, list: &'a RawValue) -> Result<Vec<&'a RawValue>, Fault> {
    serde_json::from_str(list.get()).map_err(|_| {
        Fault::malformed(format!(
            "`{name}` is {}, expected a list",
            fields::kind(list)
        ))
    })
}

fn scored(
    name: &str,
    answer: &RawValue,
    score_name: &str,
    score: &RawValue,
) -> Result<Scored, Fault> {
    Ok(Scored {
        text: text(name, answer)?,
        score: number(score_name, score)?,
    })
}

impl Comparison {
    fn checked(self) -> Result<Self, Fault> {
        match self.answers.len() {
            0 | 1 => Err(Fault::malformed(format!(
                "holds {} answers, expected two or more",
                self.answers.len()
            ))),
            _ => Ok(self),
        }
    }
}
