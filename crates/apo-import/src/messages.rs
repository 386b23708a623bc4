//! Texts and conversations.

use std::borrow::Cow;

use apo_hh::Role;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::extra::extra;
use crate::fault::{Fault, reason};
use crate::fields::{Fields, is_filled, kind, no_json, text};

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `user`, `human` and `prompter` are the human; `assistant`, `gpt`,
    /// `bot` and `model` the assistant; `tool`, `observation` and the like a tool.
    pub role: Role,
    /// Its text.
    pub content: String,
}

/// Messages in order, without `system` and `developer` messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The messages of human, assistant and tools.
    pub messages: Vec<Message>,
    /// The text of the system messages, or `None` if they are empty.
    pub system: Option<String>,
    /// The content of fields of messages such as `tools`, or `None` if they are empty.
    pub context: Option<String>,
    /// The names of other fields of the messages that hold text.
    pub unused: Vec<String>,
}

/// Why a conversation has no reply at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// It has no messages at all.
    NoMessages,
    /// The human or a tool speaks last.
    AnotherLast,
}

/// A text or a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Plain text.
    Plain(String),
    /// A conversation.
    Messages(Conversation),
}

/// A part of a message's content.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// The fields of a message that are read.
const READ: [&str; 7] = [
    "role",
    "from",
    "content",
    "value",
    "tool_calls",
    "function_call",
    "tool_call_id",
];

impl Text {
    /// Parses a text, a list of messages, or a single message. Messages may also be
    /// JSON in a text.
    pub(crate) fn read(name: &str, value: &RawValue) -> Result<Self, Fault> {
        match value.get().as_bytes().first() {
            Some(b'"') => {
                let text = text(name, value)?;
                if is_quoted(&text) {
                    return quoted(name, &text).map(Self::Messages);
                }
                Ok(Self::Plain(text))
            }
            Some(b'[') => Conversation::read(name, value).map(Self::Messages),
            Some(b'{') if is_message(value) => {
                let list = format!("[{}]", value.get());
                let list = serde_json::from_str(&list).map_err(|error| no_json(&error))?;
                Conversation::read(name, list).map(Self::Messages)
            }
            _ => Err(Fault::malformed(format!(
                "`{name}` is {}, expected a text or a list of messages",
                kind(value)
            ))),
        }
    }

    /// Parses two responses. If only one of them looks like messages in a text, it is
    /// a text, because a response may be JSON.
    pub(crate) fn read_both(
        first: (&str, &RawValue),
        second: (&str, &RawValue),
    ) -> Result<(Self, Self), Fault> {
        let plain = |(name, value): (&str, &RawValue)| -> Result<Option<String>, Fault> {
            if !value.get().starts_with('"') {
                return Ok(None);
            }
            let text = text(name, value)?;
            Ok((!is_quoted(&text)).then_some(text))
        };
        let read = |(name, value): (&str, &RawValue), other: &Option<String>| {
            if other.is_some() && value.get().starts_with('"') {
                return text(name, value).map(Self::Plain);
            }
            Self::read(name, value)
        };
        let texts = (plain(first)?, plain(second)?);
        match texts {
            (Some(first), Some(second)) => Ok((Self::Plain(first), Self::Plain(second))),
            texts => Ok((read(first, &texts.1)?, read(second, &texts.0)?)),
        }
    }

    /// Returns the text of its system messages, if any.
    pub fn system(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Messages(conversation) => conversation.system.as_deref(),
        }
    }

    /// Returns what belongs to it, but does not fit into a table, such as tools.
    pub(crate) fn context(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Messages(conversation) => conversation.context.as_deref(),
        }
    }

    /// Returns all of it as one text.
    pub(crate) fn plain_text(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Messages(conversation) => joined(&conversation.messages),
        }
    }

    /// Returns the names of unused fields of its messages.
    pub(crate) fn unused(&self) -> &[String] {
        match self {
            Self::Plain(_) => &[],
            Self::Messages(conversation) => &conversation.unused,
        }
    }
}

fn joined(messages: &[Message]) -> String {
    let contents: Vec<&str> = messages.iter().map(|it| it.content.as_str()).collect();
    contents.join("\n\n")
}

/// Whether a text begins like messages in JSON, or in Python's notation.
pub(crate) fn is_quoted(text: &str) -> bool {
    let rest = text.trim_start();
    let rest = rest.strip_prefix('[').unwrap_or(rest).trim_start();
    let Some(rest) = rest.strip_prefix('{') else {
        return false;
    };
    let rest = rest.trim_start();
    ['"', '\''].iter().any(|quote| {
        let name = rest
            .strip_prefix(*quote)
            .and_then(|it| it.split_once(*quote));
        name.is_some_and(|(name, _)| READ[..4].contains(&name))
    })
}

/// Parses messages that are JSON in a text.
fn quoted(name: &str, text: &str) -> Result<Conversation, Fault> {
    let text = text.trim();
    let list = if text.starts_with('{') {
        format!("[{text}]")
    } else {
        text.to_owned()
    };
    let list = serde_json::from_str(&list).map_err(|_| {
        Fault::malformed(format!(
            "`{name}` is a text that begins like messages, but is not JSON; store the messages as a \
             list, or as JSON in the text"
        ))
    })?;
    Conversation::read(name, list)
}

/// Whether an object is a message.
fn is_message(value: &RawValue) -> bool {
    let found: Result<Fields<'_>, _> = serde_json::from_str(value.get());
    found.is_ok_and(|it| it.get("role").or(it.get("from")).is_some())
}

