//! What a body with a status of success means.

use serde_json::Value;

use super::error::hidden_error;
use super::excerpt::excerpt;
use super::meaning::Meaning;
use super::usage::usage;
use crate::ending::Ending;
use crate::failure::{CALLS_TOOL, STREAMS};
use crate::outcome::{Outcome, PolicyRefusal, Reply};
use crate::policy;

/// Classifies a body with a status of success.
pub(super) fn completion(json: &Value) -> Meaning {
    let choice = &json["choices"][0];
    let finish_reason = finish_reason(choice);
    let ending = Ending::of(finish_reason.as_deref());
    let message = &choice["message"];
    let content = text(&message["content"]);
    if let Some(meaning) = no_reply(json, choice, finish_reason.as_deref(), content.as_deref()) {
        return meaning;
    }
    let is_completion = is_completion(json);
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
        drawn: Vec::new(),
    };
    match (ending, reply.fault()) {
        (Ending::Tool, Some(fault)) => Meaning::Never(fault),
        (_, Some(fault)) => Meaning::Later(fault),
        (_, None) => Meaning::Done(Outcome::Reply(reply)),
    }
}

/// Whether a body says that it is a chat completion, whatever its choices are.
fn is_completion(json: &Value) -> bool {
    json["usage"].is_object()
        || json["object"] == "chat.completion"
        || json["prompt_filter_results"].is_array()
}

/// Returns what a body with a status of success means if it holds no reply: an error,
/// a refusal by the content policy, another format, or a call of a tool.
fn no_reply(
    json: &Value,
    choice: &Value,
    finish_reason: Option<&str>,
    content: Option<&str>,
) -> Option<Meaning> {
    // Some routers pass on another server's error with status 200, beside the
    // choices or inside one.
    for holder in [json, choice] {
        if holder.get("error").is_some_and(|error| !error.is_null()) {
            return Some(hidden_error(holder));
        }
    }
    let refused = |code: &str, message: &str| {
        Some(Meaning::Done(Outcome::Policy(PolicyRefusal {
            code: excerpt(code.as_bytes()),
            message: excerpt(message.as_bytes()),
            usage: usage(json),
        })))
    };
    if let (Ending::Policy, Some(reason)) = (Ending::of(finish_reason), finish_reason) {
        return refused(reason, "the reply was ended by the content policy");
    }
    let message = &choice["message"];
    if let Some(refusal) = refusal(message) {
        return refused("refusal", refusal);
    }
    if content.is_none_or(str::is_empty)
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
        return Some(hidden_error(json));
    }
    if let Some(problem) = other_format(json, choice) {
        return Some(Meaning::Never(problem.to_owned()));
    }
    let choices = &json["choices"];
    let is_empty = choices.as_array().is_some_and(Vec::is_empty);
    if is_empty || (choices.is_null() && is_completion(json)) {
        return refused("no choices", "the server gave no reply and no reason");
    }
    let name = called(message)?;
    let name = excerpt(name.as_bytes());
    Some(Meaning::Never(format!("{CALLS_TOOL} (`{name}`)")))
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

/// Returns why a choice ended: the most specific of the reasons that it gives.
pub(super) fn finish_reason(choice: &Value) -> Option<String> {
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
    let is_specific = |it: &&Option<String>| {
        let ending = Ending::of(it.as_deref());
        !matches!(ending, Ending::Whole | Ending::NotGiven | Ending::Unknown)
    };
    let specific = [&usual, &native, &stop]
        .into_iter()
        .find(is_specific)
        .cloned();
    specific.unwrap_or_else(|| usual.or(native))
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
