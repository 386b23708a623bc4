//! Reads rows as comparisons of several answers to one query.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::extra::{Extra, extra};
use crate::fault::Fault;
use crate::fields::{self, Fields, number, text};

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
pub struct ScoredAnswers {
    /// The query.
    pub asked: Asked,
    /// The answers.
    pub answers: Vec<Scored>,
    /// Whether the scores are the row's; otherwise they only say which answer is better.
    pub has_scores: bool,
    /// The other columns of the row.
    pub extra: Extra,
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

/// Reads a comparison; `None` if the record has none of its forms.
///
/// # Errors
///
/// When a field is malformed, or belongs to the query and is not read.
pub(crate) fn comparison(found: &Fields<'_>) -> Result<Option<ScoredAnswers>, Fault> {
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
        return Ok(Some(ScoredAnswers {
            asked: Asked::Dialogues,
            has_scores: true,
            extra: extra(found, &["text", "score"], query)?,
            answers,
        }));
    }
    let Some(user_input) = found.get("user_input") else {
        return Ok(None);
    };
    let asked = text("user_input", user_input)?;
    let extra = |used: &[&str]| extra(found, &[&["user_input"], used].concat(), &asked);
    let names = ("completion_a", "completion_b");
    if let (Some(better), Some(worse)) = (found.get(names.0), found.get(names.1)) {
        let answer = |name, it, score| text(name, it).map(|text| Scored { text, score });
        return Ok(Some(ScoredAnswers {
            // GPT-4 preferred the first completion.
            answers: vec![answer(names.0, better, 1.0)?, answer(names.1, worse, 0.0)?],
            has_scores: false,
            extra: extra(&[names.0, names.1])?,
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
    Ok(Some(ScoredAnswers {
        answers,
        has_scores: true,
        extra: extra(&[name])?,
        asked: Asked::Instruction(asked),
    }))
}

fn web_gpt(found: &Fields<'_>) -> Result<Option<ScoredAnswers>, Fault> {
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
    Ok(Some(ScoredAnswers {
        answers: vec![
            scored("answer_0", first, "score_0", first_score)?,
            scored("answer_1", second, "score_1", second_score)?,
        ],
        has_scores: true,
        extra: extra(found, &used, &question)?,
        asked: Asked::Question(question),
    }))
}

/// Reads a comparison of WebGPT's from OpenAI's JSON lines: a list of two answers.
///
/// # Errors
///
/// When it is another list.
pub(crate) fn list(record: &str) -> Result<ScoredAnswers, Fault> {
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
    ScoredAnswers {
        asked: Asked::Question(question),
        answers,
        has_scores: true,
        extra: Extra::default(),
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

impl ScoredAnswers {
    /// Checks that there are answers to compare.
    ///
    /// # Errors
    ///
    /// When there are not.
    pub(crate) fn checked(self) -> Result<Self, Fault> {
        match self.answers.len() {
            0 | 1 => Err(Fault::malformed(format!(
                "holds {} answers, expected two or more",
                self.answers.len()
            ))),
            _ => Ok(self),
        }
    }
}
