//! The path from a query to its golden answer.

use apo_endpoint::{Ending, EndpointError, Failure, Message, Outcome, Reply, Request, Role, Usage};
use apo_tables::Finish;
use apo_thought::is_doubtful;

use crate::golden::{Golden, Origin};
use crate::prompts::{Prompts, WHY};
use crate::refusal::is_bare_refusal;

/// Why a query has no golden answer from a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No reply came.
    Failed(Failure),
    /// The reply is empty, or only a thought.
    Empty {
        /// Whether the token limit ended it.
        is_cut: bool,
    },
    /// The reply cannot be read; this is what is wrong with it.
    Unreadable(String),
}

/// Why it is not known whether a golden answer is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The server does not say why the reply ended.
    Unsaid,
    /// It ended for a reason that is not known here, in the server's words.
    Unknown(String),
}

impl Doubt {
    fn of(reply: &Reply) -> Option<Self> {
        match reply.ending() {
            Ending::NotGiven => Some(Self::Unsaid),
            Ending::Unknown => reply.finish_reason.clone().map(Self::Unknown),
            // The other endings are known, or not of replies.
            _ => None,
        }
    }
}

/// The outcome of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The golden answer; `None` if no usable reply came.
    pub golden: Option<Golden>,
    /// Why there is none.
    pub lack: Option<Lack>,
    /// Why it may be incomplete.
    pub doubt: Option<Doubt>,
    /// Whether a thought was removed from the reply.
    pub thought_removed: bool,
    /// Whether it may hold a thought.
    pub may_hold_thought: bool,
    /// Whether special tokens around an answer of a file or table were removed.
    pub tokens_removed: bool,
    /// Tokens that it took, as far as the server reported them.
    pub usage: Usage,
}

/// Collects golden answers. The caller finds out the outcomes of requests, by
/// asking or from a journal.
#[derive(Clone, Debug)]
pub struct Collector {
    /// The model's name at the endpoint.
    pub model: String,
    /// The texts.
    pub prompts: Prompts,
    /// Sampling temperature; the server's default if absent.
    pub temperature: Option<f64>,
    /// Most tokens of a reply; the server's default if absent.
    pub max_tokens: Option<u32>,
    /// Seed of the choice among refusal texts.
    pub seed: u64,
}

