use serde_json::json;

use super::*;
use crate::outcome::Kind;

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
            Meaning::Unauthorised(text) => ("unauthorised", Some(text)),
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
        ("{\"choices\":null}", "choices[0].message.content"),
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

/// Bodies under statuses by which servers refuse for their content policy.
#[expect(clippy::too_many_lines, reason = "a table")]
fn policy_refusals() -> Vec<(&'static str, u16, Value)> {
    let finished = |reason: &str| {
        json!({"choices": [{"message": {"role": "assistant", "content": null},
                            "finish_reason": reason}],
               "usage": {"prompt_tokens": 5, "completion_tokens": 0}})
    };
    let error = |error: Value| json!({ "error": error });
    vec![
        (
            "OpenRouter",
            403,
            error(json!({"code": 403, "message": "Your input was flagged",
            "metadata": {"reasons": ["violence"], "flagged_input": "How do I"}})),
        ),
        (
            "OpenRouter, passed on",
            400,
            error(json!({"code": 400,
            "message": "Provider returned error", "metadata": {"provider_name": "Azure",
            "raw": "{\"error\":{\"code\":\"content_filter\",\"message\":\"no\"}}"}})),
        ),
        (
            "xAI",
            403,
            json!({"code": "The caller does not have permission",
            "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}),
        ),
        (
            "Azure",
            400,
            error(json!({"code": "content_filter", "status": 400})),
        ),
        (
            "Azure, inside",
            400,
            error(json!({"code": "400",
            "innererror": {"code": "ResponsibleAIPolicyViolation"}})),
        ),
        (
            "Azure, prompt",
            200,
            json!({"choices": [], "prompt_filter_results": [
            {"content_filter_results": {"hate": {"filtered": true, "severity": "high"}}}]}),
        ),
        (
            "OpenAI, images",
            400,
            error(json!({"code": "moderation_blocked"})),
        ),
        (
            "OpenAI, prompt",
            400,
            error(json!({"code": "invalid_prompt",
            "message": "your prompt was flagged"})),
        ),
        (
            "DashScope",
            400,
            error(json!({"code": "data_inspection_failed"})),
        ),
        (
            "DashScope, native",
            400,
            json!({"code": "DataInspectionFailed",
            "message": "Input data may contain inappropriate content."}),
        ),
        (
            "Zhipu",
            400,
            error(json!({"code": "1301", "message": "系统检测到输入不安全"})),
        ),
        (
            "Zhipu, a number",
            400,
            error(json!({"code": 1301, "message": "x"})),
        ),
        (
            "DeepSeek",
            400,
            error(json!({"code": "invalid_request_error",
            "type": "invalid_request_error", "message": "Content Exists Risk"})),
        ),
        (
            "Moonshot",
            400,
            error(json!({"type": "content_filter",
            "message": "The request was rejected because it was considered high risk"})),
        ),
        (
            "Volcengine",
            400,
            error(json!({"code": "InputTextSensitiveContentDetected"})),
        ),
        (
            "MiniMax",
            200,
            json!({"choices": null, "input_sensitive": true,
            "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
        ),
        (
            "MiniMax, reply",
            200,
            json!({"choices": [{"message": {"content": ""},
            "finish_reason": "stop"}], "output_sensitive": true,
            "base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}}),
        ),
        (
            "LiteLLM",
            400,
            error(json!({"code": "400", "type": null,
            "message": "litellm.ContentPolicyViolationError: no"})),
        ),
        (
            "StepFun",
            451,
            error(json!({"type": "censorship_blocked", "message": "no"})),
        ),
        ("a legal reason", 451, json!({})),
        ("a guardrail", 446, json!({"hook_results": {}})),
        (
            "unprocessable",
            422,
            error(json!({"code": "content_policy_violation"})),
        ),
        (
            "a router's fault",
            500,
            error(json!({"code": "content_filter"})),
        ),
        (
            "hidden",
            200,
            error(json!({"code": "PROHIBITED_CONTENT", "message": "x"})),
        ),
        (
            "hidden in a choice",
            200,
            json!({"choices": [{"error": {"code": 403,
            "message": "flagged", "metadata": {"reasons": ["self-harm"]}}}]}),
        ),
        (
            "DashScope, hidden",
            200,
            json!({"code": "DataInspectionFailed", "message": "no"}),
        ),
        (
            "Spark, hidden",
            200,
            json!({"code": 10_013, "message": "no"}),
        ),
        (
            "Gemini, blocked",
            200,
            json!({"promptFeedback": {"blockReason": "SAFETY"}}),
        ),
        (
            "Gemini, blocked, too",
            200,
            json!({"choices": [],
            "prompt_feedback": {"block_reason": "PROHIBITED_CONTENT"},
            "usage": {"prompt_tokens": 5}}),
        ),
        ("no choices", 200, json!({"choices": []})),
        (
            "no choices, paid",
            200,
            json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 0}}),
        ),
        (
            "choices of null",
            200,
            json!({"object": "chat.completion", "choices": null}),
        ),
        (
            "usage alone",
            200,
            json!({"usage": {"prompt_tokens": 5, "completion_tokens": 0}}),
        ),
        (
            "Azure, nothing caught",
            200,
            json!({"prompt_filter_results": []}),
        ),
        (
            "a moderation",
            403,
            error(json!({"type": "moderation",
            "message": "Your request was flagged by our moderation system"})),
        ),
        (
            "a moderation in words",
            403,
            error(json!({"message": "Your request was flagged by our moderation system"})),
        ),
        (
            "a moderation, invalid",
            400,
            error(json!({"message": "The model refused to generate (moderation)"})),
        ),
        (
            "a moderation under 200",
            200,
            error(json!({"code": 403, "message": "Input flagged by moderation"})),
        ),
        (
            "a violation",
            403,
            error(
                json!({"message": "This request has been flagged for potentially violating \
                                     our usage policy"}),
            ),
        ),
        (
            "a violation of something",
            400,
            error(
                json!({"message": "The message was flagged for potentially violating our rules"}),
            ),
        ),
        (
            "a reason",
            400,
            error(json!({"message": "We've limited access to this content for safety reasons."})),
        ),
        (
            "a guardrail in words",
            400,
            error(json!({"message": "Blocked by guardrail"})),
        ),
        (
            "Anthropic",
            400,
            error(json!({"type": "invalid_request_error",
            "message": "Output blocked by content filtering policy"})),
        ),
        ("SAFETY", 200, finished("SAFETY")),
        ("PROHIBITED_CONTENT", 200, finished("PROHIBITED_CONTENT")),
        (
            "LiteLLM's",
            200,
            finished("content_filter: PROHIBITED_CONTENT"),
        ),
        ("RECITATION", 200, finished("RECITATION")),
        ("BLOCKLIST", 200, finished("BLOCKLIST")),
        ("SPII", 200, finished("SPII")),
        ("content_filter", 200, finished("content_filter")),
        ("content_filtered", 200, finished("content_filtered")),
        ("sensitive", 200, finished("sensitive")),
        ("refusal", 200, finished("refusal")),
        ("guardrail", 200, finished("guardrail_intervened")),
        ("Cohere", 200, finished("ERROR_TOXIC")),
        (
            "native",
            200,
            json!({"choices": [{"message": {"content": ""},
            "finish_reason": "stop", "native_finish_reason": "SAFETY"}]}),
        ),
        (
            "a field",
            200,
            json!({"choices": [{"message": {"content": null, "refusal": "No."},
            "finish_reason": "stop"}]}),
        ),
        (
            "a part",
            200,
            json!({"choices": [{"message": {"content": [
            {"type": "refusal", "refusal": "No."}]}, "finish_reason": "stop"}]}),
        ),
    ]
}

#[test]
fn a_policy_refusal_is_known_in_each_of_its_forms() {
    for (case, status, body) in policy_refusals() {
        let found = of(status, &body);
        let is_policy = matches!(found, Meaning::Done(Outcome::Policy(_)));
        assert!(is_policy, "{case}: {found:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "tables")]
fn what_only_resembles_a_policy_refusal_is_none() {
    let error = |error: Value| json!({ "error": error });
    for (case, status, body) in [
        (
            "a bad key",
            401,
            error(json!({"code": "invalid_api_key", "message": "no"})),
        ),
        (
            "a key of no use",
            403,
            error(json!({"code": 403, "message": "Key limit exceeded"})),
        ),
        (
            "no reasons",
            403,
            error(json!({"code": 403, "metadata": {"reasons": []}})),
        ),
        (
            "no moderation",
            403,
            error(json!({"message": "forbidden", "type": "forbidden"})),
        ),
        (
            "an account",
            403,
            error(json!({"message": "Your account was flagged for abuse"})),
        ),
        (
            "a key",
            403,
            error(json!({"message": "This API key violates our usage policies"})),
        ),
        (
            "a country",
            403,
            error(json!({"code": "unsupported_country_region_territory",
            "message": "Country not supported by our usage policy"})),
        ),
        (
            "a page",
            403,
            json!("<html>Sorry, you have been blocked</html>"),
        ),
        (
            "a firewall",
            403,
            error(json!({"message": "Your request was blocked."})),
        ),
        (
            "a suspicion",
            403,
            error(json!({"message": "Your request was flagged as suspicious"})),
        ),
        (
            "a key that is flagged",
            403,
            error(json!({"message": "Request flagged: your API key was reported as leaked"})),
        ),
        (
            "a moderation for which the key is too small",
            403,
            error(json!({"message": "API key has no access to content moderation, rejected"})),
        ),
    ] {
        let found = of(status, &body);
        assert!(
            matches!(found, Meaning::Unauthorised(_)),
            "{case}: {found:?}"
        );
    }
    for (case, status, body) in [
        (
            "an echo",
            400,
            error(json!({"message": "No role `x` in 'Write our content policy.'"})),
        ),
        (
            "a longer echo",
            400,
            error(
                json!({"message": "Expected a text, found 'My prompt was flagged as unsafe \
                                     content'; don't send that"}),
            ),
        ),
        (
            "a bad request",
            400,
            error(json!({"code": "bad_request", "message": "no such role"})),
        ),
        (
            "a limit",
            429,
            error(json!({"code": "content_filter_rate", "message": "slow"})),
        ),
        (
            "a length",
            400,
            error(json!({"code": "context_length_exceeded",
            "message": "content policy"})),
        ),
    ] {
        let found = of(status, &body);
        assert!(
            matches!(found, Meaning::Never(_) | Meaning::Later(_)),
            "{case}: {found:?}"
        );
    }
    // An answer about such things, with fields that say that all is well.
    let fine = json!({"choices": [{"message": {"content": "On safety and content policy.",
        "refusal": null}, "finish_reason": "stop",
        "content_filter_results": {"hate": {"filtered": false}}}],
        "prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": false}}}],
        "input_sensitive": false, "base_resp": {"status_code": 0, "status_msg": ""}});
    assert_eq!(
        of(200, &fine),
        reply("On safety and content policy.", Some("stop"), None)
    );
}

#[test]
fn a_prompt_that_is_too_long_is_named_so_whatever_the_words() {
    for (case, status, body) in [
        (
            "OpenAI",
            400,
            json!({"error": {"code": "context_length_exceeded", "message": "x"}}),
        ),
        (
            "vLLM",
            400,
            json!({"object": "error", "code": 400, "type": "BadRequestError",
            "message": "This model's maximum context length is 64 tokens. However, you requested \
                        80 tokens. Please reduce the length of the messages."}),
        ),
        (
            "vLLM, newer",
            400,
            json!({"error": {"code": 400, "message":
            "The decoder prompt (length 80) is longer than the maximum model length of 64."}}),
        ),
        (
            "llama.cpp",
            400,
            json!({"error": {"code": 400, "type": "exceed_context_size_error",
            "message": "the request exceeds the available context size, try increasing it"}}),
        ),
        (
            "Anthropic",
            400,
            json!({"error": {"type": "invalid_request_error",
            "message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
        ),
        (
            "Gemini",
            400,
            json!({"error": {"status": "INVALID_ARGUMENT", "message":
            "The input token count (90) exceeds the maximum number of tokens allowed (64)."}}),
        ),
        (
            "TGI",
            422,
            json!({"error": "Input validation error: `inputs` must have less than 64 \
            tokens. Given: 80. `inputs` tokens + `max_new_tokens` must be <= 64",
            "error_type": "validation"}),
        ),
        (
            "DashScope",
            400,
            json!({"code": "InvalidParameter",
            "message": "Range of input length should be [1, 6000]"}),
        ),
        (
            "Mistral",
            400,
            json!({"message":
            "Prompt contains 80 tokens, too large for model with 64 maximum context length"}),
        ),
        (
            "SGLang",
            400,
            json!({"message":
            "The input (80 tokens) is longer than the model's context length (64 tokens)."}),
        ),
        (
            "a server's fault",
            500,
            json!({"error": {"message": "n_ctx is 64, got 80"}}),
        ),
        (
            "hidden",
            200,
            json!({"error": {"code": 400,
            "message": "maximum context length is 64"}}),
        ),
    ] {
        let found = of(status, &body);
        let Meaning::Never(text) = &found else {
            panic!("{case}: {found:?}");
        };
        assert!(text.starts_with(TOO_LONG), "{case}: {text}");
    }
    for (case, status, message) in [
        (
            "a limit",
            429,
            "Limit 30000 tokens per minute, the request exceeds it",
        ),
        ("the reply's", 400, "max_tokens is too large: 9000"),
    ] {
        let found = of(status, &json!({"error": {"message": message}}));
        let (Meaning::Never(text) | Meaning::Later(text)) = &found else {
            panic!("{case}: {found:?}");
        };
        assert!(!text.starts_with(TOO_LONG), "{case}: {text}");
    }
}

#[test]
fn thoughts_beside_the_content_are_no_part_of_it() {
    let message = |message: Value| json!({"choices": [{ "message": message }]});
    for body in [
        message(json!({"content": "A.", "reasoning_content": "Hm."})),
        message(json!({"content": "A.", "reasoning": "Hm.", "thinking": "Hm."})),
        message(json!({"content": [{"type": "thinking", "thinking": "Hm."},
                                   {"type": "text", "text": "A."}]})),
        message(json!({"content": [{"type": "thinking", "thinking":
                                    [{"type": "text", "text": "Hm."}]}, {"text": "A."}]})),
        message(json!({"content": [{"type": "reasoning", "text": "Hm."}, "A."]})),
        message(
            json!({"content": [{"type": "reasoning_text", "text": "Hm."},
                                   {"type": "output_text", "text": "A."}]}),
        ),
    ] {
        assert_eq!(of(200, &body), reply("A.", None, None), "{body}");
    }
}

#[test]
fn a_reply_of_nothing_is_empty_and_paid_for() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 7});
    for body in [
        json!({"choices": [{"message": {"content": ""}}], "usage": usage}),
        json!({"choices": [{"message": {"content": null, "reasoning_content": "Hm"},
                            "finish_reason": "length"}], "usage": usage}),
        json!({"choices": [{"message": {"role": "assistant"}}], "usage": usage}),
        json!({"choices": [{"message": null, "finish_reason": "stop"}], "usage": usage}),
        json!({"choices": [{"message": {"content": "<think>Hm"}, "finish_reason": "length"}],
               "usage": usage}),
        json!({"choices": [{"message": {"content": []}}], "usage": usage}),
    ] {
        let found = of(200, &body);
        let Meaning::Done(outcome) = &found else {
            panic!("{body}: {found:?}");
        };
        assert_eq!(outcome.kind(), Kind::Empty, "{body}");
        assert_eq!(outcome.usage().unwrap().completion_tokens, 7, "{body}");
    }
}

#[test]
fn a_completion_that_cannot_be_read_keeps_its_bytes() {
    let body = |text: &str| {
        let json = format!(
            r#"{{"choices":[{{"message":{{"content":"{text}"}},"logprobs":null}}],"usage":{{"prompt_tokens":5}}}}"#
        );
        json.into_bytes()
    };
    let at = |bytes: Vec<u8>, from: &[u8], to: &[u8]| {
        let place = bytes.windows(from.len()).position(|it| it == from).unwrap();
        [&bytes[..place], to, &bytes[place + from.len()..]].concat()
    };
    for (case, bytes, is_told) in [
        ("half an emoji", body("x \\ud83d"), true),
        ("the other half", body("x \\ude00 y"), true),
        ("latin 1", at(body("caf@@"), b"@@", b"\xe9"), true),
        (
            "cut in a character",
            at(body("caf@@"), b"@@", b"\xc3"),
            true,
        ),
        ("cut off", body("warm water")[..40].to_vec(), false),
    ] {
        let found = meaning(200, &bytes);
        let Meaning::Done(Outcome::Unreadable(unreadable)) = &found else {
            panic!("{case}: {found:?}");
        };
        assert_eq!(BASE64_STANDARD.decode(&unreadable.body).unwrap(), bytes);
        assert_eq!(unreadable.usage.is_some(), is_told, "{case}");
        assert!(!unreadable.problem.is_empty());
    }
    // Elsewhere such faults do no harm.
    for (case, bytes) in [
        ("a log-prob", at(body("A."), b":null", b":-Infinity")),
        ("NaN", at(body("A."), b":null", b":NaN")),
        (
            "a byte-order mark",
            [b"\xef\xbb\xbf", body("A.").as_slice()].concat(),
        ),
        ("another text", at(body("A."), b":null", b":\"\xff\"")),
        (
            "a line after it",
            [body("A.").as_slice(), b"\n\ndata: [DONE]"].concat(),
        ),
    ] {
        let found = meaning(200, &bytes);
        let Meaning::Done(Outcome::Reply(reply)) = &found else {
            panic!("{case}: {found:?}");
        };
        assert_eq!(reply.content, "A.", "{case}");
    }
}

/// A reply that ended so.
fn ended(reason: Value) -> Value {
    json!({"choices": [{"message": {"role": "assistant", "content": "Half an"},
                        "finish_reason": reason}]})
}

#[test]
fn a_reply_that_was_broken_off_is_none_and_asked_for_again() {
    for reason in [
        "error",
        "abort",
        "insufficient_system_resource",
        "network_error",
        "timeout",
        "canceled",
        "cancelled",
        "OTHER",
        "FinishReason.OTHER",
        "ERROR",
        "MALFORMED_FUNCTION_CALL",
    ] {
        let found = of(200, &ended(json!(reason)));
        let Meaning::Later(text) = &found else {
            panic!("{reason}: {found:?}");
        };
        assert!(text.contains(reason), "{text}");
    }
    let native = json!({"choices": [{"message": {"content": "Half an"},
        "finish_reason": "stop", "native_finish_reason": "OTHER"}]});
    assert!(matches!(of(200, &native), Meaning::Later(_)));
    let named = of(
        200,
        &ended(json!({"type": "abort", "message": "no memory"})),
    );
    assert!(matches!(named, Meaning::Later(_)), "{named:?}");
}

#[test]
fn a_call_of_a_tool_is_no_answer_with_text_or_without() {
    let call = json!([{"id": "1", "type": "function",
                       "function": {"name": "search", "arguments": "{}"}}]);
    let choice = |message: Value, reason: &str| {
        json!({"choices": [{"message": message, "finish_reason": reason}],
               "usage": {"prompt_tokens": 5, "completion_tokens": 5}})
    };
    for (body, named) in [
        (
            choice(json!({"content": null, "tool_calls": call}), "tool_calls"),
            "search",
        ),
        (
            choice(
                json!({"content": "Let me look.", "tool_calls": call}),
                "stop",
            ),
            "search",
        ),
        (
            choice(
                json!({"content": null, "function_call": {"name": "look", "arguments": ""}}),
                "function_call",
            ),
            "look",
        ),
        (
            choice(json!({"content": "Let me"}), "tool_calls"),
            "tool_calls",
        ),
        (choice(json!({"content": "Let me"}), "tool_use"), "tool_use"),
        (
            choice(json!({"content": "Let me"}), "pause_turn"),
            "pause_turn",
        ),
    ] {
        let found = of(200, &body);
        let Meaning::Never(text) = &found else {
            panic!("{body}: {found:?}");
        };
        assert!(
            text.contains("calls a tool") && text.contains(named),
            "{text}"
        );
    }
    // Fields of no calls are none.
    let none = choice(
        json!({"content": "A.", "tool_calls": [], "function_call": null}),
        "stop",
    );
    assert_eq!(of(200, &none), reply("A.", Some("stop"), Some((5, 5))));
}

#[test]
fn a_reply_of_no_known_end_is_kept_with_what_was_said_of_it() {
    for (reason, kept) in [
        (json!("bananas"), Some("bananas")),
        (json!(3), Some("3")),
        (json!(null), None),
        (json!({"type": "stop", "matched": 2}), Some("stop")),
    ] {
        assert_eq!(of(200, &ended(reason)), reply("Half an", kept, None));
    }
    // The token or text that ended it in vLLM is no reason.
    for stop in [json!("</s>"), json!(1301), json!(null)] {
        let body = json!({"choices": [{"message": {"content": "A."},
            "finish_reason": "stop", "stop_reason": stop}]});
        assert_eq!(of(200, &body), reply("A.", Some("stop"), None));
    }
    let cut = json!({"choices": [{"message": {"content": "A."},
        "finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}]});
    assert_eq!(of(200, &cut), reply("A.", Some("MAX_TOKENS"), None));
}

#[test]
fn an_error_under_status_200_that_passes_is_asked_for_again() {
    for code in [
        json!(502),
        json!("server_error"),
        json!("overloaded_error"),
        json!("rate_limit_exceeded"),
    ] {
        let body = json!({"choices": [{"message": {"content": "Half"},
            "error": {"code": code, "message": "no"}}]});
        assert_eq!(of(200, &body), Meaning::Later("no".into()), "{code}");
    }
    // Something is said of one that says nothing.
    let body = json!({"error": {"code": 502, "message": "\u{1}"}});
    let Meaning::Later(text) = of(200, &body) else {
        panic!("it passes");
    };
    assert!(text.contains("502"), "{text}");
}

#[test]
fn a_policy_refusal_is_seen_wherever_an_error_holds_it() {
    let list = |code: u16, message: &str, status: &str| {
        json!([{"error": {"code": code, "message": message, "status": status}}]).to_string()
    };
    let inner = json!({"error": {"code": "content_filter", "message": "filtered"}}).to_string();
    let azure = "The response was filtered due to the prompt triggering Azure OpenAI's content \
                 management policy.";
    let litellm = "litellm.ContentPolicyViolationError: AzureException - filtered";
    for body in [
        "Request blocked: content filter triggered by the prompt.".to_owned(),
        "Your prompt was flagged by our content moderation system.".to_owned(),
        r#""The prompt violates our content policy and was blocked.""#.to_owned(),
        json!(inner).to_string(),
        list(
            403,
            "The prompt was blocked due to SAFETY",
            "PERMISSION_DENIED",
        ),
        list(
            400,
            "The prompt was blocked: PROHIBITED_CONTENT",
            "INVALID_ARGUMENT",
        ),
        json!({"errors": [{"code": "content_policy_violation", "message": "no"}]}).to_string(),
        json!({"detail": {"code": "content_filter", "message": "no"}}).to_string(),
        json!({"detail": {"error": {"code": "content_filter"}}}).to_string(),
        json!({"detail": "Prompt rejected by content policy"}).to_string(),
        json!({"error": {"code": 403, "errors": [{"reason": "contentFilter"}]}}).to_string(),
        json!({"error": {"code": 403, "message": inner}}).to_string(),
        json!({"error": {"message": format!("Error code: 400 - {inner}")}}).to_string(),
        json!({"message": inner}).to_string(),
        json!({"exception": "ContentFilterException"}).to_string(),
        json!({"errors": ["The prompt violates our content policy."]}).to_string(),
        json!({"error": {"message": {"error": "Violated OpenAI moderation policy"},
                         "type": "None", "code": "400"}})
        .to_string(),
    ] {
        for status in [400, 403, 422] {
            let found = meaning(status, body.as_bytes());
            let is_policy = matches!(found, Meaning::Done(Outcome::Policy(_)));
            assert!(is_policy, "{status}: {body}: {found:?}");
        }
    }
    for message in [azure, litellm, "The prompt violates our usage policies."] {
        let found = of(500, &json!({"error": {"message": message, "code": "500"}}));
        let is_policy = matches!(found, Meaning::Done(Outcome::Policy(_)));
        assert!(is_policy, "{message}: {found:?}");
    }
}

#[test]
fn faults_of_keys_firewalls_and_services_are_no_policy_refusals_wherever_they_stand() {
    for body in [
        "Forbidden".to_owned(),
        "Your request was blocked.".to_owned(),
        "Access to this content was blocked by your network's firewall.".to_owned(),
        "This website's content is blocked by your administrator.".to_owned(),
        "<html><meta content=\"x\">Sorry, you have been blocked</html>".to_owned(),
        json!("Your API key was flagged for violating our usage policies").to_string(),
        json!([{"error": {"code": 403, "message": "API key not valid", "status": "PERMISSION_DENIED",
                "details": [{"reason": "API_KEY_SERVICE_BLOCKED"}]}}])
        .to_string(),
        json!({"errors": [{"code": "API_KEY_FLAGGED", "message": "no"}]}).to_string(),
        json!({"errors": [{"reason": "forbidden", "message": "no"}]}).to_string(),
        json!({"detail": {"code": "unsupported_country", "message": "Region blocked"}}).to_string(),
        json!({"detail": "Not authorised"}).to_string(),
        json!({"error": {"message": {"error": "This account is disabled"}}}).to_string(),
        "[]".to_owned(),
        "7".to_owned(),
    ] {
        let found = meaning(403, body.as_bytes());
        assert!(matches!(found, Meaning::Unauthorised(_)), "{body}: {found:?}");
    }
    for message in [
        "The content filter service is unavailable; the request was blocked.",
        "Guardrail service refused the connection",
        "Content policy service timed out; request blocked",
        "The upstream rejected the request",
    ] {
        let found = of(503, &json!({"error": {"message": message}}));
        assert!(matches!(found, Meaning::Later(_)), "{message}: {found:?}");
    }
    // A prompt's own words.
    let echo = "Expected a text, found '{\"error\": {\"code\": \"content_filter\"}}'";
    let found = of(400, &json!({"error": {"message": echo}}));
    assert!(matches!(found, Meaning::Never(_)), "{found:?}");
}

#[test]
fn what_follows_a_completion_makes_it_unreadable() {
    let part = |text: &str| json!({"choices": [{"message": {"content": text}}]}).to_string();
    let (one, two) = (part("Part one."), part("Part two."));
    for body in [
        format!("{one}{two}"),
        format!("{one}\n{two}"),
        format!("{one}\n\ndata: {two}"),
        format!("{one}, {two}"),
        format!("{one}{}", &two[..20]),
    ] {
        let found = meaning(200, body.as_bytes());
        let is_unreadable = matches!(found, Meaning::Done(Outcome::Unreadable(_)));
        assert!(is_unreadable, "{body}: {found:?}");
    }
}

#[test]
fn other_formats_are_named() {
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 5});
    let chunk = json!({"object": "chat.completion.chunk", "usage": usage,
        "choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]});
    for (body, expected) in [
        (chunk.to_string(), "streams its reply"),
        (format!("{chunk}\n{chunk}"), "streams its reply"),
        (
            json!({"choices": [{"delta": {"content": "Hi"}}]}).to_string(),
            "streams its reply",
        ),
        (
            json!({"object": "text_completion", "usage": usage,
                   "choices": [{"text": "Hi", "finish_reason": "stop"}]})
            .to_string(),
            "text completion",
        ),
        (
            json!({"choices": [{"text": "Hi"}], "usage": usage}).to_string(),
            "text completion",
        ),
    ] {
        let found = meaning(200, body.as_bytes());
        let Meaning::Never(text) = &found else {
            panic!("{body}: {found:?}");
        };
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn parts_that_are_marked_as_thoughts_are_no_answer() {
    for thought in [
        json!({"text": "Hm.", "thought": true}),
        json!({"type": "text", "text": "Hm.", "thought": true}),
        json!({"type": "reasoning_content", "text": "Hm."}),
    ] {
        let body = json!({"choices": [{"message": {"content":
            [thought, {"type": "text", "text": "A.", "thought": false}]}}]});
        assert_eq!(of(200, &body), reply("A.", None, None), "{body}");
    }
}

#[test]
fn a_reason_of_any_shape_is_read() {
    for reason in [
        json!({}),
        json!({"type": 1}),
        json!({"type": "stop"}),
        json!([]),
        json!(["stop"]),
        json!(1),
        json!(true),
        json!(null),
    ] {
        for name in ["finish_reason", "native_finish_reason", "stop_reason"] {
            let mut choice = json!({"message": {"content": "How to"}, "finish_reason": "stop"});
            choice[name] = reason.clone();
            let body = json!({ "choices": [choice] }).to_string();
            let found = meaning(200, body.as_bytes());
            let is_reply = matches!(found, Meaning::Done(Outcome::Reply(_)));
            assert!(is_reply, "{name} {reason}: {found:?}");
        }
    }
}

#[test]
fn what_python_prints_is_understood_as_the_same_json() {
    // python3 -c 'print(ERROR)', and what LiteLLM writes before and behind it.
    let filtered = "{'error': {'message': \"The response was filtered, it's said\", 'type': None, \
                    'param': 'prompt', 'code': 'content_filter', 'status': 400, 'innererror': \
                    {'code': 'ResponsibleAIPolicyViolation', 'content_filter_result': {'hate': \
                    {'filtered': True, 'severity': 'high'}}}}}";
    let long = "{'error': {'message': \"This model's maximum context length is 4096 tokens\", \
                'code': 'context_length_exceeded'}}";
    let bytes = "b'{\"error\":{\"code\":\"content_filter\",\"message\":\"it\\'s filtered\"}}'";
    let around = |inner: &str| {
        [
            inner.to_owned(),
            format!("Error code: 400 - {inner}"),
            format!("litellm.BadRequestError: AzureException - {inner}. Received Model Group=m"),
            format!("litellm.BadRequestError: AzureException - {inner}\nLiteLLM Retries: 2"),
        ]
    };
    let bodies = |inner: &str| {
        let plain = around(inner).into_iter();
        let held = around(inner).map(|it| json!({"error": {"message": it}}).to_string());
        let detail = around(inner).map(|it| json!({"detail": it}).to_string());
        let list = [format!("[{inner}]"), json!(inner).to_string()];
        plain
            .chain(held)
            .chain(detail)
            .chain(list)
            .collect::<Vec<_>>()
    };
    for body in bodies(filtered).iter().chain(&bodies(bytes)) {
        for status in [400, 403] {
            let found = meaning(status, body.as_bytes());
            let Meaning::Done(Outcome::Policy(policy)) = found else {
                panic!("{status}: {body}: {found:?}");
            };
            assert_eq!(policy.code, "content_filter", "{body}");
        }
    }
    for body in bodies(long) {
        let found = meaning(400, body.as_bytes());
        let is_long = matches!(&found, Meaning::Never(it) if it.starts_with(TOO_LONG));
        assert!(is_long, "{body}: {found:?}");
    }
    // The message is the error's own.
    let Meaning::Done(Outcome::Policy(policy)) = meaning(400, filtered.as_bytes()) else {
        panic!("{filtered} is a refusal");
    };
    assert_eq!(policy.message, "The response was filtered, it's said");
    // Under status 200, an error and a completion.
    let found = meaning(200, filtered.as_bytes());
    assert!(
        matches!(found, Meaning::Done(Outcome::Policy(_))),
        "{found:?}"
    );
    let completion = "{'choices': [{'message': {'role': 'assistant', 'content': \"It's warm.\"}, \
                      'finish_reason': 'stop'}], 'usage': None}";
    assert_eq!(
        meaning(200, completion.as_bytes()),
        reply("It's warm.", Some("stop"), None)
    );
    // What is quoted may be the prompt's own.
    for message in [
        "Expected a text, found \"{'code': 'content_filter'}\"",
        "Expected a text, found `{'code': 'content_filter'}`",
        "Expected a text, found 'b'{\"code\": \"content_filter\"}''",
    ] {
        let found = of(400, &json!({"error": {"message": message}}));
        assert!(matches!(found, Meaning::Never(_)), "{message}: {found:?}");
    }
}
