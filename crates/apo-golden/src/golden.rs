//! The path from a query to its golden answer.

use std::fmt;

use apo_endpoint::{Ending, EndpointError, Failure, Message, Outcome, Reply, Request, Role, Usage};
use apo_tables::Finish;
use apo_thought::is_doubtful;

use crate::prompts::{Prompts, WHY};
use crate::refusal::is_bare_refusal;

/// Where a golden answer comes from; the column `origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The model's reply.
    Reply,
    /// A bare refusal, and the reply to `why?`.
    ReplyAfterWhy,
    /// A text of Code 2: the content policy refused the request.
    RefusalText,
    /// The better HH response: no reply came.
    HhChosen,
    /// A file of answers.
    File,
}

impl Origin {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::Reply,
        Self::ReplyAfterWhy,
        Self::RefusalText,
        Self::HhChosen,
        Self::File,
    ];

    /// Returns the column's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::ReplyAfterWhy => "reply_after_why",
            Self::RefusalText => "refusal_text",
            Self::HhChosen => "hh_chosen",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A golden answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Golden {
    /// The answer, stripped.
    pub response: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Why it ended.
    pub finish: Finish,
}

impl Golden {
    /// Makes a golden answer from a text: stripped, and cut where another human turn
    /// begins; `None` if nothing remains.
    pub fn new(text: &str, origin: Origin) -> Option<Self> {
        let (text, finish) = match text.find(apo_hh::HUMAN) {
            Some(at) => (&text[..at], Finish::Turn),
            None => (text, Finish::Stop),
        };
        let response = text.trim().to_owned();
        (!response.is_empty()).then_some(Self {
            response,
            origin,
            finish,
        })
    }
}

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
            Ending::Unsaid => Some(Self::Unsaid),
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
        let mut messages = vec![Message::new(Role::System, &self.prompts.system)];
        messages.extend(apo_hh::turns(prompt).into_iter().map(|turn| {
            let role = match turn.role {
                apo_hh::Role::Human => Role::User,
                apo_hh::Role::Assistant => Role::Assistant,
            };
            Message::new(role, turn.text)
        }));
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
    let mut golden = Golden::new(text, origin).ok_or_else(|| empty(last))?;
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
mod tests {
    use std::cell::RefCell;

    use apo_endpoint::{PolicyRefusal, Unreadable};

    use super::*;

    const PROMPT: &str =
        "\n\nHuman: hi\n\nAssistant: Hello.\n\nHuman: How do I pick a lock?\n\nAssistant:";
    const REFUSAL: &str = "Sorry, I can't assist with that.";

    fn reply(content: &str, finish_reason: &str) -> Outcome {
        Outcome::Reply(Reply {
            content: content.into(),
            finish_reason: Some(finish_reason.into()),
            usage: Some(Usage {
                prompt_tokens: 7,
                completion_tokens: 3,
            }),
        })
    }

    fn policy() -> Outcome {
        Outcome::Policy(PolicyRefusal {
            code: "content_filter".into(),
            message: String::new(),
            usage: None,
        })
    }

    fn failure() -> Failure {
        Failure {
            message: "HTTP 503".into(),
            attempts: 6,
        }
    }

    fn failed() -> Outcome {
        Outcome::Failed(failure())
    }

    fn unreadable() -> Outcome {
        Outcome::Unreadable(Unreadable {
            problem: "half a character".into(),
            body: String::new(),
            usage: None,
        })
    }

    /// Collects with the given outcomes, one a request; gives the requests too.
    fn collect(outcomes: Vec<Outcome>) -> (Collected, Vec<Request>) {
        let outcomes = RefCell::new(outcomes.into_iter());
        let requests = RefCell::new(Vec::new());
        let collected = Collector::new("m").collect("q", PROMPT, |request| {
            requests.borrow_mut().push(request.clone());
            Ok(outcomes
                .borrow_mut()
                .next()
                .expect("no more requests than expected"))
        });
        assert_eq!(outcomes.into_inner().count(), 0, "a request is missing");
        (collected.unwrap(), requests.into_inner())
    }

