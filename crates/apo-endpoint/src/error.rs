//! Errors after which nothing more is asked.
//!
//! A failure of one request alone is not an error but an
//! [`Outcome`](crate::Outcome).

use std::time::Duration;

use crate::journal::JournalError;
use crate::request::Digest;

/// Why nothing more is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The address is malformed.
    #[error(
        "`{url}` is not the address of an endpoint: {problem}; expected one like \
         https://api.openai.com/v1 or http://localhost:8000/v1"
    )]
    BadUrl {
        /// The address, without a password that it may contain.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The key cannot be sent. It is not shown.
    #[error(
        "OPENAI_API_KEY contains white space or characters outside ASCII; set it to the key alone"
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
    #[error(
        "{proxy} refused the connection: {problem}; put the user and password into the variable"
    )]
    Proxy {
        /// The proxy and its variable, without user and password.
        proxy: String,
        /// What it says.
        problem: String,
    },

    /// The key is wrong or missing.
    #[error("the endpoint denied access ({message}): {}", match has_key {
        _ if is_of_place(message) => "it does not serve this region; choose another with --base-url",
        true => "check the key in OPENAI_API_KEY, and that it may use this model",
        false => "set OPENAI_API_KEY to a key of that endpoint",
    })]
    Unauthorised {
        /// 401 or 403.
        status: u16,
        /// The status, and what the server says.
        message: String,
        /// Whether a key was sent.
        has_key: bool,
    },

    /// A fault that every request would meet.
    #[error("the endpoint rejects such requests: {message}{}", match status {
        404 | 405 | 410 => "; check --base-url and the model's name",
        401..=403 | 429 => "; the account has no quota or balance left: top it up, or use another key",
        _ => "",
    })]
    Refused {
        /// Such as 404, if there is no such model or address; 401 to 403 and 429 if the
        /// account's quota is used up.
        status: u16,
        /// The status, and what the server says.
        message: String,
    },

    /// What the server sends is not what was asked for, and would not be for any request.
    #[error("the endpoint does not do what it is asked for: {message}")]
    Unusable {
        /// What is wrong, and what to do.
        message: String,
    },

    /// The server wants a longer pause than is worth waiting.
    #[error(
        "the endpoint asks for a pause of {} s, and this stage waits at most {} s; run the same \
         command again later",
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

    /// A journal is replayed, and it does not have the request.
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

/// Whether a refusal is about where the request comes from, which no key changes.
fn is_of_place(message: &str) -> bool {
    let message = message.to_lowercase();
    let names = |word: &&str| message.contains(word);
    let is_about_place = ["country", "region", "territory", "location"]
        .iter()
        .any(&names);
    is_about_place
        && ["not supported", "unsupported", "not available"]
            .iter()
            .any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_served_is_no_fault_of_the_key() {
        let denied = |message: &str| {
            let error = EndpointError::Unauthorised {
                status: 403,
                message: message.to_owned(),
                has_key: true,
            };
            error.to_string()
        };
        for message in [
            "HTTP 403: Country, region, or territory not supported",
            "HTTP 403: User location is not supported for the API use.",
            "HTTP 403: this model is not available in your region",
        ] {
            let shown = denied(message);
            assert!(
                shown.contains("--base-url") && !shown.contains("OPENAI"),
                "{shown}"
            );
        }
        for message in ["HTTP 403: no", "HTTP 403: this operation is not supported"] {
            let shown = denied(message);
            assert!(shown.contains("check the key in OPENAI_API_KEY"), "{shown}");
        }
    }
}
