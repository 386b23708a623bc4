//! What a server's answer means.
//!
//! It is a function of status and body alone, so that every case is a line in a
//! table of a test. Modules of their own know how servers express policy refusals
//! and prompts that are too long.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::ending::Ending;
use crate::outcome::{Outcome, PolicyRefusal, Reply, Unreadable, Usage};

mod fault;
mod length;
mod literal;
pub(crate) mod policy;
mod repair;

use fault::{error_message, error_names};
pub use length::TOO_LONG;

/// The beginning of a failure's message if the model called a tool.
pub(crate) const CALLS_TOOL: &str = "the model calls a tool instead of answering, and none was \
                                     offered: turn its tools off at the server";

/// A failure's message if the server streams.
pub(crate) const STREAMS: &str = "the endpoint streams its reply; expected one JSON object";

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
        (200..=299, Err(_)) => unclean(body),
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
    let said = json
        .as_str()
        .map_or_else(|| error_message(&json), |text| excerpt(text.as_bytes()));
    let message = if said.is_empty() {
        format!("HTTP {status}")
    } else {
        format!("HTTP {status}: {said}")
    };
    let names = error_names(&json);
    if status == 401 {
        return Meaning::Unauthorised(message);
    }
    let is_about_text = !matches!(status, 402 | 407 | 408 | 429);
    if is_about_text && status != 403 && length::is_too_long(&names, &said) {
        return Meaning::Never(format!("{TOO_LONG}: {message}"));
    }
    if is_about_text && let Some(policy) = policy_of(status, &json, &names, &said) {
        return Meaning::Done(Outcome::Policy(policy));
    }
    match status {
        // A guardrail; a legal reason.
        446 | 451 => Meaning::Done(Outcome::Policy(PolicyRefusal {
            code: format!("HTTP {status}"),
            message: said,
            usage: None,
        })),
        403 => Meaning::Unauthorised(message),
        429 if names.iter().any(|name| name == "insufficient_quota") => Meaning::Refused(message),
        408 | 409 | 425 | 429 | 500.. => Meaning::Later(message),
        402 | 404 | 405 | 407 | 410 => Meaning::Refused(message),
        _ => Meaning::Never(message),
    }
}

/// Returns the refusal by policy that an error is; `None` for another error.
fn policy_of(status: u16, json: &Value, names: &[String], said: &str) -> Option<PolicyRefusal> {
    let name = names.iter().find(|name| policy::names_policy(name));
    let sentence = || {
        let is_told = match status {
            200..=299 | 400 | 403 | 406 | 422 => policy::tells_policy(said),
            // A router fails while it passes on another server's refusal.
            500.. => policy::tells_violation(said),
            _ => false,
        };
        // Firewalls and proxies send pages.
        (is_told && !said.starts_with('<')).then(|| "content policy".to_owned())
    };
    let code = name.cloned().or_else(|| policy::field(json));
    let code = code.or_else(sentence)?;
    Some(PolicyRefusal {
        code: excerpt(code.as_bytes()),
        message: said.to_owned(),
        usage: usage(json),
    })
}

/// Classifies a body with a status of success that is not JSON.
fn unclean(body: &[u8]) -> Meaning {
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
        Meaning::Done(Outcome::Reply(reply)) if reply.content.contains(repair::UNREAD) => {
            let problem = "its text is not UTF-8, or contains half a character (a lone surrogate)";
            unreadable(problem, reply.usage)
        }
        Meaning::Done(Outcome::Reply(_)) if read.holds_more => {
            unreadable("more JSON follows the chat completion", None)
        }
        other => other,
    }
}

/// Classifies a body with a status of success.
fn completion(json: &Value) -> Meaning {
    // Some routers pass on another server's error with status 200, beside the
    // choices or inside one.
    let choice = &json["choices"][0];
    for holder in [json, choice] {
        if holder.get("error").is_some_and(|error| !error.is_null()) {
            return hidden_error(holder);
        }
    }
    let refused = |code: &str, message: &str| {
        Meaning::Done(Outcome::Policy(PolicyRefusal {
            code: excerpt(code.as_bytes()),
            message: excerpt(message.as_bytes()),
            usage: usage(json),
        }))
    };
    let finish_reason = finish_reason(choice);
    let ending = Ending::of(finish_reason.as_deref());
    if let (Ending::Policy, Some(reason)) = (ending, &finish_reason) {
        return refused(reason, "the reply was ended by the content policy");
    }
    let message = &choice["message"];
    let content = text(&message["content"]);
    if let Some(refusal) = refusal(message) {
        return refused("refusal", refusal);
    }
    if content.as_ref().is_none_or(String::is_empty)
        && let Some(code) = policy::field(json)
    {
        return refused(&code, "no reply, by the content policy");
    }
    // Some servers have their own fields for an error.
    let has_error = [
        &json["base_resp"]["status_code"],
        &json["code"],
        &json["error_code"],
    ]
    .iter()
    .any(|code| code.is_string() || code.as_i64().is_some_and(|code| code != 0));
    if has_error && choice.is_null() {
        return hidden_error(json);
    }
    if let Some(problem) = other_format(json, choice) {
        return Meaning::Never(problem.to_owned());
    }
    let is_completion = json["usage"].is_object()
        || json["object"] == "chat.completion"
        || json["prompt_filter_results"].is_array();
    let choices = &json["choices"];
    let is_empty = choices.as_array().is_some_and(Vec::is_empty);
    if is_empty || (choices.is_null() && is_completion) {
        return refused("no choices", "the server gave no reply and no reason");
    }
    if let Some(name) = called(message) {
        return Meaning::Never(format!("{CALLS_TOOL} (`{}`)", excerpt(name.as_bytes())));
    }
    let content = match content {
        Some(content) => content,
        None if message.is_object() && message["content"].is_null() => String::new(),
        // If tokens were counted, they were paid for.
        None if message.is_null() && (is_completion || ending == Ending::BrokenOff) => {
            String::new()
        }
        None => {
            return Meaning::Never(format!(
                "expected a chat completion with `choices[0].message.content`, found `{}`",
                excerpt(json.to_string().as_bytes())
            ));
        }
    };
    let reply = Reply {
        content,
        finish_reason,
        usage: usage(json),
    };
    match (ending, reply.fault()) {
        (Ending::Tool, Some(fault)) => Meaning::Never(fault),
        (_, Some(fault)) => Meaning::Later(fault),
        (_, None) => Meaning::Done(Outcome::Reply(reply)),
    }
}

