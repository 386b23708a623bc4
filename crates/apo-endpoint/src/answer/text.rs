//! What an answer with text completions means.
//!
//! vLLM and llama.cpp differ in where they put ids and log-probs; OpenAI's own format has no
//! ids. All requests of a kind have the same shape, so a server that cannot serve one of them
//! serves none: such a fault stops the work instead of failing request after request.

use serde_json::Value;

use super::completion::finish_reason;
use super::error::hidden_error;
use super::excerpt::excerpt;
use super::meaning::Meaning;
use super::usage::usage;
use super::{meaning, repair};
use crate::drawn::{Drawn, EndedBy};
use crate::ending::Ending;
use crate::failure::{FailureKind, STREAMS};
use crate::outcome::{Outcome, PolicyRefusal, Reply};
use crate::question::Wanted;

/// What to do if prompt and text do not fit.
const RAISE: &str = "raise it (vLLM: --max-model-len; llama.cpp: --ctx-size, which all its slots \
                     share), or ask for shorter prompts or texts";

/// Classifies an answer to a question for text completions.
///
/// The answer must have the number of texts that was asked for, from the model that was
/// asked and of the prompt that it was sent, each ended by itself, by a text that ends it, or
/// by the most tokens.
pub fn text_meaning(status: u16, body: &[u8], wanted: &Wanted) -> Meaning {
    if !(200..=299).contains(&status) {
        return for_all(status, meaning(status, body));
    }
    if let Ok(json) = serde_json::from_slice::<Value>(body)
        && json.is_object()
    {
        return texts(&json, wanted);
    }
    let Some(read) = repair::repaired(body).filter(|it| it.value.is_object()) else {
        let found = excerpt(body);
        if found.starts_with("data:") || found.starts_with("event:") {
            return Meaning::Unusable(STREAMS.to_owned());
        }
        return Meaning::Never(format!(
            "expected text completions as JSON, found `{found}`"
        ));
    };
    match texts(&read.value, wanted) {
        Meaning::Done(Outcome::Reply(reply)) => match read.problem(&reply) {
            Some(problem) => Meaning::Never(problem.to_owned()),
            None => Meaning::Done(Outcome::Reply(reply)),
        },
        other => other,
    }
}

/// Returns what an error means for all requests of the kind. A server refuses token ids or
/// an option with 400 or 422, and has no text completions with 501.
fn for_all(status: u16, meaning: Meaning) -> Meaning {
    match meaning {
        Meaning::Never(message) if FailureKind::of(&message) == FailureKind::TooLong => {
            Meaning::Unusable(format!("{message}; {RAISE}"))
        }
        Meaning::Never(message) => Meaning::Refused(message),
        Meaning::Later(message) if status == 501 => Meaning::Refused(message),
        Meaning::Done(Outcome::Policy(policy)) => Meaning::Refused(of_policy(&policy)),
        other => other,
    }
}

fn of_policy(policy: &PolicyRefusal) -> String {
    let message = format!(
        "the server's content policy refuses the prompt ({}): {}",
        policy.code, policy.message
    );
    excerpt(message.as_bytes())
}

/// Classifies a body with a status of success.
fn texts(json: &Value, wanted: &Wanted) -> Meaning {
    if json.get("error").is_some_and(|error| !error.is_null()) {
        return for_all(200, hidden_error(json));
    }
    let choices = json["choices"].as_array();
    let Some(choices) = choices.filter(|it| it.iter().all(|it| it["text"].is_string())) else {
        return Meaning::Unusable(format!(
            "expected text completions with `choices[0].text`, found `{}`",
            excerpt(json.to_string().as_bytes())
        ));
    };
    if let Some(found) = json["model"].as_str().filter(|it| *it != wanted.model) {
        return Meaning::Unusable(format!(
            "it answers as the model `{}`, not as `{}`; if it serves the right model, ask for it \
             by that name, or give it this name at the server (vLLM: --served-model-name; \
             llama.cpp: --alias)",
            excerpt(found.as_bytes()),
            excerpt(wanted.model.as_bytes())
        ));
    }
    if choices.len() != wanted.choices as usize {
        return Meaning::Unusable(format!(
            "it sent {} texts for a request, expected {}; ask for one text in each request",
            choices.len(),
            wanted.choices
        ));
    }
    let mut drawn = Vec::new();
    for choice in choices {
        match text(choice, json) {
            Ok(found) => drawn.push(found),
            Err(meaning) => return meaning,
        }
    }
    let usage = usage(json);
    if let Some(read) = usage.map(|it| it.prompt_tokens)
        && is_of_other_prompt(read, wanted)
    {
        return Meaning::Unusable(format!(
            "it read {read} tokens of a prompt of {}: it does not take token ids as they are, or \
             leaves some out",
            wanted.prompt_tokens
        ));
    }
    let reply = Reply {
        content: drawn.first().map_or_else(String::new, |it| it.text.clone()),
        finish_reason: None,
        usage,
        drawn,
    };
    for (found, n) in reply.drawn.iter().zip(reply.drawn_tokens()) {
        if let Some(n) = n.filter(|&n| found.is_cut() && n < u64::from(wanted.tokens)) {
            return Meaning::Unusable(format!(
                "its context ended a text after {n} of {} tokens; {RAISE}",
                wanted.tokens
            ));
        }
    }
    Meaning::Done(Outcome::Reply(reply))
}

