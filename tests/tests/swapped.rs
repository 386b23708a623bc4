//! A stage of one's own in another's place: the example of the README, a sampler
//! that asks a server, between the real stages.
//!
//! It needs a Python with pyarrow, which `APO_PYTHON` names (`make test` sees to
//! that); without one it says that it is skipped.

use std::process::Command;

use apo_tables::{Finish, Reader, Response};
use apo_tests::loopback::serve;
use apo_tests::stages::{finish, small_round, succeed, workspace};
use serde_json::{Value, json};

/// Answers a request: as many choices as are asked for, the last cut short.
fn answer(asked: &Value) -> (u16, Value) {
    let messages = asked["messages"].as_array().expect("messages");
    let last = messages.last().expect("a dialogue has a turn");
    assert_eq!(last["role"], "user", "{asked}");
    let n = asked["n"].as_u64().expect("n");
    let choices: Vec<Value> = (0..n)
        .map(|i| {
            let finish = if i + 1 == n { "length" } else { "stop" };
            let content = format!("Answer {i} to: {}", last["content"].as_str().unwrap_or(""));
            json!({ "index": i, "finish_reason": finish, "message": { "content": content } })
        })
        .collect();
    (200, json!({ "choices": choices }))
}

#[test]
fn a_sampler_of_ones_own_stands_between_the_stages() {
    let Some(python) = std::env::var_os("APO_PYTHON") else {
        eprintln!("skipped: APO_PYTHON names no Python with pyarrow, it is not here");
        return;
    };
    let dir = small_round(env!("CARGO_TARGET_TMPDIR"), "swapped");
    let address = serve(answer).expect("a port is free");
    // The very line of the Makefile's rule, with another program before it.
    let mut sampler = Command::new(python);
    sampler
        .current_dir(&dir)
        .env("SAMPLER_URL", format!("http://{address}/v1"))
        .env("no_proxy", "127.0.0.1")
        .arg(workspace().join("examples/sample-from-server.py"))
        .args(["--model", "policy", "--queries", "data/llm-queries.parquet"])
        .args(["--samples", "3", "--batch", "64"])
        .args(["--out", "own.parquet", "--overwrite"]);
    let ran = finish(&mut sampler);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);

    let rows: Vec<Response> = Reader::open(&dir.join("own.parquet"))
        .expect("it is a table of responses")
        .collect::<Result<_, _>>()
        .expect("its rows are whole");
    assert_eq!(rows.len(), 24 * 3);
    assert_eq!((rows[2].sample, rows[2].finish), (2, Finish::Length));
    let question = rows[0].prompt.rsplit("Human: ").next().unwrap_or_default();
    let question = question.trim_end_matches("\n\nAssistant:");
    assert_eq!(rows[0].response, format!("Answer 0 to: {question}"));

    succeed(
        &dir,
        "judge score --model rm --responses own.parquet --out own-scored.parquet",
    );
    succeed(
        &dir,
        "align dpo --model policy --responses own-scored.parquet --out own-policy",
    );
}
