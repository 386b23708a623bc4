//! Reads rows as answers to prompts, from people or another model.

use crate::beside::{Beside, beside};
use crate::fields::{self, Fault, Fields, text};
use crate::forms::ANSWERS;
use crate::messages::{Conversation, Text};
use crate::query::{after_history, alpaca};
use crate::source::Record;

/// An answer to a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A prompt and its answer, under their usual names.
    Answer {
        /// The query.
        prompt: Text,
        /// The answer.
        answer: Text,
        /// The other columns of the row.
        beside: Beside,
    },
    /// A conversation that ends with the answer.
    Messages {
        /// The whole conversation.
        conversation: Conversation,
        /// The other columns of the row.
        beside: Beside,
    },
    /// An answer that names its query by the key.
    ById {
        /// The key.
        query_id: String,
        /// The answer.
        answer: String,
    },
}

impl Answer {
    /// Parses a record in one of the documented [`FORMS`](crate::FORMS).
    ///
    /// # Errors
    ///
    /// When it has another form, or is to be rejected.
    pub fn read(record: &Record) -> Result<Self, Fault> {
        fields::of(record, |text| answer(&fields::object(text)?))
    }
}

fn answer(found: &Fields<'_>) -> Result<Answer, Fault> {
    if let (Some(asked), Some(output)) = (alpaca(found)?, found.get("output")) {
        let prompt = after_history(found, "instruction", Text::Plain(asked))?;
        let answer = Text::Plain(text("output", output)?);
        let used = [
            "instruction",
            "input",
            "output",
            "history",
            "prompt",
            "text",
        ];
        return Ok(Answer::Answer {
            beside: beside(found, &used, &prompt.said())?,
            prompt,
            answer,
        });
    }
    let said = ANSWERS
        .into_iter()
        .find_map(|name| Some((name, found.get(name)?)));
    let asked = ["prompt", "query"]
        .into_iter()
        .find_map(|name| Some((name, found.get(name)?)));
    if let (Some((prompt_name, prompt)), Some((name, answer))) = (asked, said) {
        let prompt = Text::read(prompt_name, prompt)?;
        let prompt = after_history(found, prompt_name, prompt)?;
        let answer = Text::read(name, answer)?;
        let mut beside = beside(found, &[prompt_name, name, "history"], &prompt.said())?;
        beside.add(prompt.unused());
        beside.add(answer.unused());
        return Ok(Answer::Answer {
            prompt,
            answer,
            beside,
        });
    }
    let mut lists = ["messages", "conversations"].into_iter();
    if let Some((name, messages)) = lists.find_map(|name| Some((name, found.get(name)?))) {
        let conversation = Conversation::read(name, messages)?;
        let mut beside = beside(found, &[name], &conversation.asked())?;
        beside.add(&conversation.unused);
        return Ok(Answer::Messages {
            conversation,
            beside,
        });
    }
    if let (Some(query_id), Some((name, answer))) = (found.get("query_id"), said) {
        return Ok(Answer::ById {
            query_id: text("query_id", query_id)?,
            answer: text(name, answer)?,
        });
    }
    Err(no_answer(found, asked.map(|it| it.0)))
}

fn no_answer(found: &Fields<'_>, asked: Option<&str>) -> Fault {
    const EXPECTED: &str = "expected `prompt` and `response`, `messages`, `instruction` and \
                            `output`, or `query_id` and `golden`";
    let lacks = match asked {
        Some(prompt) => Some(format!("`{prompt}` has no answer beside it")),
        None => found.lacking(&["instruction", "output"]),
    };
    let lacks = lacks.unwrap_or_else(|| format!("its fields are {}", found.names()));
    Fault::malformed(format!("is not an answer: {lacks}; {EXPECTED}"))
}
