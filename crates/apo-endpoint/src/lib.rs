//! A chat endpoint with journal, retries and limits.
//!
//! An [`Endpoint`] answers [`Request`]s: from its [`Journal`] where the same
//! request was answered before, else by asking an OpenAI-compatible server
//! through its [`Client`]. Every outcome is on the disk before it is given
//! out, so that neither a rerun nor a crash pays for a reply twice; without a
//! client the journal is replayed and nothing is asked.
//!
//! | What | Here |
//! |---|---|
//! | what is asked, and the digest by which it is known | [`request`] |
//! | what came of it, line by line on the disk | [`journal`] |
//! | one request over HTTP: timeouts, size, retries, key | [`client`] |
//! | what a server's answer means | [`answer`] |
//! | when to ask again | [`retry`] |
//! | journal and client together | [`endpoint`] |
//! | several at once | [`parallel`] |

pub mod answer;
pub mod client;
pub mod endpoint;
pub mod error;
pub mod journal;
pub mod key;
pub mod parallel;
pub mod request;
pub mod retry;

pub use client::{Client, Settings};
pub use endpoint::{Counts, Endpoint};
pub use error::EndpointError;
pub use journal::{Entry, Failure, Journal, JournalError, Outcome, Policy, Reply, Usage};
pub use key::Key;
pub use parallel::at_once;
pub use request::{Digest, Message, Request, Role};
