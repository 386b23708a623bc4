//! Texts and conversations.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::{Fault, is_filled, kind, reason, text};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `user` or `human`.
    Human,
    /// `assistant` or `gpt`.
    Assistant,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// Messages in order; a `system` or `developer` message is none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// What human and assistant say.
    pub messages: Vec<Message>,
    /// What the system messages say; none where they say nothing.
    pub system: Option<String>,
}

/// A text, or a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Plain text.
    Plain(String),
    /// A conversation.
    Messages(Conversation),
}

/// A message as it stands; `from` and `value` are the names of `ShareGPT`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

/// A part of a message's content.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

impl Text {
    /// Reads a text or a list of messages.
    pub(super) fn read(name: &str, value: &RawValue) -> Result<Self, Fault> {
        match value.get().as_bytes().first() {
            Some(b'"') => text(name, value).map(Self::Plain),
            Some(b'[') => Conversation::read(name, value).map(Self::Messages),
            _ => Err(Fault::malformed(format!(
                "`{name}` is {}, expected a text or a list of messages",
                kind(value)
            ))),
        }
    }

    /// What its system messages say, if anything.
    pub fn system(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Messages(conversation) => conversation.system.as_deref(),
        }
    }
}

impl Conversation {
    /// Reads a list of messages.
    pub(super) fn read(name: &str, value: &RawValue) -> Result<Self, Fault> {
        let raw: Vec<Raw<'_>> = serde_json::from_str(value.get()).map_err(|_| {
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

    fn add(&mut self, place: &str, message: &Raw<'_>) -> Result<(), Fault> {
        let role = message.role.or(message.from);
        let role = role.ok_or_else(|| Fault::malformed(format!("{place} has no `role`")))?;
        let told = |fault: Fault| Fault::new(fault.reason, format!("{place}: {}", fault.detail));
        let role = text("role", role).map_err(told)?;
        if is_filled(message.tool_calls) || is_filled(message.function_call) {
            return Err(Fault::new(
                reason::TOOL_TURN,
                format!("{place} calls a tool"),
            ));
        }
        let content = || content(place, message.content.or(message.value));
        let speaker = match role.as_str() {
            "user" | "human" => Role::Human,
            "assistant" | "gpt" => Role::Assistant,
            "system" | "developer" => {
                // Null is a system message that says nothing.
                let said = content()?.unwrap_or_default();
                if !said.trim().is_empty() {
                    let system = self.system.get_or_insert_default();
                    if !system.is_empty() {
                        system.push_str("\n\n");
                    }
                    system.push_str(said.trim());
                }
                return Ok(());
            }
            "tool" | "function" | "ipython" | "observation" | "environment" | "function_call"
            | "function_response" | "tool_call" | "tool_response" | "tool_result" => {
                return Err(Fault::new(
                    reason::TOOL_TURN,
                    format!("the role of {place} is `{role}`"),
                ));
            }
            other => {
                let other: String = other.chars().take(40).collect();
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

/// A message's content: a text, or parts that are texts; none where it is null.
fn content(place: &str, value: Option<&RawValue>) -> Result<Option<String>, Fault> {
    let Some(value) = value else {
        return Ok(None);
    };
    let told = |fault: Fault| Fault::new(fault.reason, format!("{place}: {}", fault.detail));
    if !value.get().starts_with('[') {
        return text("content", value).map(Some).map_err(told);
    }
    let parts: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    let mut whole = String::new();
    for part in parts {
        if part.get().starts_with('"') {
            whole += &text("content", part).map_err(told)?;
            continue;
        }
        let not_text = |what: &str| {
            let problem = format!("{place} holds {what}, expected text");
            Fault::new(reason::NOT_TEXT, problem)
        };
        let part: Part<'_> =
            serde_json::from_str(part.get()).map_err(|_| not_text("a part of no `type`"))?;
        match (part.kind.as_deref(), part.text) {
            (None | Some("text" | "input_text" | "output_text"), Some(said)) => {
                whole += &text("text", said).map_err(told)?;
            }
            (kind, _) => {
                let kind: String = kind.unwrap_or("unknown").chars().take(40).collect();
                return Err(not_text(&format!("a part of type `{kind}`")));
            }
        }
    }
    Ok(Some(whole))
}
