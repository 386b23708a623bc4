//! Prompts that are too long.

use super::*;

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
        assert_eq!(
            FailureKind::of(text),
            FailureKind::TooLong,
            "{case}: {text}"
        );
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
        assert_eq!(FailureKind::of(text), FailureKind::Other, "{case}: {text}");
    }
}
