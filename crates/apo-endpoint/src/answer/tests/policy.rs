//! What is a refusal by the content policy, and what only resembles one.

use super::*;

#[test]
fn errors_that_name_the_content_policy_are_recognised() {
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
#[expect(clippy::too_many_lines, reason = "tables")]
fn what_only_resembles_a_policy_refusal_does_not_count() {
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
fn faults_of_keys_firewalls_and_services_are_not_policy_refusals() {
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
