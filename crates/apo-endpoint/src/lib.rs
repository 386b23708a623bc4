//! A chat endpoint with journal, retries and limits.
//!
//! An [`Endpoint`] answers [`Request`]s: from its [`Journal`] if the same request
//! was answered before, or else by asking an OpenAI-compatible server through its
//! [`Client`]. Every outcome is on the disk before it is returned, so that neither
//! a rerun nor a crash pays for a reply twice. Without a client the journal is
//! replayed and nothing is asked.
//!
//! | What | Here |
//! |---|---|
//! | what is asked, and the digest by which it is known | [`request`] |
//! | the outcomes, line by line on the disk | [`journal`] |
//! | one request over HTTP: timeouts, size, retries, key | [`client`] |
//! | how an answer is decompressed | [`encoding`] |
//! | what a server's answer means | [`answer`] |
//! | the possible outcomes of a request | [`outcome`] |
//! | why a reply ended | [`ending`] |
//! | why a request has no reply | [`failure`] |
//! | which part of a reply is thought, and which is the answer | [`apo_thought`] |
//! | which cause of failures is the commonest | [`causes`] |
//! | when to ask again | [`retry`] |
//! | journal and client together | [`endpoint`] |
//! | several requests at once | [`parallel`] |

pub mod answer;
pub mod causes;
pub mod client;
pub mod encoding;
pub mod ending;
pub mod endpoint;
pub mod error;
pub mod failure;
pub mod journal;
pub mod key;
pub mod outcome;
pub mod parallel;
mod policy;
mod proxy;
pub mod request;
pub mod retry;

pub use answer::excerpt;
pub use causes::Causes;
pub use client::{Client, Settings};
pub use ending::Ending;
pub use endpoint::{Counts, Endpoint};
pub use error::EndpointError;
pub use failure::{Failure, FailureKind};
pub use journal::{Damage, Entry, Journal, JournalError};
pub use key::Key;
pub use outcome::{Outcome, OutcomeKind, PolicyRefusal, Reply, Unreadable, Usage};
pub use parallel::at_once;
pub use request::{Digest, Message, Request, Role};
