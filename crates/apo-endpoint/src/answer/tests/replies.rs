//! Replies: what is text, thought, call or nothing, and how they ended.

use super::*;

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
fn thoughts_outside_the_content_are_not_part_of_it() {
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
        assert_eq!(outcome.kind(), OutcomeKind::Empty, "{body}");
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
    for (case, bytes, has_usage) in [
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
        assert_eq!(unreadable.usage.is_some(), has_usage, "{case}");
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
fn a_reply_that_was_broken_off_is_asked_for_again() {
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
fn a_call_of_a_tool_is_not_an_answer_with_or_without_text() {
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
    // Empty fields are not calls.
    let none = choice(
        json!({"content": "A.", "tool_calls": [], "function_call": null}),
        "stop",
    );
    assert_eq!(of(200, &none), reply("A.", Some("stop"), Some((5, 5))));
}

#[test]
fn a_reply_with_an_unknown_end_is_kept_with_its_reason() {
    for (reason, kept) in [
        (json!("bananas"), Some("bananas")),
        (json!(3), Some("3")),
        (json!(null), None),
        (json!({"type": "stop", "matched": 2}), Some("stop")),
    ] {
        assert_eq!(of(200, &ended(reason)), reply("Half an", kept, None));
    }
    // The token or text that ended a reply in vLLM is not a reason.
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
fn what_follows_a_completion_makes_it_unreadable() {
    let part = |text: &str| json!({"choices": [{"message": {"content": text}}]}).to_string();
    let printed = |text: &str| format!("{{'choices': [{{'message': {{'content': '{text}'}}}}]}}");
    for (one, two) in [
        (part("Part one."), part("Part two.")),
        (printed("Part one."), printed("Part two.")),
        (printed("Part one."), part("Part two.")),
    ] {
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
}

#[test]
fn a_completion_that_is_cut_off_is_unreadable_in_json_and_as_python_prints_it() {
    let json = r#"{"choices": [{"message": {"content": "Warm water", "role": "assistant"}}]}"#;
    let printed = json.replace('"', "'");
    for body in [json, &printed] {
        let from = body.find("Warm").unwrap();
        for length in from..body.len() {
            let found = meaning(200, &body.as_bytes()[..length]);
            let Meaning::Done(Outcome::Unreadable(unreadable)) = &found else {
                panic!("{}: {found:?}", &body[..length]);
            };
            let kept = BASE64_STANDARD.decode(&unreadable.body).unwrap();
            assert_eq!(kept, body.as_bytes()[..length]);
        }
        assert_eq!(
            meaning(200, body.as_bytes()),
            reply("Warm water", None, None)
        );
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
fn parts_that_are_marked_as_thoughts_are_not_the_answer() {
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
