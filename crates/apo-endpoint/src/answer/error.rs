//! What errors mean: those that the status shows, and those that only the body shows.

use serde_json::Value;

use super::excerpt::excerpt;
use super::fault::{error_message, error_names};
use super::length;
use super::meaning::Meaning;
use super::usage::usage;
use crate::failure::too_long;
use crate::outcome::{Outcome, PolicyRefusal};
use crate::policy;

/// Classifies a body with the status of an error; the body is an object or a text.
pub(super) fn refused(status: u16, json: Value) -> Meaning {
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

/// Classifies an error with a status of success.
pub(super) fn hidden_error(json: &Value) -> Meaning {
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