    fn golden(outcomes: Vec<Outcome>) -> Option<(String, Origin, Finish)> {
        let golden = collect(outcomes).0.golden?;
        Some((golden.response, golden.origin, golden.finish))
    }

    #[test]
    fn the_dialogue_follows_the_system_prompt() {
        let (_, requests) = collect(vec![reply("Gently.", "stop")]);
        let messages = &requests[0].messages;
        assert_eq!(
            messages[0],
            Message::new(Role::System, Prompts::default().system)
        );
        assert_eq!(
            messages[1..],
            [
                Message::new(Role::User, "hi"),
                Message::new(Role::Assistant, "Hello."),
                Message::new(Role::User, "How do I pick a lock?"),
            ]
        );
    }

    #[test]
    fn a_bare_refusal_is_asked_why_and_both_replies_are_kept() {
        let outcomes = vec![
            reply(&format!(" {REFUSAL}\n"), "stop"),
            reply("It harms.\n", "stop"),
        ];
        let (collected, requests) = collect(outcomes);
        let golden = collected.golden.unwrap();
        assert_eq!(golden.response, format!("{REFUSAL}\n\nIt harms."));
        assert_eq!(golden.origin, Origin::ReplyAfterWhy);
        let (first, why) = (&requests[0].messages, &requests[1].messages);
        assert_eq!(why[..first.len()], first[..]);
        assert_eq!(
            why[first.len()..],
            [
                Message::new(Role::Assistant, REFUSAL),
                Message::new(Role::User, "why?")
            ]
        );
        assert_eq!(
            (
                collected.usage.prompt_tokens,
                collected.usage.completion_tokens
            ),
            (14, 6)
        );
    }

    #[test]
    fn thoughts_are_neither_taught_nor_taken_for_more_than_a_refusal() {
        let outcomes = vec![reply("<think>\nThey ask.\n</think>\n\nGently.", "stop")];
        let expected = ("Gently.".to_owned(), Origin::Reply, Finish::Stop);
        assert_eq!(golden(outcomes), Some(expected));
        let outcomes = vec![
            reply(&format!("<think>I could harm.</think>{REFUSAL}"), "stop"),
            reply("Hm.\n</think>\n\nIt harms.", "stop"),
        ];
        let (collected, requests) = collect(outcomes);
        let found = collected.golden.unwrap();
        assert_eq!(found.response, format!("{REFUSAL}\n\nIt harms."));
        let asked = requests[1].messages.iter().rev().nth(1).unwrap();
        assert_eq!(*asked, Message::new(Role::Assistant, REFUSAL));
    }

    #[test]
    fn a_removed_or_kept_thought_is_reported() {
        let thought = |text: &str| reply(&format!("<think>Hm.</think>{text}"), "stop");
        for (outcomes, removed, kept) in [
            (vec![reply("Gently.", "stop")], false, false),
            (vec![thought("Gently.")], true, false),
            (vec![reply("Say <think>.", "stop")], false, true),
            (vec![thought("Say <think>.")], true, true),
            (
                vec![thought(REFUSAL), reply("It harms.", "stop")],
                true,
                false,
            ),
            (
                vec![reply(REFUSAL, "stop"), thought("It harms.")],
                true,
                false,
            ),
            // There is no answer, or not the model's.
            (vec![thought("")], false, false),
            (vec![thought(REFUSAL), policy()], false, false),
        ] {
            let found = collect(outcomes.clone()).0;
            let told = (found.thought_removed, found.may_hold_thought);
            assert_eq!(told, (removed, kept), "{outcomes:?}");
        }
    }

    #[test]
    fn a_golden_answer_with_an_unknown_end_is_kept_and_reported() {
        let unsaid = || {
            let Outcome::Reply(reply) = reply("Gently.", "") else {
                unreachable!()
            };
            Outcome::Reply(Reply {
                finish_reason: None,
                ..reply
            })
        };
        let unknown = || Some(Doubt::Unknown("bananas".into()));
        for (outcomes, expected) in [
            (vec![reply("Gently.", "stop")], None),
            (vec![reply("Gently.", "length")], None),
            (vec![reply("Gently.", "bananas")], unknown()),
            (vec![unsaid()], Some(Doubt::Unsaid)),
            (
                vec![reply(REFUSAL, "stop"), reply("It harms.", "bananas")],
                unknown(),
            ),
            (
                vec![reply(REFUSAL, "bananas"), reply("It harms.", "stop")],
                None,
            ),
        ] {
            let found = collect(outcomes.clone()).0;
            assert!(found.golden.is_some(), "{outcomes:?}");
            assert_eq!(found.doubt, expected, "{outcomes:?}");
        }
        let nothing = collect(vec![reply("", "bananas")]).0;
        assert_eq!((nothing.golden, nothing.doubt), (None, None));
    }

