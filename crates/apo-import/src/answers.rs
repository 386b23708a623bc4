//! Reads rows as answers to prompts, from people or another model.

use std::borrow::Cow;

use crate::dialogue;
use crate::extra::{Extra, extra};
use crate::fault::Fault;
use crate::fields::{self, Fields, text};
use crate::forms::ANSWERS;
use crate::messages::{Conversation, Message, NoReply, Text};
use crate::query::{after_history, alpaca};
use crate::record::Record;

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
        extra: Extra,
    },
    /// A conversation that ends with the answer.
    Messages {
        /// The whole conversation.
        conversation: Conversation,
        /// The other columns of the row.
        extra: Extra,
    },
    /// An answer that names its query by the key.
    ById {
        /// The key.
        query_id: String,
        /// The answer.
        answer: String,
    },
}

/// The query that is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnsweredQuery<'a> {
    /// Its prompt, in HH's form.
    Prompt(String),
    /// Its key in a table of queries.
    Id(&'a str),
}

impl Answer {
    /// Parses a record in one of the [documented](fn@crate::documentation) forms.
    ///
    /// # Errors
    ///
    /// When it has another form, or is to be rejected.
    pub fn read(record: &Record) -> Result<Self, Fault> {
        fields::of(record, |text| answer(&fields::object(text)?))
    }

    /// Returns the query that it answers.
    ///
    /// # Errors
    ///
    /// As [`dialogue::prompt`], and when a conversation has no answer at its end.
    pub fn query(&self) -> Result<AnsweredQuery<'_>, Fault> {
        match self {
            Self::Answer { prompt, extra, .. } => {
                let system = dialogue::joined_system(extra.system.as_deref(), prompt.system());
                let prompt = dialogue::prompt(prompt)?;
                let prompt = dialogue::with_system(system.as_deref(), prompt)?;
                Ok(AnsweredQuery::Prompt(prompt))
            }
            Self::Messages {
                conversation,
                extra,
            } => {
                let (before, _) = split_reply(conversation)?;
                let own = conversation.system.as_deref();
                let system = dialogue::joined_system(extra.system.as_deref(), own);
                let prompt = dialogue::prompt_of(before)?;
                let prompt = dialogue::with_system(system.as_deref(), prompt)?;
                Ok(AnsweredQuery::Prompt(prompt))
            }
            Self::ById { query_id, .. } => Ok(AnsweredQuery::Id(query_id)),
        }
    }

    /// Returns its text as a table holds it, without the special tokens around it, and
    /// whether there were any. Markers in a message are [quoted](apo_hh::quoted).
    ///
    /// # Errors
    ///
    /// As [`dialogue::plain_answer`], and when a conversation has no answer at its end.
    pub fn plain(&self) -> Result<(Cow<'_, str>, bool), Fault> {
        match self {
            Self::Answer {
                answer: Text::Plain(text),
                ..
            }
            | Self::ById { answer: text, .. } => {
                let (text, had_tokens) = dialogue::plain_answer(text)?;
                Ok((text.into(), had_tokens))
            }
            Self::Answer {
                answer: Text::Messages(conversation),
                ..
            }
            | Self::Messages { conversation, .. } => {
                let (_, text) = split_reply(conversation)?;
                let (text, had_tokens) = dialogue::answer_of_message(text)?;
                Ok((apo_hh::quoted(text), had_tokens))
            }
        }
    }

    /// Whether it was written with tools or documents.
    pub fn has_context(&self) -> bool {
        match self {
            Self::Answer { prompt, extra, .. } => {
                extra.context.is_some() || prompt.context().is_some()
            }
            Self::Messages {
                conversation,
                extra,
            } => extra.context.is_some() || conversation.context.is_some(),
            Self::ById { .. } => false,
        }
    }

    /// Returns the names of columns with text that are not used.
    pub fn into_unused(self) -> Vec<String> {
        match self {
            Self::Answer { extra, .. } | Self::Messages { extra, .. } => extra.unused,
            Self::ById { .. } => Vec::new(),
        }
    }
}

/// Returns the messages before the answer that a conversation ends with, and its text.
fn split_reply(conversation: &Conversation) -> Result<(&[Message], &str), Fault> {
    conversation.split_reply().map_err(|it| {
        Fault::malformed(match it {
            NoReply::NoMessages => "`messages` is empty",
            NoReply::AnotherLast => "the last message is not the assistant's",
        })
    })
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
            extra: extra(found, &used, &prompt.plain_text())?,
            prompt,
            answer,
        });
    }
    let answer_field = ANSWERS
        .into_iter()
        .find_map(|name| Some((name, found.get(name)?)));
    let prompt_field = ["prompt", "query"]
        .into_iter()
        .find_map(|name| Some((name, found.get(name)?)));
    if let (Some((prompt_name, prompt)), Some((name, answer))) = (prompt_field, answer_field) {
        let prompt = Text::read(prompt_name, prompt)?;
        let prompt = after_history(found, prompt_name, prompt)?;
        let answer = Text::read(name, answer)?;
        let mut extra = extra(found, &[prompt_name, name, "history"], &prompt.plain_text())?;
        extra.add(prompt.unused());
        extra.add(answer.unused());
        return Ok(Answer::Answer {
            prompt,
            answer,
            extra,
        });
    }
    let mut lists = ["messages", "conversations"].into_iter();
    if let Some((name, messages)) = lists.find_map(|name| Some((name, found.get(name)?))) {
        let conversation = Conversation::read(name, messages)?;
        let mut extra = extra(found, &[name], &conversation.query())?;
        extra.add(&conversation.unused);
        return Ok(Answer::Messages {
            conversation,
            extra,
        });
    }
    if let (Some(query_id), Some((name, answer))) = (found.get("query_id"), answer_field) {
        return Ok(Answer::ById {
            query_id: text("query_id", query_id)?,
            answer: text(name, answer)?,
        });
    }
    Err(no_answer(found, prompt_field.map(|it| it.0)))
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