/// Returns what is wrong with a reply that is in another of OpenAI's formats.
fn other_format(json: &Value, choice: &Value) -> Option<&'static str> {
    if !choice["message"].is_null() {
        return None;
    }
    if json["object"] == "chat.completion.chunk" || choice["delta"].is_object() {
        return Some(STREAMS);
    }
    (json["object"] == "text_completion" || choice["text"].is_string()).then_some(
        "the endpoint sent a text completion; expected a chat completion: give as --base-url the \
         address whose `/chat/completions` is a chat endpoint",
    )
}

/// Returns why a choice ended: the most telling of the reasons that it gives.
fn finish_reason(choice: &Value) -> Option<String> {
    let name = |value: &Value| match value {
        Value::String(text) => Some(excerpt(text.as_bytes())),
        Value::Number(number) => Some(number.to_string()),
        // SGLang's own.
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str);
            kind.map(|it| excerpt(it.as_bytes()))
        }
        _ => None,
    };
    let usual = name(&choice["finish_reason"]);
    let native = name(&choice["native_finish_reason"]);
    // In vLLM this is the token or text that ended the reply.
    let stop = choice["stop_reason"].as_str().map(str::to_owned);
    let tells = |it: &&Option<String>| {
        let ending = Ending::of(it.as_deref());
        !matches!(ending, Ending::Whole | Ending::Unsaid | Ending::Unknown)
    };
    let telling = [&usual, &native, &stop].into_iter().find(tells).cloned();
    telling.unwrap_or_else(|| usual.or(native))
}

/// Returns the name of the tool that a message calls.
fn called(message: &Value) -> Option<&str> {
    let call = match &message["tool_calls"] {
        Value::Array(calls) => calls.first().map(|call| &call["function"]),
        _ => None,
    };
    let call = call.or_else(|| Some(&message["function_call"]).filter(|it| it.is_object()))?;
    Some(call["name"].as_str().unwrap_or_default())
}

/// Classifies an error with a status of success.
fn hidden_error(json: &Value) -> Meaning {
    let names = error_names(json);
    let message = error_message(json);
    if length::is_too_long(&names, &message) {
        return Meaning::Never(format!("{TOO_LONG}: {message}"));
    }
    if let Some(policy) = policy_of(200, json, &names, &message) {
        return Meaning::Done(Outcome::Policy(policy));
    }
    let code = [&json["error"]["code"], &json["code"]]
        .into_iter()
        .find_map(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
    match code {
        Some(401 | 403) => Meaning::Unauthorised(message),
        _ if names.iter().any(|name| name == "invalid_api_key") => Meaning::Unauthorised(message),
        Some(408 | 429 | 500..=599) => Meaning::Later(message),
        _ if names.iter().any(|name| passes(name)) => Meaning::Later(message),
        _ => Meaning::Never(message),
    }
}

/// Whether a code or type names an error that passes.
fn passes(name: &str) -> bool {
    const PASSING: &[&str] = &[
        "ratelimit",
        "overload",
        "unavailable",
        "timeout",
        "servererror",
        "internalerror",
    ];
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    PASSING.iter().any(|it| name.contains(it))
}

/// Returns the text of a message's content, which is a text or a list of parts;
/// thoughts are not included.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let part = |part: &Value| match part {
                Value::String(text) => Some(text.clone()),
                part => {
                    let kind = part["type"].as_str().unwrap_or("text");
                    // Gemini marks thoughts this way among parts of the same type.
                    let is_thought = ["thought", "is_thought", "thinking", "reasoning"]
                        .iter()
                        .any(|name| part[name] == Value::Bool(true));
                    let is_text = matches!(kind, "text" | "output_text") && !is_thought;
                    part["text"].as_str().filter(|_| is_text).map(str::to_owned)
                }
            };
            Some(parts.iter().filter_map(part).collect())
        }
        _ => None,
    }
}

/// Returns a message's refusal, which has its own field or part.
fn refusal(message: &Value) -> Option<&str> {
    let parts = message["content"].as_array().into_iter().flatten();
    let parts = parts.filter(|part| part["type"] == "refusal");
    std::iter::once(message)
        .chain(parts)
        .filter_map(|it| it["refusal"].as_str())
        .find(|text| !text.trim().is_empty())
}

fn usage(json: &Value) -> Option<Usage> {
    let usage = json.get("usage").filter(|usage| usage.is_object())?;
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    Some(Usage {
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
    })
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
