//! Text completions of vLLM, llama.cpp and others.

use super::*;
use crate::drawn::{Drawn, EndedBy};
use crate::question::Wanted;

fn wanted(choices: u32) -> Wanted {
    Wanted {
        model: "policy".into(),
        prompt_tokens: 2,
        choices,
        tokens: 3,
    }
}

fn read(status: u16, body: &Value, choices: u32) -> Meaning {
    text_meaning(status, body.to_string().as_bytes(), &wanted(choices))
}

/// Returns the texts of an answer, and the tokens that it took.
fn drawn(body: &Value, choices: u32) -> (Vec<Drawn>, Option<u64>) {
    match read(200, body, choices) {
        Meaning::Done(Outcome::Reply(reply)) => {
            assert_eq!(reply.content, reply.drawn[0].text);
            (reply.drawn, reply.usage.map(|it| it.completion_tokens))
        }
        other => panic!("{body}: {other:?}"),
    }
}

/// Returns what makes an answer useless for all requests.
fn unusable(body: &Value, choices: u32) -> String {
    match read(200, body, choices) {
        Meaning::Unusable(message) => message,
        other => panic!("{body}: {other:?}"),
    }
}

/// What llama.cpp's server answers.
fn llama_cpp(finish_reason: &str) -> Value {
    let token = |id: u32, token: &str, logprob: f64| {
        let bytes = token.as_bytes();
        let likeliest = json!({"id": id, "token": token, "bytes": bytes, "logprob": logprob});
        json!({"id": id, "token": token, "bytes": bytes, "logprob": logprob,
            "top_logprobs": [likeliest]})
    };
    let content = [
        token(475, " R", -1.545_395),
        token(947, "inse", -0.230_093),
        token(0, "", -0.105_771),
    ];
    json!({
        "choices": [{"text": " Rinse", "index": 0, "logprobs": {"content": content},
            "finish_reason": finish_reason}],
        "created": 1, "model": "policy", "system_fingerprint": "b0-unknown",
        "object": "text_completion",
        "usage": {"completion_tokens": 3, "prompt_tokens": 2, "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0}},
        "id": "chatcmpl-0", "timings": {"predicted_n": 3}
    })
}

/// What vLLM answers to a request for two texts.
fn vllm() -> Value {
    let choice = |index: u32, text: &str, ids: [u32; 2], finish_reason: &str, stop: Value| {
        let logprobs = json!({
            "text_offset": [0, 2], "token_logprobs": [-0.5, -1.25],
            "tokens": ids.map(|id| format!("token_id:{id}")),
            "top_logprobs": [{"token_id:7": -0.5}, {"token_id:8": -1.25}]
        });
        json!({"index": index, "text": text, "logprobs": logprobs,
            "finish_reason": finish_reason, "stop_reason": stop, "token_ids": ids,
            "prompt_logprobs": null, "prompt_token_ids": [1, 2], "routed_experts": null})
    };
    json!({
        "id": "cmpl-0", "object": "text_completion", "created": 1, "model": "policy",
        "choices": [choice(0, "a", [7, 0], "stop", Value::Null),
            choice(1, "b", [8, 9], "stop", json!("\n\nHuman:"))],
        "service_tier": null, "system_fingerprint": null,
        "usage": {"prompt_tokens": 2, "total_tokens": 6, "completion_tokens": 4,
            "prompt_tokens_details": null},
        "kv_transfer_params": null, "ec_transfer_params": null, "metrics": null
    })
}

#[test]
fn ids_and_log_probs_are_found_where_each_server_puts_them() {
    let (texts, tokens) = drawn(&llama_cpp("stop"), 1);
    let expected = Drawn {
        text: " Rinse".into(),
        finish_reason: "stop".into(),
        ended_by: None,
        ids: Some(vec![475, 947, 0]),
        log_probs: Some(vec![-1.545_395, -0.230_093, -0.105_771]),
    };
    assert_eq!((texts, tokens), (vec![expected], Some(3)));
    assert!(drawn(&llama_cpp("length"), 1).0[0].is_cut());

    let (texts, tokens) = drawn(&vllm(), 2);
    assert_eq!((texts.len(), tokens), (2, Some(4)));
    assert_eq!(texts[1].ids, Some(vec![8, 9]));
    assert_eq!(texts[1].log_probs, Some(vec![-0.5, -1.25]));

    // An older version of vLLM.
    let mut older = vllm();
    for choice in older["choices"].as_array_mut().unwrap() {
        choice.as_object_mut().unwrap().remove("token_ids");
    }
    assert_eq!(drawn(&older, 2).0, texts);

    // OpenAI's own format has texts in the place of ids.
    let plain = json!({"choices": [{"text": "a", "index": 0, "finish_reason": "stop",
        "logprobs": {"tokens": ["a"], "token_logprobs": [-0.5]}}]});
    let (texts, tokens) = drawn(&plain, 1);
    let found = (&texts[0].ids, &texts[0].log_probs, tokens);
    assert_eq!(found, (&None, &None, None));
}

#[test]
fn what_ended_a_text_is_found_where_each_server_puts_it() {
    let by = |body: &Value, choices| {
        let texts = drawn(body, choices).0.into_iter();
        texts.map(|it| it.ended_by).collect::<Vec<_>>()
    };
    let (text, token) = (Some(EndedBy::Text), Some(EndedBy::Token));
    assert_eq!(by(&vllm(), 2), [token, text]);
    let mut by_id = vllm();
    by_id["choices"][0]["stop_reason"] = json!(0);
    assert_eq!(by(&by_id, 2), [token, text]);
    let mut cut = vllm();
    cut["choices"][0]["finish_reason"] = json!("length");
    cut["usage"]["completion_tokens"] = json!(0);
    assert_eq!(by(&cut, 2), [None, text]);
    assert_eq!(by(&llama_cpp("stop"), 1), [None]);
    for (name, expected) in [("word", text), ("eos", token), ("none", None)] {
        for place in ["stop_type", "__verbose"] {
            let mut told = llama_cpp("stop");
            told[place] = match place {
                "stop_type" => json!(name),
                _ => json!({ "stop_type": name }),
            };
            assert_eq!(by(&told, 1), [expected], "{told}");
        }
    }
}

#[test]
fn a_text_that_came_damaged_is_no_text() {
    let body = |text: &str, more: &str| {
        format!(r#"{{"choices": [{{"text": "{text}", "finish_reason": "stop"}}]}}{more}"#)
    };
    let read = |body: &[u8]| text_meaning(200, body, &wanted(1));
    for (text, more, expected) in [
        (r"half a \ud83d", "", "lone surrogate"),
        ("whole", "{}", "more JSON follows"),
    ] {
        let Meaning::Never(problem) = read(body(text, more).as_bytes()) else {
            panic!("{text} is damaged");
        };
        assert!(problem.contains(expected), "{problem}");
    }
    let mut bytes = body("caf", "").into_bytes();
    let at = bytes.windows(4).position(|it| it == b"caf\"").unwrap();
    bytes[at + 2] = 0xe9;
    let found = read(&bytes);
    assert!(matches!(found, Meaning::Never(_)), "{found:?}");
    // What the faults did not touch is as good as any, and so is a character of that name.
    for (text, more) in [("whole", ", \"x\": NaN"), ("\u{fffd}", "")] {
        let body = body(text, "").replacen('{', &format!("{{\"y\": 0{more}, "), 1);
        let found = read(body.as_bytes());
        assert!(matches!(found, Meaning::Done(_)), "{body}: {found:?}");
    }
}

#[test]
fn a_log_prob_that_is_missing_leaves_none() {
    let mut body = vllm();
    body["choices"][0]["logprobs"]["token_logprobs"][1] = Value::Null;
    body["choices"][1]["logprobs"] = Value::Null;
    let (texts, _) = drawn(&body, 2);
    assert!(texts.iter().all(|it| it.log_probs.is_none()));
    assert!(texts.iter().all(|it| it.ids.is_some()));
}

#[test]
fn another_number_of_texts_or_another_model_is_told_at_once() {
    assert!(unusable(&vllm(), 4).contains("sent 2 texts for a request, expected 4"));
    assert!(unusable(&vllm(), 1).contains("expected 1"));
    let mut other = vllm();
    other["model"] = json!("base");
    let message = unusable(&other, 2);
    assert!(
        message.contains("as the model `base`, not as `policy`"),
        "{message}"
    );
    let chat = json!({"model": "policy", "choices": [{"message": {"content": "Hi."}}]});
    assert!(unusable(&chat, 1).contains("choices[0].text"));
    let stream = text_meaning(200, b"data: {}\n\n", &wanted(1));
    assert!(matches!(stream, Meaning::Unusable(_)), "{stream:?}");
}

#[test]
fn a_server_that_reads_another_prompt_is_told_at_once() {
    let with = |prompt_tokens: u64| {
        let mut body = vllm();
        body["usage"]["prompt_tokens"] = json!(prompt_tokens);
        body
    };
    let message = unusable(&with(7), 2);
    assert!(
        message.contains("read 7 tokens of a prompt of 2"),
        "{message}"
    );
    // Counted for each text, or not at all.
    for counted in [4, 0] {
        assert_eq!(drawn(&with(counted), 2).0.len(), 2);
    }
}

#[test]
fn a_context_that_ends_a_text_is_not_taken_for_its_length() {
    let mut short = llama_cpp("length");
    short["usage"]["completion_tokens"] = json!(2);
    let message = unusable(&short, 1);
    assert!(message.contains("after 2 of 3 tokens"), "{message}");
    // The usage tells, not the ids: some may be missing.
    let mut fewer = llama_cpp("length");
    let content = fewer["choices"][0]["logprobs"]["content"].as_array_mut();
    content.unwrap().pop();
    let (texts, tokens) = drawn(&fewer, 1);
    assert_eq!((texts[0].n_ids(), tokens), (Some(2), Some(3)));
    // Of several texts, the ids do, if there are as many as the usage says.
    let mut several = vllm();
    several["choices"][0]["finish_reason"] = json!("length");
    assert!(unusable(&several, 2).contains("after 2 of 3 tokens"));
    several["usage"]["completion_tokens"] = json!(2);
    assert_eq!(drawn(&several, 2).0.len(), 2);
    let long = json!({"error": {"code": 400, "n_ctx": 1024, "n_prompt_tokens": 1140,
        "type": "exceed_context_size_error",
        "message": "request (1140 tokens) exceeds the available context size (1024 tokens)"}});
    let Meaning::Unusable(message) = read(400, &long, 1) else {
        panic!("it is told at once");
    };
    assert!(message.contains("--ctx-size"), "{message}");
}

#[test]
fn a_fault_of_the_kind_of_request_is_met_once() {
    let error = |message: &str| json!({"error": {"message": message, "code": 400}});
    for (status, body) in [
        (400, error("Prompt contains invalid tokens")),
        (400, error("Unrecognized request argument supplied: top_k")),
        (422, json!({"detail": [{"msg": "prompt must be a string"}]})),
        (404, json!({"detail": "Not Found"})),
        (501, error("The model does not support Completions API")),
    ] {
        let found = read(status, &body, 1);
        assert!(matches!(found, Meaning::Refused(_)), "{status}: {found:?}");
    }
    for status in [429, 500, 503] {
        let found = read(status, &error("busy"), 1);
        assert!(matches!(found, Meaning::Later(_)), "{status}: {found:?}");
    }
    let broken = read(200, &llama_cpp("abort"), 1);
    assert!(matches!(broken, Meaning::Later(_)), "{broken:?}");
    for body in [llama_cpp("content_filter"), llama_cpp("whatever")] {
        let found = read(200, &body, 1);
        assert!(matches!(found, Meaning::Never(_)), "{found:?}");
    }
    let cut = text_meaning(200, b"{\"choices\":[{\"te", &wanted(1));
    assert!(matches!(cut, Meaning::Never(_)), "{cut:?}");
}
