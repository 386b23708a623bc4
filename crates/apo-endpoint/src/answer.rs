//! What a server's answer means.
//!
//! It is a function of status and body alone, so that every case is a line in a
//! table of a test. Modules of their own know how servers express policy refusals
//! and prompts that are too long.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::failure::STREAMS;
use crate::outcome::{Outcome, Unreadable};

mod completion;
mod error;
mod excerpt;
mod fault;
mod length;
mod literal;
mod meaning;
mod repair;
mod text;
mod usage;

pub use excerpt::excerpt;
pub use meaning::Meaning;
pub use text::text_meaning;

use completion::completion;
use error::refused;

/// Classifies an answer.
///
/// A completion without choices is a refusal by the content policy: Gemini and
/// Azure send one for a prompt that they block, with or without a reason. A reply
/// that the server broke off, or that calls a tool, is not an outcome.
pub fn meaning(status: u16, body: &[u8]) -> Meaning {
    match (status, serde_json::from_slice(body)) {
        (200..=299, Ok(json)) => completion(&json),
        (200..=299, Err(_)) => not_json(body),
        (300..=399, _) => Meaning::Refused(format!(
            "HTTP {status}: it redirects, and neither request nor key is sent on; give as \
             --base-url the address that it redirects to"
        )),
        (_, json) => refused(
            status,
            fault::fault(
                json.ok().or_else(|| Some(repair::repaired(body)?.value)),
                body,
            ),
        ),
    }
}

/// Classifies a body with a status of success that is not JSON.
fn not_json(body: &[u8]) -> Meaning {
    let text = excerpt(body);
    if text.starts_with("data:") || text.starts_with("event:") {
        return Meaning::Never(STREAMS.to_owned());
    }
    let unreadable = |problem: &str, usage| {
        Meaning::Done(Outcome::Unreadable(Unreadable {
            problem: problem.to_owned(),
            body: BASE64_STANDARD.encode(body),
            usage,
        }))
    };
    let Some(read) = repair::repaired(body).filter(|it| it.value.is_object()) else {
        let text = String::from_utf8_lossy(body);
        let names = |name: &str| {
            ['"', '\'']
                .iter()
                .any(|q| text.contains(&format!("{q}{name}{q}")))
        };
        // The reply was begun, and was most likely paid for.
        if names("choices") && names("content") {
            return unreadable("it is a chat completion that is cut off, or not JSON", None);
        }
        let found = match excerpt(body) {
            nothing if nothing.is_empty() => "nothing".to_owned(),
            text => format!("`{text}`"),
        };
        return Meaning::Never(format!("expected a chat completion as JSON, found {found}"));
    };
    match completion(&read.value) {
        Meaning::Done(Outcome::Reply(reply)) => match read.problem(&reply) {
            Some(problem) => unreadable(problem, reply.usage),
            None => Meaning::Done(Outcome::Reply(reply)),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests;
