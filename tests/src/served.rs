//! What a server that draws samples answers.

use serde_json::{Value, json};

/// Returns texts as vLLM sends them to a request for a small policy of the mini world. Each
/// depends on the seed and its number alone; one in four is as long as it may be.
///
/// # Panics
///
/// When the request has no seed, limit or prompt of token ids.
pub fn drawn(request: &Value) -> Value {
    let n = request["n"].as_u64().unwrap_or(1);
    let number_of = |name: &str| request[name].as_u64().expect("requests have it");
    let (first, limit) = (number_of("seed"), number_of("max_tokens"));
    let choices = (0..n).map(|number| {
        let seed = first + number;
        let is_cut = seed.is_multiple_of(4);
        let length = if is_cut { limit } else { limit.min(3) };
        let mut ids: Vec<u64> = (0..length).map(|i| 300 + (seed + 7 * i) % 700).collect();
        if !is_cut {
            ids.push(0);
        }
        let log_probs = vec![-0.5; ids.len()];
        json!({
            "index": number, "text": "not what the ids say", "token_ids": ids,
            "finish_reason": if is_cut { "length" } else { "stop" },
            "logprobs": { "token_logprobs": log_probs },
        })
    });
    let choices: Vec<Value> = choices.collect();
    let n_ids = |value: &Value| value.as_array().expect("ids are a list").len();
    let written: usize = choices.iter().map(|it| n_ids(&it["token_ids"])).sum();
    let read = n_ids(&request["prompt"]);
    let usage = json!({ "prompt_tokens": read, "completion_tokens": written });
    json!({ "model": request["model"], "choices": choices, "usage": usage })
}