impl Conversation {
    /// Parses a list of messages.
    pub(crate) fn read(name: &str, value: &RawValue) -> Result<Self, Fault> {
        let raw: Vec<Fields<'_>> = serde_json::from_str(value.get()).map_err(|error| {
            let error = error.to_string();
            if error.starts_with("duplicate field") {
                let error = error.split(" at line").next().unwrap_or_default();
                return Fault::malformed(format!("a message of `{name}` has a {error}"));
            }
            Fault::malformed(format!(
                "`{name}` is {}, expected a list of messages with `role` and `content`",
                match kind(value) {
                    "a list" => "a list of something else",
                    other => other,
                }
            ))
        })?;
        let mut found = Self::default();
        for (i, message) in raw.iter().enumerate() {
            found.add(&format!("message {} of `{name}`", i + 1), message)?;
        }
        Ok(found)
    }

    /// Returns everything before the last message, as one text.
    pub(crate) fn query(&self) -> String {
        joined(self.messages.split_last().map_or(&[], |(_, before)| before))
    }

    /// Returns the messages before the last one, and the assistant's text in the last.
    ///
    /// # Errors
    ///
    /// When there is no last message, or it is not the assistant's. The caller, which knows how
    /// people call the conversation, words the fault.
    pub(crate) fn split_reply(&self) -> Result<(&[Message], &str), NoReply> {
        let (last, before) = self.messages.split_last().ok_or(NoReply::NoMessages)?;
        match last.role {
            Role::Assistant => Ok((before, &last.content)),
            Role::Human | Role::System | Role::Tool => Err(NoReply::AnotherLast),
        }
    }

    fn add_system(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let system = self.system.get_or_insert_default();
        if !system.is_empty() {
            system.push_str("\n\n");
        }
        system.push_str(text.trim());
    }

    fn add(&mut self, place: &str, message: &Fields<'_>) -> Result<(), Fault> {
        let role = one_of(place, message, "role", "from")?;
        let role = role.ok_or_else(|| Fault::malformed(format!("{place} has no `role`")))?;
        let at_place =
            |fault: Fault| Fault::new(fault.reason, format!("{place}: {}", fault.detail));
        let role = text("role", role).map_err(at_place)?;
        if ["tool_calls", "function_call"]
            .iter()
            .any(|name| is_filled(message.get(name)))
        {
            return Err(calls_a_tool(place));
        }
        let own = extra(message, &READ, "").map_err(at_place)?;
        for name in own.unused {
            let name = format!("{name} (of messages)");
            if !self.unused.contains(&name) {
                self.unused.push(name);
            }
        }
        if let Some(system) = own.system {
            self.add_system(&system);
        }
        if let Some(context) = own.context {
            *self.context.get_or_insert_default() += &context;
        }
        let value = one_of(place, message, "content", "value")?;
        let content = || content(place, value);
        let speaker = match role.to_ascii_lowercase().as_str() {
            "user" | "human" | "prompter" => Role::Human,
            "assistant" | "gpt" | "bot" | "model" => Role::Assistant,
            "system" | "developer" => {
                // Null is an empty system message.
                self.add_system(&content()?.unwrap_or_default());
                return Ok(());
            }
            "tool" | "function" | "ipython" | "observation" | "environment"
            | "function_response" | "tool_response" | "tool_result" => Role::Tool,
            "function_call" | "tool_call" => return Err(calls_a_tool(place)),
            _ => {
                let other: String = role.chars().take(40).collect();
                return Err(Fault::new(
                    reason::UNKNOWN_ROLE,
                    format!("the role of {place} is `{other}`, expected user or assistant"),
                ));
            }
        };
        let content = content()?;
        let content = content
            .ok_or_else(|| Fault::malformed(format!("`content` of {place} is missing or null")))?;
        self.messages.push(Message {
            role: speaker,
            content,
        });
        Ok(())
    }
}

/// Each template writes calls in its own way, of fields that the tables do not have. A call
/// that the assistant's text holds is text.
fn calls_a_tool(place: &str) -> Fault {
    let problem = format!("{place} calls a tool in fields, which the tables do not hold");
    Fault::new(reason::TOOL_TURN, problem)
}

/// Returns a field that has two names. A message may have both if they are equal.
fn one_of<'a>(
    place: &str,
    message: &Fields<'a>,
    name: &str,
    other: &str,
) -> Result<Option<&'a RawValue>, Fault> {
    match (message.get(name), message.get(other)) {
        (Some(first), Some(second)) if first.get() != second.get() => Err(Fault::malformed(
            format!("{place} has both `{name}` and `{other}`, and they differ"),
        )),
        (first, second) => Ok(first.or(second)),
    }
}

/// Returns a message's content, which is a text or a list of texts, or `None` if it
/// is null.
fn content(place: &str, value: Option<&RawValue>) -> Result<Option<String>, Fault> {
    let Some(value) = value else {
        return Ok(None);
    };
    let at_place = |fault: Fault| Fault::new(fault.reason, format!("{place}: {}", fault.detail));
    if !value.get().starts_with('[') {
        return text("content", value).map(Some).map_err(at_place);
    }
    let parts: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    let mut whole = String::new();
    for part in parts {
        if part.get().starts_with('"') {
            whole += &text("content", part).map_err(at_place)?;
            continue;
        }
        let not_text = |what: &str| {
            let problem = format!("{place} holds {what}, expected text");
            Fault::new(reason::NOT_TEXT, problem)
        };
        let part: Part<'_> =
            serde_json::from_str(part.get()).map_err(|_| not_text("a part without a `type`"))?;
        match (part.kind.as_deref(), part.text) {
            (None | Some("text" | "input_text" | "output_text"), Some(raw)) => {
                whole += &text("text", raw).map_err(at_place)?;
            }
            (kind, _) => {
                let kind: String = kind.unwrap_or("unknown").chars().take(40).collect();
                return Err(not_text(&format!("a part of type `{kind}`")));
            }
        }
    }
    Ok(Some(whole))
}
