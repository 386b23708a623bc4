//! An endpoint with journal, retries and limits.
//!
//! An [`Endpoint`] answers [`Question`]s, for a chat completion ([`Request`]) or for text
//! completions ([`TextRequest`]): from its [`Journal`] if the same was answered before, or else by asking an OpenAI-compatible server through its
//! [`Client`]. Every outcome is on the disk before it is returned, so that neither
//! a rerun nor a crash pays for a reply twice. Without a client the journal is
//! replayed and nothing is asked.
//!
//! | What | Here |
//! |---|---|
//! | what is asked, and the digest by which it is known | [`Request`], [`TextRequest`] |
//! | the outcomes, line by line on the disk | [`Journal`] |
//! | one request over HTTP: timeouts, size, retries, key | [`Client`] |
//! | what an error of a connection says; a wait that can be ended | [`problem_of`], [`sleep_until`] |
//! | how an answer is decompressed | [`decoded`] |
//! | what a server's answer means | [`meaning`], [`text_meaning`] |
//! | the possible outcomes of a request | [`Outcome`] |
//! | why a reply ended | [`Ending`] |
//! | why a request has no reply | [`Failure`] |
//! | which part of a reply is thought, and which is the answer | [`apo_thought`] |
//! | which cause of failures is the commonest | [`Causes`] |
//! | when to ask again | [`Schedule`] |
//! | the proxy that the environment names | [`route`] |
//! | journal and client together | [`Endpoint`] |
//! | several requests at once | [`at_once`] |

mod answer;
mod causes;
mod client;
mod drawn;
mod encoding;
mod ending;
mod endpoint;
mod error;
mod failure;
mod journal;
mod key;
mod outcome;
mod parallel;
mod policy;
mod proxy;
mod question;
mod request;
mod retry;
mod text_request;

pub use answer::{Meaning, excerpt, meaning, text_meaning};
pub use causes::Causes;
pub use client::{Client, POLL_INTERVAL, Settings, problem_of, sleep_until};
pub use drawn::{Drawn, EndedBy};
pub use encoding::{Unread, decoded};
pub use ending::Ending;
pub use endpoint::{Counts, Endpoint};
pub use error::EndpointError;
pub use failure::{Failure, FailureKind};
pub use journal::{Damage, Entry, Journal, JournalError};
pub use key::Key;
pub use outcome::{Outcome, OutcomeKind, PolicyRefusal, Reply, Unreadable, Usage};
pub use parallel::at_once;
pub use proxy::{Proxy, Route, route};
pub use question::{Form, Question, Wanted};
pub use request::{Digest, Message, Request, Role};
pub use retry::{Schedule, retry_after};
pub use text_request::{Choice, TextRequest};
