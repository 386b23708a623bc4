//! What a record of other people's data may look like.
//!
//! A field of null is no field. Where a record has the fields of several forms,
//! the first form of [`FORMS`] counts, and the first of several names.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Record;
use super::fields::{self, Fault, Fields, is_filled, lacking, number, reason, text};
use super::messages::{Conversation, Text};

/// The forms of records, for people; in the order in which they are tried.
pub const FORMS: &[(&str, &[&str])] = &[
    (
        "Preferences (`hh-split --train`, `--test`)",
        &[
            "`chosen` and `rejected`, texts or lists of messages, with or without `prompt`. If both \
             are whole conversations, their last message is the response, and a `prompt` text is \
             ignored",
            "a list of records with `question` (with `full_text`), `answer`, `score`: WebGPT as \
             OpenAI publishes it",
            "`question` (with `full_text`), `answer_0`, `answer_1`, `score_0`, `score_1`: WebGPT",
            "the lists `text` and `score`: APO's authors",
            "`user_input`, `completion_a`, `completion_b`: GPT4LLM",
            "`user_input`, `responses_and_scores`: GPT4LLM, second version",
        ],
    ),
    (
        "Answers (`gold-collect --answers`, `align sft --instructions`)",
        &[
            "`instruction` and `output`, with or without `input`; `prompt` is ignored, since \
             Alpaca's contains the answer",
            "`prompt` or `query`, and `response`, `completion`, `answer`, `output` or `golden`",
            "`messages` or `conversations`, the last one the assistant's (not for \
             `--instructions`)",
            "`query_id`, and one of the names of an answer (not for `--instructions`)",
        ],
    ),
];

/// The fields of a preference or comparison.
pub const PREFERENCE_FIELDS: &[&str] = &[
    "prompt",
    "chosen",
    "rejected",
    "score_chosen",
    "score_rejected",
    "question",
    "answer_0",
    "answer_1",
    "score_0",
    "score_1",
    "text",
    "score",
    "user_input",
    "completion_a",
    "completion_b",
    "responses_and_scores",
    "system",
    "system_prompt",
    "tools",
    "images",
];

/// The fields of an answer.
pub const ANSWER_FIELDS: &[&str] = &[
    "instruction",
    "input",
    "output",
    "prompt",
    "query",
    "response",
    "completion",
    "answer",
    "golden",
    "messages",
    "conversations",
    "query_id",
    "system",
    "system_prompt",
    "tools",
    "images",
];

/// The columns of a Parquet file of preferences: all of one of these lists.
pub const PREFERENCE_FORMS: &[&[&str]] = &[
    CHOSEN,
    &["question", "answer_0", "answer_1", "score_0", "score_1"],
    &["text", "score"],
    &["user_input", "completion_a", "completion_b"],
    &["user_input", "responses_and_scores"],
];

const CHOSEN: &[&str] = &["chosen", "rejected"];

/// A preference as HH, TRL and Hugging Face's datasets write it: `chosen` and
/// `rejected`, with or without a `prompt`, as texts or conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// What both responses follow; where absent, it is their common beginning.
    pub prompt: Option<Text>,
    /// The preferred response or dialogue.
    pub chosen: Text,
    /// The other one.
    pub rejected: Text,
    /// What the preferred one was scored, where scores made the preference.
    pub score_chosen: Option<f64>,
    /// What the other one was.
    pub score_rejected: Option<f64>,
    /// What the columns `system`, `system_prompt` and `tools` say: it belongs to
    /// the query, but no table carries it.
    pub context: Option<String>,
}

/// What was asked of those whose answers are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A question.
    Question(String),
    /// An instruction in Alpaca's prompt.
    Instruction(String),
    /// The answers are whole dialogues, equal up to their last turn.
    Dialogues,
}

/// An answer and its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The answer, or the dialogue that ends with it.
    pub text: String,
    /// What it was scored.
    pub score: f64,
}

/// Two or more answers to one query with their scores, in the forms in which the
/// comparisons of WebGPT and GPT4LLM are published.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The query.
    pub asked: Asked,
    /// The answers.
    pub answers: Vec<Scored>,
}

/// What a record says is preferred to what.
#[derive(Clone, Debug, PartialEq)]
pub enum Preferences {
    /// One response to another.
    Preference(Preference),
    /// Each of several answers to those of lower scores.
    Comparison(Comparison),
}

