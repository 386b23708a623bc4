//! What a server's answer means.
//!
//! It is a function of status and body alone, so that every case is a line in a
//! table of a test. Modules of their own know how servers express policy refusals
//! and prompts that are too long.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::failure::{STREAMS, too_long};
use crate::outcome::{Outcome, PolicyRefusal, Unreadable};
use crate::policy;

mod completion;
mod fault;
mod length;
mod literal;
mod repair;

use completion::{completion, usage};
use fault::{error_message, error_names};

/// Characters of a server's message that are kept.
const EXCERPT: usize = 300;

/// What an answer means for its request.
#[derive(Debug, PartialEq)]
pub enum Meaning {
    /// It has this outcome.
    Done(Outcome),
    /// The same request may succeed later.
    Later(String),
    /// This request will not succeed.
    Never(String),
    /// The key is wrong or missing.
    Unauthorised(String),
    /// No request will succeed.
    Refused(String),
}

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

/// Classifies a body with the status of an error; the body is an object or a text.
fn refused(status: u16, json: Value) -> Meaning {
    let server_message = json
        .as_str()
        .map_or_else(|| error_message(&json), |text| excerpt(text.as_bytes()));
    let message = if server_message.is_empty() {
        format!("HTTP {status}")
    } else {
        format!("HTTP {status}: {server_message}")
    };
    let names = error_names(&json);
    // The key is a good one then, whatever the status.
    if names.iter().any(|name| is_out_of_quota(name)) {
        return Meaning::Refused(message);
    }
    if status == 401 {
        return Meaning::Unauthorised(message);
    }
    let is_about_text = !matches!(status, 402 | 407 | 408 | 429);
    if is_about_text && status != 403 && length::is_too_long(&names, &server_message) {
        return Meaning::Never(too_long(&message));
    }
    if is_about_text && let Some(policy) = policy_of(status, &json, &names, &server_message) {
        return Meaning::Done(Outcome::Policy(policy));
    }
    match status {
        // A guardrail; a legal reason.
        446 | 451 => Meaning::Done(Outcome::Policy(PolicyRefusal {
            code: format!("HTTP {status}"),
            message: server_message,
            usage: None,
        })),
        403 => Meaning::Unauthorised(message),
        408 | 409 | 425 | 429 | 500.. => Meaning::Later(message),
        402 | 404 | 405 | 407 | 410 => Meaning::Refused(message),
        _ => Meaning::Never(message),
    }
}

/// Returns the refusal by policy that an error is; `None` for another error.
fn policy_of(status: u16, json: &Value, names: &[String], message: &str) -> Option<PolicyRefusal> {
    let name = names.iter().find(|name| policy::names_policy(name));
    let sentence = || {
        let says_so = match status {
            200..=299 | 400 | 403 | 406 | 422 => policy::describes_refusal(message),
            // A router fails while it passes on another server's refusal.
            500.. => policy::clearly_describes_refusal(message),
            _ => false,
        };
        // Firewalls and proxies send pages.
        (says_so && !message.starts_with('<')).then(|| "content policy".to_owned())
    };
    let code = name.cloned().or_else(|| policy::field(json));
    let code = code.or_else(sentence)?;
    Some(PolicyRefusal {
        code: excerpt(code.as_bytes()),
        message: message.to_owned(),
        usage: usage(json),
    })
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
        // A value that the faults did not touch is as good as any.
        Meaning::Done(Outcome::Reply(reply)) if reply.content.contains(literal::UNREAD) => {
            let problem = "its text is not UTF-8, or contains half a character (a lone surrogate)";
            unreadable(problem, reply.usage)
        }
        Meaning::Done(Outcome::Reply(_)) if read.holds_more => {
            unreadable("more JSON follows the chat completion", None)
        }
        other => other,
    }
}

/// Classifies an error with a status of success.
fn hidden_error(json: &Value) -> Meaning {
    let names = error_names(json);
    let message = error_message(json);
    if length::is_too_long(&names, &message) {
        return Meaning::Never(too_long(&message));
    }
    if let Some(policy) = policy_of(200, json, &names, &message) {
        return Meaning::Done(Outcome::Policy(policy));
    }
    let code = [&json["error"]["code"], &json["code"]]
        .into_iter()
        .find_map(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
    match code {
        _ if names.iter().any(|name| is_out_of_quota(name)) => Meaning::Refused(message),
        Some(401 | 403) => Meaning::Unauthorised(message),
        _ if names.iter().any(|name| name == "invalid_api_key") => Meaning::Unauthorised(message),
        Some(408 | 429 | 500..=599) => Meaning::Later(message),
        _ if names.iter().any(|name| is_transient(name)) => Meaning::Later(message),
        _ => Meaning::Never(message),
    }
}

/// Whether a code or type says that the account has no quota or balance left.
fn is_out_of_quota(name: &str) -> bool {
    const OUT_OF_QUOTA: &[&str] = &[
        "insufficientquota",
        "insufficientbalance",
        "insufficientcredits",
        "insufficientfunds",
        "billinghardlimitreached",
        "billingnotactive",
    ];
    OUT_OF_QUOTA.contains(&&*letters(name))
}

/// Whether a code or type names an error that may be gone later.
fn is_transient(name: &str) -> bool {
    const TRANSIENT: &[&str] = &[
        "ratelimit",
        "overload",
        "unavailable",
        "timeout",
        "servererror",
        "internalerror",
    ];
    let name = letters(name);
    TRANSIENT.iter().any(|it| name.contains(it))
}

/// Returns a name's letters and digits, in lower case.
fn letters(name: &str) -> String {
    let name = name.chars().filter(char::is_ascii_alphanumeric);
    name.map(|it| it.to_ascii_lowercase()).collect()
}

/// Returns the beginning of a text as one line without control characters.
pub fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * EXCERPT)]);
    let mut found = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !found.is_empty() {
            found.push(' ');
        }
        found += word;
    }
    match found.char_indices().nth(EXCERPT) {
        Some((at, _)) => format!("{}…", &found[..at]),
        None => found,
    }
}

#[cfg(test)]
mod tests;
