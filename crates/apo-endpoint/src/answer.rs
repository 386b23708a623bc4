//! What a server's answer means.
//!
//! A function of status and body alone, so that every case is a line of a
//! test's table.

use serde_json::Value;

use crate::journal::{Outcome, Policy, Reply, Usage};

/// Characters of a server's message that are kept.
const EXCERPT: usize = 300;

/// What is to be done about an answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Meaning {
    /// That is the end of the matter.
    Done(Outcome),
    /// The same request may fare better later.
    Later(String),
    /// This request will fare no better.
    Never(String),
    /// The key is wrong or missing.
    Unauthorised,
    /// No request will fare better.
    Refused(String),
}

/// Sorts an answer.
pub(crate) fn meaning(status: u16, body: &[u8]) -> Meaning {
    let body: Result<Value, _> = serde_json::from_slice(body).map_err(|_| excerpt(body));
    let message = || match &body {
        Ok(json) => format!("HTTP {status}: {}", error_message(json)),
        Err(text) if text.is_empty() => format!("HTTP {status}"),
        Err(text) => format!("HTTP {status}: {text}"),
    };
    let names = body.as_ref().map(error_names).unwrap_or_default();
    match status {
        200..=299 => match &body {
            Ok(json) => completion(json),
            Err(text) if text.starts_with("data:") || text.starts_with("event:") => {
                Meaning::Never("the endpoint streams its reply; expected one JSON object".into())
            }
            Err(text) => Meaning::Never(format!(
                "expected a chat completion as JSON, found `{text}`"
            )),
        },
        400 => match names.iter().find(|name| is_policy(name)) {
            Some(code) => Meaning::Done(Outcome::Policy(Policy {
                code: excerpt(code.as_bytes()),
                message: body.as_ref().map(error_message).unwrap_or_default(),
                usage: None,
            })),
            None => Meaning::Never(message()),
        },
        401 | 403 => Meaning::Unauthorised,
        429 if names.iter().any(|name| name == "insufficient_quota") => Meaning::Refused(message()),
        408 | 409 | 425 | 429 | 500.. => Meaning::Later(message()),
        300..=399 => Meaning::Refused(
            "it redirects, and a key is not sent on; give the address that it redirects to".into(),
        ),
        402 | 404 | 405 | 407 | 410 => Meaning::Refused(message()),
        _ => Meaning::Never(message()),
    }
}

/// Sorts a body that came with success.
fn completion(json: &Value) -> Meaning {
    if let Some(error) = json.get("error").filter(|error| !error.is_null()) {
        // Some routers pass another server's error on under status 200.
        let names = error_names(json);
        let message = error_message(json);
        return match names.iter().find(|name| is_policy(name)) {
            Some(code) => Meaning::Done(Outcome::Policy(Policy {
                code: excerpt(code.as_bytes()),
                message,
                usage: usage(json),
            })),
            None => match error.get("code").and_then(Value::as_u64) {
                Some(code) if code == 429 || code >= 500 => Meaning::Later(message),
                _ => Meaning::Never(message),
            },
        };
    }
    let choice = &json["choices"][0];
    let finish_reason = choice["finish_reason"].as_str();
    if finish_reason == Some("content_filter") {
        return Meaning::Done(Outcome::Policy(Policy {
            code: "content_filter".into(),
            message: "the reply was ended by the content filter".into(),
            usage: usage(json),
        }));
    }
    let message = &choice["message"];
    let content = match &message["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(
            parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect(),
        ),
        Value::Null if message.is_object() => {
            Some(message["refusal"].as_str().unwrap_or_default().to_owned())
        }
        _ => None,
    };
    match content {
        Some(content) => Meaning::Done(Outcome::Reply(Reply {
            content,
            finish_reason: finish_reason.map(str::to_owned),
            usage: usage(json),
        })),
        None => Meaning::Never(format!(
            "expected a chat completion with `choices[0].message.content`, found `{}`",
            excerpt(json.to_string().as_bytes())
        )),
    }
}

fn usage(json: &Value) -> Option<Usage> {
    let usage = json.get("usage").filter(|usage| usage.is_object())?;
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    Some(Usage {
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
    })
}