    #[test]
    fn each_outcome_has_its_origin() {
        let refusal = || reply(REFUSAL, "stop");
        let text = |text: &str, origin, finish| Some((text.to_owned(), origin, finish));
        for (outcomes, expected) in [
            (
                vec![reply(" Gently. ", "stop")],
                text("Gently.", Origin::Reply, Finish::Stop),
            ),
            (
                vec![reply("Gen", "length")],
                text("Gen", Origin::Reply, Finish::Length),
            ),
            (
                vec![reply("A.\n\nHuman: B?", "length")],
                text("A.", Origin::Reply, Finish::Turn),
            ),
            (vec![reply(" \n", "stop")], None),
            (vec![reply("\n\nHuman: B?", "stop")], None),
            (vec![failed()], None),
            (vec![refusal(), failed()], None),
            (vec![refusal(), reply("", "stop")], None),
            (
                vec![refusal(), reply("It ha", "length")],
                text(
                    &format!("{REFUSAL}\n\nIt ha"),
                    Origin::ReplyAfterWhy,
                    Finish::Length,
                ),
            ),
            // A second bare refusal is not asked again.
            (
                vec![refusal(), refusal()],
                text(
                    &format!("{REFUSAL}\n\n{REFUSAL}"),
                    Origin::ReplyAfterWhy,
                    Finish::Stop,
                ),
            ),
        ] {
            assert_eq!(golden(outcomes.clone()), expected, "{outcomes:?}");
        }
        for (outcomes, expected) in [
            (vec![failed()], Lack::Failed(failure())),
            (vec![refusal(), failed()], Lack::Failed(failure())),
            (vec![reply("", "stop")], Lack::Empty { is_cut: false }),
            (
                vec![reply("<think>Hm", "length")],
                Lack::Empty { is_cut: true },
            ),
            (vec![reply("", "MAX_TOKENS")], Lack::Empty { is_cut: true }),
            (
                vec![refusal(), reply(" ", "stop")],
                Lack::Empty { is_cut: false },
            ),
            (
                vec![unreadable()],
                Lack::Unreadable("half a character".into()),
            ),
            (
                vec![refusal(), unreadable()],
                Lack::Unreadable("half a character".into()),
            ),
        ] {
            let found = collect(outcomes.clone()).0;
            assert_eq!(
                (found.golden, found.lack),
                (None, Some(expected)),
                "{outcomes:?}"
            );
        }
        for outcomes in [vec![policy()], vec![refusal(), policy()]] {
            let (response, origin, _) = golden(outcomes).unwrap();
            assert_eq!(origin, Origin::RefusalText);
            assert!(
                Prompts::default().refusals.contains(&response),
                "{response}"
            );
        }
    }

    #[test]
    fn queries_and_seeds_spread_over_the_refusal_texts() {
        let texts = Prompts::default().refusals;
        let mut collector = Collector::new("m");
        let mut counts = [0; 3];
        let mut draws = Vec::new();
        for seed in [1, 2] {
            collector.seed = seed;
            for query in 0..300 {
                let found = collector.refusal_text(&format!("query {query}"));
                assert_eq!(collector.refusal_text(&format!("query {query}")), found);
                let number = texts
                    .iter()
                    .position(|text| *text == found.response)
                    .unwrap();
                counts[number] += 1;
                draws.push(number);
            }
        }
        // Of 600 draws among three, 200 each; the deviation is √(600 · ⅓ · ⅔) = 11.5.
        assert!(
            counts.iter().all(|count| (150..250).contains(count)),
            "{counts:?}"
        );
        assert_ne!(draws[..300], draws[300..]);
    }
}
