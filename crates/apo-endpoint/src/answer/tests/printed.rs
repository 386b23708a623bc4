//! Errors that Python printed.

use super::*;

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
        let is_long =
            matches!(&found, Meaning::Never(it) if FailureKind::of(it) == FailureKind::TooLong);
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
