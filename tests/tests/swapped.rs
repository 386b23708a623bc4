//! A stage of one's own in another's place: the example of the README, a sampler
//! that asks a server, between the real stages.
//!
//! It needs a Python with pyarrow, which `APO_PYTHON` names (`make test` sees to
//! that); without one it says that it is skipped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use apo_tables::{Finish, Reader, Response};
use apo_tests::stages::{finish, small_round, succeed, workspace};
use serde_json::{Value, json};

/// Answers one request: as many choices as are asked for, the last cut short.
fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream can be shared"));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request has a head");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a request is whole");
    let asked: Value = serde_json::from_slice(&body).expect("a request is JSON");
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
    let text = json!({ "choices": choices }).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        text.len()
    );
    stream
        .write_all((head + &text).as_bytes())
        .expect("the sampler listens");
}

#[test]
fn a_sampler_of_ones_own_stands_between_the_stages() {
    let Some(python) = std::env::var_os("APO_PYTHON") else {
        eprintln!("skipped: APO_PYTHON names no Python with pyarrow, it is not here");
        return;
    };
    let dir = small_round(env!("CARGO_TARGET_TMPDIR"), "swapped");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| answer(stream));
        }
    });
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