/// A row of HH: two texts and nothing else. Such rows are read in one pass.
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
            context: None,
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
    /// Reads a record; [`FORMS`] says what it may look like.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(record: &Record) -> Result<Self, Fault> {
        fields::of(record, |text| {
            if text.trim_start().starts_with('[') {
                return list(text).map(Self::Comparison);
            }
            if let Ok(dialogues) = serde_json::from_str::<Dialogues>(text) {
                return Ok(Self::Preference(dialogues.into()));
            }
            let found = fields::object(text)?;
            if let (Some(chosen), Some(rejected)) = (found.chosen, found.rejected) {
                return preference(&found, chosen, rejected).map(Self::Preference);
            }
            match comparison(&found)? {
                Some(comparison) => comparison.checked().map(Self::Comparison),
                None => Err(no_form(text, PREFERENCE_FORMS)),
            }
        })
    }
}

/// Says why a record is of none of some forms.
fn no_form(record: &str, forms: &[&[&str]]) -> Fault {
    if let Some(lacking) = forms.iter().find_map(|names| lacking(record, names)) {
        return Fault::malformed(lacking);
    }
    let expected: Vec<String> = forms
        .iter()
        .map(|names| format!("`{}`", names.join("`, `")))
        .collect();
    Fault::malformed(format!(
        "its fields are {}; expected {}",
        fields::names(record),
        expected.join(", or ")
    ))
}

fn preference(
    found: &Fields<'_>,
    chosen: &RawValue,
    rejected: &RawValue,
) -> Result<Preference, Fault> {
    let score = |name, value: Option<&RawValue>| value.map(|it| number(name, it)).transpose();
    Ok(Preference {
        prompt: found
            .prompt
            .map(|it| Text::read("prompt", it))
            .transpose()?,
        chosen: Text::read("chosen", chosen)?,
        rejected: Text::read("rejected", rejected)?,
        score_chosen: score("score_chosen", found.score_chosen)?,
        score_rejected: score("score_rejected", found.score_rejected)?,
        context: context(found)?,
    })
}

/// What is said beside the dialogue; pictures are part of it, and no text.
fn context(found: &Fields<'_>) -> Result<Option<String>, Fault> {
    if is_filled(found.images) {
        let problem = "`images` holds images, expected text alone";
        return Err(Fault::new(reason::NOT_TEXT, problem));
    }
    let said = [found.system, found.system_prompt, found.tools];
    let said: Vec<&str> = said
        .into_iter()
        .filter(|it| is_filled(*it))
        .flatten()
        .map(RawValue::get)
        .collect();
    Ok((!said.is_empty()).then(|| said.join("\n")))
}

fn comparison(found: &Fields<'_>) -> Result<Option<Comparison>, Fault> {
    if let Some(comparison) = web_gpt(found)? {
        return Ok(Some(comparison));
    }
    if let (Some(texts), Some(scores)) = (found.text, found.score) {
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
        return Ok(Some(Comparison {
            asked: Asked::Dialogues,
            answers: answers
                .map(|(it, score)| scored("text", it, "score", score))
                .collect::<Result<_, _>>()?,
        }));
    }
    let Some(user_input) = found.user_input else {
        return Ok(None);
    };
    let asked = Asked::Instruction(text("user_input", user_input)?);
    if let (Some(better), Some(worse)) = (found.completion_a, found.completion_b) {
        let answer = |name, it, score| text(name, it).map(|text| Scored { text, score });
        // GPT-4 ranked the first one higher.
        let answers = vec![
            answer("completion_a", better, 1.0)?,
            answer("completion_b", worse, 0.0)?,
        ];
        return Ok(Some(Comparison { asked, answers }));
    }
    let Some(rated) = found.responses_and_scores else {
        return Ok(None);
    };
    let name = "responses_and_scores";
    let rated: Vec<Rated<'_>> = serde_json::from_str(rated.get())
        .map_err(|_| Fault::malformed(format!("`{name}` is no list of `response` and `score`")))?;
    let answers = rated
        .iter()
        .map(|it| scored("response", it.response, "score", it.score))
        .collect::<Result<_, _>>()?;
    Ok(Some(Comparison { asked, answers }))
}