/// Whether a server counts other tokens than those of the prompt, which some count once for
/// each text. A server that does not count says 0.
fn is_of_other_prompt(read: u64, wanted: &Wanted) -> bool {
    let once = wanted.prompt_tokens;
    let for_each = once.saturating_mul(wanted.choices.into());
    ![0, once, for_each].contains(&read)
}

/// Reads one text.
///
/// # Errors
///
/// What the answer means if the text did not end by itself or by its length, or is damaged.
fn text(choice: &Value, json: &Value) -> Result<Drawn, Meaning> {
    let reason = finish_reason(choice).unwrap_or_default();
    let ended_by = match Ending::of(Some(&reason)) {
        Ending::Whole => ended_by(choice, json),
        Ending::Cut => None,
        Ending::BrokenOff => {
            return Err(Meaning::Later(format!(
                "the server broke a text off (finish_reason `{reason}`)"
            )));
        }
        Ending::Policy | Ending::Tool | Ending::NotGiven | Ending::Unknown => {
            return Err(Meaning::Never(format!(
                "a text ended by `{reason}`, expected `stop` or `length`"
            )));
        }
    };
    let text = choice["text"].as_str().unwrap_or_default();
    let ids = ids(choice);
    let is_of_each = |it: &Vec<f32>| ids.as_ref().is_some_and(|ids| ids.len() == it.len());
    let log_probs = log_probs(choice).filter(is_of_each);
    Ok(Drawn {
        text: text.to_owned(),
        finish_reason: reason,
        ended_by,
        ids,
        log_probs,
    })
}

/// Returns what ended a text. The reason of vLLM and `SGLang` is the text that ended it, and
/// null or an id for an end of text; llama.cpp has a name for each, beside the choices.
fn ended_by(choice: &Value, json: &Value) -> Option<EndedBy> {
    let reasons = ["stop_reason", "matched_stop"].map(|it| choice.get(it));
    let by_reason = reasons.into_iter().flatten().find_map(|it| match it {
        Value::String(_) => Some(EndedBy::Text),
        Value::Null | Value::Number(_) => Some(EndedBy::Token),
        _ => None,
    });
    let by_type = || {
        let holders = [choice, json, &json["__verbose"]];
        let found = holders.iter().find_map(|it| it["stop_type"].as_str());
        found.and_then(|it| match it {
            "word" => Some(EndedBy::Text),
            "eos" => Some(EndedBy::Token),
            _ => None,
        })
    };
    by_reason.or_else(by_type)
}

/// Returns the ids of a text's tokens: vLLM's list, llama.cpp's beside the log-probs, or
/// those that older versions of vLLM write as tokens.
fn ids(choice: &Value) -> Option<Vec<u32>> {
    let number = |it: &Value| it.as_u64().and_then(|id| u32::try_from(id).ok());
    let named = |it: &Value| it.as_str()?.strip_prefix("token_id:")?.parse().ok();
    let logprobs = &choice["logprobs"];
    if let Some(list) = choice["token_ids"].as_array() {
        return list.iter().map(number).collect();
    }
    if let Some(list) = logprobs["content"].as_array() {
        return list.iter().map(|it| number(&it["id"])).collect();
    }
    logprobs["tokens"].as_array()?.iter().map(named).collect()
}

/// Returns the log-prob of each token, if all are there.
fn log_probs(choice: &Value) -> Option<Vec<f32>> {
    let number = |it: &Value| it.as_f64().map(|it| it as f32).filter(|it| it.is_finite());
    let logprobs = &choice["logprobs"];
    if let Some(list) = logprobs["token_logprobs"].as_array() {
        return list.iter().map(number).collect();
    }
    let list = logprobs["content"].as_array()?;
    list.iter().map(|it| number(&it["logprob"])).collect()
}
