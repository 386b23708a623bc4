//! What can stop the asking altogether.
//!
//! What concerns one request alone is not here: it is an
//! [`Outcome`](crate::Outcome).

use std::time::Duration;

use crate::journal::JournalError;
use crate::request::Digest;

/// Why nothing more is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The address is none.
    #[error(
        "`{url}` is no address of an endpoint: {problem}; expected one as https://api.openai.com/v1 \
         or http://localhost:8000/v1"
    )]
    BadUrl {
        /// The address, without what might be a password in it.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The key cannot be sent. It is not shown.
    #[error(
        "OPENAI_API_KEY holds white space or characters outside ASCII; set it to the key alone"
    )]
    BadKey,

    /// The environment names a proxy that cannot be used.
    #[error(
        "{variable} names a proxy that cannot be used, `{proxy}`: {problem}; correct it, or unset it"
    )]
    BadProxy {
        /// The variable.
        variable: String,
        /// Its address, without user and password.
        proxy: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The proxy lets nobody through.
    #[error("{proxy} does not let us through: {problem}; put user and password into the variable")]
    Proxy {
        /// The proxy and its variable, without user and password.
        proxy: String,
        /// What it says.
        problem: String,
    },

    /// The key is wrong, or there is none.
    #[error("the endpoint does not let us in ({message}): {}", match has_key {
        true => "check the key in OPENAI_API_KEY, and that it may use this model",
        false => "set OPENAI_API_KEY to a key of that endpoint",
    })]
    Unauthorised {
        /// 401 or 403.
        status: u16,
        /// What the server says, the status before it.
        message: String,
        /// Whether a key was sent.
        has_key: bool,
    },

    /// Something that would meet every request alike.
    #[error("the endpoint takes no requests like this: {message}{}", match status {
        404 | 405 | 410 => "; check --base-url and the model's name",
        _ => "",
    })]
    Refused {
        /// As 404, where there is no such model or address.
        status: u16,
        /// What the server says, the status before it.
        message: String,
    },

    /// The server wants a longer pause than is worth waiting.
    #[error(
        "the endpoint asks for a pause of {} s, more than the {} s that are waited; \
         run the same command again then",
        pause.as_secs(),
        longest.as_secs()
    )]
    LongPause {
        /// How long.
        pause: Duration,
        /// How long a pause may be.
        longest: Duration,
    },

    /// Request after request failed.
    #[error("{n} requests in a row got no reply; the last: {message}")]
    NoReplies {
        /// How many.
        n: u32,
        /// What the last one met.
        message: String,
    },

    /// A journal is replayed that does not know the request.
    #[error("the journal has no entry for the request {request}")]
    NotInJournal {
        /// The request.
        request: Digest,
    },

    /// The caller wants to stop.
    #[error("stopped")]
    Stopped,

    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