impl Collector {
    /// Makes a collector with the paper's texts and the server's default sampling.
    pub fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            prompts: Prompts::default(),
            temperature: None,
            max_tokens: None,
            seed: 1,
        }
    }

    /// Returns the first request of a query: system prompt and dialogue.
    pub fn first_request(&self, prompt: &str) -> Request {
        // Servers take one system message: the query's own follows ours in it.
        let mut system = self.prompts.system.clone();
        let mut messages = Vec::new();
        for turn in apo_hh::turns(prompt) {
            let (role, text) = match turn.role {
                apo_hh::Role::System => {
                    system = format!("{system}\n\n{}", turn.text);
                    continue;
                }
                apo_hh::Role::Human => (Role::User, turn.text),
                apo_hh::Role::Assistant => (Role::Assistant, turn.text),
                // Servers take a tool's message only with the fields of its call.
                apo_hh::Role::Tool => (Role::User, format!("Tool: {}", turn.text)),
            };
            messages.push(Message::new(role, text));
        }
        messages.insert(0, Message::new(Role::System, system));
        Request {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            ..Request::new(&self.model, messages)
        }
    }

    /// Returns the request that follows a bare refusal: the first request, the reply,
    /// and `why?`.
    pub fn why_request(&self, first: &Request, refusal: &str) -> Request {
        let mut request = first.clone();
        request
            .messages
            .push(Message::new(Role::Assistant, refusal.trim()));
        request.messages.push(Message::new(Role::User, WHY));
        request
    }

    /// Collects a query's golden answer.
    ///
    /// # Errors
    ///
    /// When `ask` fails.
    pub fn collect(
        &self,
        query_id: &str,
        prompt: &str,
        ask: impl Fn(&Request) -> Result<Outcome, EndpointError>,
    ) -> Result<Collected, EndpointError> {
        let mut usage = Usage::default();
        let mut ask = |request: &Request| {
            let outcome = ask(request)?;
            let paid = outcome.usage().unwrap_or_default();
            usage.prompt_tokens += paid.prompt_tokens;
            usage.completion_tokens += paid.completion_tokens;
            Ok::<_, EndpointError>(outcome)
        };
        let first = self.first_request(prompt);
        let mut doubt = None;
        let mut has_thought = false;
        let found = match ask(&first)? {
            Outcome::Reply(reply) if is_bare_refusal(reply.answer()) => {
                match ask(&self.why_request(&first, reply.answer()))? {
                    Outcome::Reply(reason) => {
                        doubt = Doubt::of(&reason);
                        has_thought = reply.has_thought() || reason.has_thought();
                        after_why(&reply, &reason)
                    }
                    other => self.without_reply(query_id, other),
                }
            }
            Outcome::Reply(reply) => {
                doubt = Doubt::of(&reply);
                has_thought = reply.has_thought();
                finished(reply.answer(), &reply, Origin::Reply)
            }
            other => self.without_reply(query_id, other),
        };
        let (golden, lack) = match found {
            Ok(golden) => (Some(golden), None),
            Err(lack) => (None, Some(lack)),
        };
        let model_said = |it: &&Golden| matches!(it.origin, Origin::Reply | Origin::ReplyAfterWhy);
        Ok(Collected {
            doubt: doubt.filter(|_| golden.is_some()),
            thought_removed: has_thought && golden.is_some(),
            may_hold_thought: golden
                .as_ref()
                .filter(model_said)
                .is_some_and(|it| is_doubtful(&it.response)),
            tokens_removed: false,
            golden,
            lack,
            usage,
        })
    }

    /// Returns the golden answer, or the lack of one, for an outcome without a reply.
    fn without_reply(&self, query_id: &str, outcome: Outcome) -> Result<Golden, Lack> {
        match outcome {
            Outcome::Policy(_) => Ok(self.refusal_text(query_id)),
            Outcome::Failed(failure) => Err(Lack::Failed(failure)),
            Outcome::Unreadable(unreadable) => Err(Lack::Unreadable(unreadable.problem)),
            Outcome::Reply(reply) => Err(empty(&reply)),
        }
    }

    /// Returns the refusal text that a hash of the seed and the query chooses.
    fn refusal_text(&self, query_id: &str) -> Golden {
        let drawn = apo_hh::query_id(&format!("{} {query_id}", self.seed));
        let drawn = u64::from_str_radix(&drawn, 16).expect("a key is 16 hex digits");
        let texts = &self.prompts.refusals;
        let text = &texts[(drawn % texts.len() as u64) as usize];
        Golden::new(text, Origin::RefusalText).expect("a refusal text is filled")
    }
}

/// A reply that the token limit ended is not a complete response.
fn finished(text: &str, last: &Reply, origin: Origin) -> Result<Golden, Lack> {
    let mut golden = Golden::of_message(text, origin).ok_or_else(|| empty(last))?;
    if last.is_cut() && golden.finish == Finish::Stop {
        golden.finish = Finish::Length;
    }
    Ok(golden)
}

fn after_why(refusal: &Reply, reason: &Reply) -> Result<Golden, Lack> {
    let said = reason.answer().trim();
    if said.is_empty() {
        return Err(empty(reason));
    }
    let both = format!("{}\n\n{said}", refusal.answer().trim());
    finished(&both, reason, Origin::ReplyAfterWhy)
}

fn empty(reply: &Reply) -> Lack {
    Lack::Empty {
        is_cut: reply.is_cut(),
    }
}

#[cfg(test)]
mod tests;
