//! Why a request has no reply.

use serde::{Deserialize, Serialize};

/// How a failure's message begins if the prompt is too long.
const TOO_LONG: &str = "the prompt is longer than the server's context";

/// How a failure's message begins if the model called a tool.
pub(crate) const CALLS_TOOL: &str = "the model calls a tool instead of answering, and none was \
                                     offered: turn its tools off at the server";

/// A failure's message if the server streams.
pub(crate) const STREAMS: &str = "the endpoint streams its reply; expected one JSON object";

/// No reply, after all attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the last attempt ran into.
    pub message: String,
    /// The number of attempts.
    #[serde(default)]
    pub attempts: u32,
}

/// Kinds of failures, by what can be done about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The prompt is longer than the server's context.
    TooLong,
    /// Another one; the next run may succeed.
    Other,
}

impl FailureKind {
    /// Returns the kind of the failure with this message. The journal keeps the
    /// message alone, so its beginning says what kind it is.
    pub fn of(message: &str) -> Self {
        if message.starts_with(TOO_LONG) {
            Self::TooLong
        } else {
            Self::Other
        }
    }
}

impl Failure {
    /// Returns its kind.
    pub fn kind(&self) -> FailureKind {
        FailureKind::of(&self.message)
    }
}

/// Returns the message of a failure of the kind [`FailureKind::TooLong`]; `message` is
/// the server's.
pub(crate) fn too_long(message: &str) -> String {
    format!("{TOO_LONG}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_with_the_sentence_is_too_long() {
        assert_eq!(FailureKind::of(&too_long("9 > 8")), FailureKind::TooLong);
        for other in [
            "HTTP 503: busy".to_owned(),
            STREAMS.to_owned(),
            format!("HTTP 503: {TOO_LONG}"),
        ] {
            assert_eq!(FailureKind::of(&other), FailureKind::Other, "{other}");
        }
    }
}
