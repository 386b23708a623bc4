//! Refusals by the content policy in all their forms.

use super::*;

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
