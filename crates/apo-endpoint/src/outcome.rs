//! The possible outcomes of a request.

use apo_thought::parted;
use serde::{Deserialize, Serialize};

use crate::drawn::Drawn;
use crate::ending::Ending;
use crate::failure::{CALLS_TOOL, Failure};

/// Tokens that a reply took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the reply.
    #[serde(default)]
    pub completion_tokens: u64,
}

/// What the model said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The text as it was received, including thoughts; of several texts, the first.
    pub content: String,
    /// Why it ended, in the server's words: `stop`, `length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// The tokens that it took, if the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The texts of text completions; a chat completion has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<Drawn>,
}

impl Reply {
    /// Returns what the model answered, without its thoughts.
    pub fn answer(&self) -> &str {
        parted(&self.content).answer
    }

    /// Whether a thought comes before the answer.
    pub fn has_thought(&self) -> bool {
        parted(&self.content).has_thought
    }

    /// Returns the number of tokens of each text, the end of text among them, where it is
    /// known: a server tells the sum, or, as llama.cpp does, that of the first text. The ids
    /// of a text may be fewer.
    pub fn drawn_tokens(&self) -> Vec<Option<u64>> {
        let told = self.usage.map(|it| it.completion_tokens);
        let told = told.filter(|&n| n > 0);
        if self.drawn.len() == 1 {
            return vec![told];
        }
        let ids: Vec<_> = self.drawn.iter().map(Drawn::n_ids).collect();
        let sum: Option<u64> = ids.iter().copied().sum();
        if sum.is_some() && sum == told {
            ids
        } else {
            vec![None; ids.len()]
        }
    }

    /// Returns what its finish reason means.
    pub fn ending(&self) -> Ending {
        Ending::of(self.finish_reason.as_deref())
    }

    /// Whether the token limit ended it.
    pub fn is_cut(&self) -> bool {
        self.ending() == Ending::Cut
    }

    /// Returns what makes it a failure: the model called a tool instead of
    /// answering, or the server broke the reply off.
    pub(crate) fn fault(&self) -> Option<String> {
        let reason = self.finish_reason.as_deref()?;
        match self.ending() {
            Ending::Tool => Some(format!("{CALLS_TOOL} (finish_reason `{reason}`)")),
            Ending::BrokenOff => Some(format!(
                "the server broke the reply off (finish_reason `{reason}`)"
            )),
            _ => None,
        }
    }
}

/// The server's content policy refused the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRefusal {
    /// The error's code or type, such as `content_filter`.
    pub code: String,
    /// What the server says about it.
    #[serde(default)]
    pub message: String,
    /// The tokens that it took, if the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A completion whose text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// What is wrong with it.
    pub problem: String,
    /// The body as it was received, in base64.
    pub body: String,
    /// The tokens that it took, if the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A reply.
    Reply(Reply),
    /// A refusal by content policy.
    Policy(PolicyRefusal),
    /// A completion whose text cannot be read.
    Unreadable(Unreadable),
    /// No reply.
    Failed(Failure),
}

/// Kinds of outcomes, by what can be done about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// A reply that says something.
    Answer,
    /// A reply that is empty, or only a thought.
    Empty,
    /// A completion whose text cannot be read.
    Unreadable,
    /// A refusal by content policy.
    Policy,
    /// No reply; the next run asks again.
    Failed,
}

impl Outcome {
    /// Returns the outcome that the finish reason implies. An older version kept
    /// replies that were broken off or called a tool as answers.
    pub(crate) fn by_its_end(self) -> Self {
        let Self::Reply(reply) = self else {
            return self;
        };
        if let Some(message) = reply.fault() {
            return Self::Failed(Failure {
                message,
                attempts: 1,
            });
        }
        match reply.finish_reason {
            Some(code) if Ending::of(Some(&code)) == Ending::Policy => {
                Self::Policy(PolicyRefusal {
                    code,
                    message: String::new(),
                    usage: reply.usage,
                })
            }
            finish_reason => Self::Reply(Reply {
                finish_reason,
                ..reply
            }),
        }
    }

    /// Returns its kind.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Reply(reply) if reply.answer().trim().is_empty() => OutcomeKind::Empty,
            Self::Reply(_) => OutcomeKind::Answer,
            Self::Policy(_) => OutcomeKind::Policy,
            Self::Unreadable(_) => OutcomeKind::Unreadable,
            Self::Failed(_) => OutcomeKind::Failed,
        }
    }

    /// Returns the tokens that were paid for, if the server reported them.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::Reply(reply) => reply.usage,
            Self::Policy(policy) => policy.usage,
            Self::Unreadable(unreadable) => unreadable.usage,
            Self::Failed(_) => None,
        }
    }
}