/// Returns the code and type of an error, and of the one inside it.
fn error_names(json: &Value) -> Vec<String> {
    let error = &json["error"];
    let inner = &error["innererror"];
    [&error["code"], &error["type"], &inner["code"]]
        .into_iter()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

/// Returns what the server says about an error.
fn error_message(json: &Value) -> String {
    let error = &json["error"];
    let said = [&error["message"], error, &json["message"], &json["detail"]];
    let text = said.into_iter().find_map(Value::as_str).map(str::to_owned);
    excerpt(text.unwrap_or_else(|| json.to_string()).as_bytes())
}

/// Whether an error's code or type names the content filter or policy.
fn is_policy(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let known = [
        "contentfilter",
        "contentpolicy",
        "contentmanagementpolicy",
        "policyviolation",
    ];
    known.iter().any(|it| name.contains(it))
}

/// Returns the beginning of a text as one line that no terminal acts upon.
pub(crate) fn excerpt(text: &[u8]) -> String {
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
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, body: &Value) -> Meaning {
        meaning(status, body.to_string().as_bytes())
    }

    fn reply(content: &str, finish_reason: Option<&str>, usage: Option<(u64, u64)>) -> Meaning {
        Meaning::Done(Outcome::Reply(Reply {
            content: content.into(),
            finish_reason: finish_reason.map(str::to_owned),
            usage: usage.map(|(prompt_tokens, completion_tokens)| Usage {
                prompt_tokens,
                completion_tokens,
            }),
        }))
    }

    #[test]
    fn a_completion_is_a_reply() {
        let full = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        });
        assert_eq!(of(200, &full), reply("Hello.", Some("stop"), Some((9, 2))));
        let bare = json!({"choices": [{"message": {"content": "Hello."}}]});
        assert_eq!(of(200, &bare), reply("Hello.", None, None));
        let parts = json!({"choices": [{"message": {"content": [
            {"type": "text", "text": "Hel"}, {"type": "text", "text": "lo."}]}}]});
        assert_eq!(of(200, &parts), reply("Hello.", None, None));
        let refusal = json!({"choices": [{"message": {"content": null, "refusal": "No."}}]});
        assert_eq!(of(200, &refusal), reply("No.", None, None));
    }

    #[test]
    fn errors_that_name_the_content_policy_are_told_from_others() {
        for (error, is_policy) in [
            (
                json!({"code": "content_filter", "message": "filtered"}),
                true,
            ),
            (
                json!({"code": "content_policy_violation", "type": "invalid_request_error"}),
                true,
            ),
            (json!({"code": null, "type": "content_policy_error"}), true),
            (
                json!({"code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
                true,
            ),
            (
                json!({"code": "context_length_exceeded", "message": "content_filter"}),
                false,
            ),
            (json!({"code": 400, "message": "bad"}), false),
            (json!("content_filter"), false),
            (json!(null), false),
        ] {
            let found = of(400, &json!({"error": error}));
            let found_policy = matches!(found, Meaning::Done(Outcome::Policy(_)));
            assert_eq!(found_policy, is_policy, "{error}: {found:?}");
            assert!(
                found_policy || matches!(found, Meaning::Never(_)),
                "{error}: {found:?}"
            );
        }
    }

    #[test]
    fn a_reply_that_the_filter_ended_is_a_policy_refusal_and_was_paid_for() {
        let found = of(
            200,
            &json!({
                "choices": [{"message": {"content": "How to"}, "finish_reason": "content_filter"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 2},
            }),
        );
        let Meaning::Done(outcome @ Outcome::Policy(_)) = found else {
            panic!("{found:?}");
        };
        assert_eq!(outcome.usage().unwrap().completion_tokens, 2);
    }

    #[test]
    fn each_status_has_its_meaning() {
        let body = json!({"error": {"message": "the model is\u{1b}[31m busy\n now"}});
        for (status, name) in [
            (301, "refused"),
            (307, "refused"),
            (400, "never"),
            (401, "unauthorised"),
            (402, "refused"),
            (403, "unauthorised"),
            (404, "refused"),
            (405, "refused"),
            (408, "later"),
            (409, "later"),
            (413, "never"),
            (418, "never"),
            (422, "never"),
            (425, "later"),
            (429, "later"),
            (500, "later"),
            (502, "later"),
            (503, "later"),
            (529, "later"),
        ] {
            let (found, text) = match of(status, &body) {
                Meaning::Done(outcome) => panic!("{status}: {outcome:?}"),
                Meaning::Later(text) => ("later", Some(text)),
                Meaning::Never(text) => ("never", Some(text)),
                Meaning::Refused(text) => ("refused", Some(text)),
                Meaning::Unauthorised => ("unauthorised", None),
            };
            assert_eq!(found, name, "HTTP {status}");
            if let Some(text) = text.filter(|_| status >= 400) {
                assert_eq!(text, format!("HTTP {status}: the model is [31m busy now"));
            }
        }
        let empty = json!({"error": {"code": "insufficient_quota", "message": "pay"}});
        assert_eq!(of(429, &empty), Meaning::Refused("HTTP 429: pay".into()));
    }

    #[test]
    fn what_is_no_completion_is_refused() {
        for (body, expected) in [
            ("data: {\"choices\":[]}\n\ndata: [DONE]\n", "streams"),
            ("event: message\ndata: {}\n", "streams"),
            ("<html>hello</html>", "found `<html>hello</html>`"),
            ("", "expected a chat completion"),
            ("{\"choices\":[{\"mess", "expected a chat completion"),
            ("{}", "choices[0].message.content"),
            ("[1, 2]", "choices[0].message.content"),
            ("{\"choices\":[]}", "choices[0].message.content"),
            (
                "{\"choices\":[{\"message\":{\"content\":7}}]}",
                "choices[0].message.content",
            ),
            ("\u{fffd}\u{0}\u{1}", "expected a chat completion"),
        ] {
            let found = meaning(200, body.as_bytes());
            let Meaning::Never(text) = &found else {
                panic!("{body:?}: {found:?}");
            };
            assert!(text.contains(expected), "{body:?}: {text}");
        }
    }

    #[test]
    fn an_error_under_status_200_is_no_reply() {
        let later = json!({"error": {"code": 503, "message": "busy"}});
        assert_eq!(of(200, &later), Meaning::Later("busy".into()));
        let never = json!({"error": {"code": 400, "message": "too long"}});
        assert_eq!(of(200, &never), Meaning::Never("too long".into()));
        let policy = json!({"error": {"code": "content_filter", "message": "no"}});
        assert!(matches!(
            of(200, &policy),
            Meaning::Done(Outcome::Policy(_))
        ));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let text = excerpt("é".repeat(1000).as_bytes());
        assert_eq!(text.chars().count(), EXCERPT + 1);
        assert!(text.ends_with('…'));
    }
}