fn web_gpt(found: &Fields<'_>) -> Result<Option<Comparison>, Fault> {
    let (Some(question), Some(first), Some(second)) =
        (found.question, found.answer_0, found.answer_1)
    else {
        return Ok(None);
    };
    let (Some(first_score), Some(second_score)) = (found.score_0, found.score_1) else {
        return Ok(None);
    };
    Ok(Some(Comparison {
        asked: Asked::Question(full_text(question)?),
        answers: vec![
            scored("answer_0", first, "score_0", first_score)?,
            scored("answer_1", second, "score_1", second_score)?,
        ],
    }))
}

/// WebGPT's as OpenAI's JSON lines hold it: a list of two.
fn list(record: &str) -> Result<Comparison, Fault> {
    let expected = "is a list, expected `question`, `answer` and `score` in each of its elements";
    let answered: Vec<Answered<'_>> =
        serde_json::from_str(record).map_err(|_| Fault::malformed(expected))?;
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
    let asked = Asked::Question(question);
    Comparison { asked, answers }.checked()
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

/// An answer to a prompt, by people or another model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A prompt and its answer, under their usual names.
    Answer {
        /// The query.
        prompt: Text,
        /// The answer.
        answer: Text,
        /// As [`Preference::context`].
        context: Option<String>,
    },
    /// A conversation that ends with the answer.
    Messages {
        /// The whole.
        conversation: Conversation,
        /// As [`Preference::context`].
        context: Option<String>,
    },
    /// An answer that names its query by the key.
    ById {
        /// The key.
        query_id: String,
        /// The answer.
        answer: String,
    },
}

/// The names of an answer, the first of several counts.
const ANSWERS: [&str; 5] = ["response", "completion", "answer", "output", "golden"];

impl Answer {
    /// Reads a record; [`FORMS`] says what it may look like.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(record: &Record) -> Result<Self, Fault> {
        fields::of(record, |text| answer(text, &fields::object(text)?))
    }
}

fn answer(record: &str, found: &Fields<'_>) -> Result<Answer, Fault> {
    if let (Some(instruction), Some(output)) = (found.instruction, found.output) {
        let mut asked = text("instruction", instruction)?.trim().to_owned();
        if let Some(input) = found.input {
            let input = text("input", input)?;
            if !input.trim().is_empty() {
                asked = format!("{asked}\n\n{}", input.trim());
            }
        }
        return Ok(Answer::Answer {
            prompt: Text::Plain(asked),
            answer: Text::Plain(text("output", output)?),
            context: context(found)?,
        });
    }
    let values = [
        found.response,
        found.completion,
        found.answer,
        found.output,
        found.golden,
    ];
    let said = ANSWERS
        .into_iter()
        .zip(values)
        .find_map(|(name, value)| Some((name, value?)));
    let asked = found.prompt.map(|it| ("prompt", it));
    let asked = asked.or(found.query.map(|it| ("query", it)));
    if let (Some((prompt_name, prompt)), Some((name, answer))) = (asked, said) {
        return Ok(Answer::Answer {
            prompt: Text::read(prompt_name, prompt)?,
            answer: Text::read(name, answer)?,
            context: context(found)?,
        });
    }
    let messages = found.messages.map(|it| ("messages", it));
    if let Some((name, messages)) = messages.or(found.conversations.map(|it| ("conversations", it)))
    {
        return Ok(Answer::Messages {
            conversation: Conversation::read(name, messages)?,
            context: context(found)?,
        });
    }
    if let (Some(query_id), Some((name, answer))) = (found.query_id, said) {
        return Ok(Answer::ById {
            query_id: text("query_id", query_id)?,
            answer: text(name, answer)?,
        });
    }
    Err(no_answer(record, asked.map(|it| it.0)))
}

fn no_answer(record: &str, asked: Option<&str>) -> Fault {
    const EXPECTED: &str = "expected `prompt` and `response`, `messages`, `instruction` and \
                            `output`, or `query_id` and `golden`";
    let lacks = match asked {
        Some(prompt) => Some(format!("`{prompt}` stands there without an answer")),
        None => lacking(record, &["instruction", "output"]),
    };
    let lacks = lacks.unwrap_or_else(|| format!("its fields are {}", fields::names(record)));
    Fault::malformed(format!("is no answer: {lacks}; {EXPECTED}"))
}
