//! A program in the place of a stage: the README's example, a sampler that asks a server,
//! between the real stages.
//!
//! It needs a Python with pyarrow, which `APO_PYTHON` names (`make test` sets it). Without
//! it, the test says that it is skipped.

use std::path::Path;
use std::process::Command;

use apo_provenance::Provenance;
use apo_tables::{Finish, Query, Reader, Response, Writer};
use apo_tests::stages::{finish, folder, refuse, small_round, succeed, workspace, write};
use mini_world::loopback::serve;
use serde_json::{Value, json};

/// Answers a request with the number of choices that it asks for, the last one cut short.
fn answer(asked: &Value) -> (u16, Value) {
    let messages = asked["messages"].as_array().expect("messages");
    let last = messages.last().expect("a dialogue has a turn");
    assert_eq!(last["role"], "user", "{asked}");
    let n = asked["n"].as_u64().expect("n");
    let choices: Vec<Value> = (0..n)
        .map(|i| {
            let finish = if i + 1 == n { "length" } else { "stop" };
            let content = format!("Answer {i} to: {}", last["content"].as_str().unwrap_or(""));
            // A server tells what it drew where it is asked.
            let drawn =
                json!([{ "token": "a", "logprob": -0.5 }, { "token": "b", "logprob": -1.0 }]);
            let logprobs =
                (asked["logprobs"] == true && i == 0).then(|| json!({ "content": drawn }));
            json!({
                "index": i, "finish_reason": finish, "logprobs": logprobs,
                "message": { "content": content },
            })
        })
        .collect();
    (200, json!({ "choices": choices }))
}

/// Returns the example with the server at `address`, or `None` without Python.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn sampler(dir: &Path, address: &str, line: &str) -> Option<Command> {
    let Some(python) = std::env::var_os("APO_PYTHON") else {
        eprintln!("skipped: APO_PYTHON names no Python with pyarrow, it is not here");
        return None;
    };
    let mut sampler = Command::new(python);
    sampler
        .current_dir(dir)
        .env("SAMPLER_URL", format!("http://{address}/v1"))
        .env("no_proxy", "127.0.0.1")
        .arg(workspace().join("examples/sample-from-server.py"))
        .args(line.split_whitespace());
    Some(sampler)
}

#[test]
fn a_sampler_of_ones_own_says_what_it_does() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "swapped-options");
    let mut writer = Writer::<Query>::create(
        &dir.join("q.parquet"),
        &Provenance::new("hh-split", "1").of_part("test"),
    )
    .expect("the folder can be written");
    for i in 0..6 {
        let query = Query {
            query_id: format!("q{i}"),
            subset: "s".into(),
            prompt: format!("\n\nHuman: Question {i}?\n\nAssistant:"),
        };
        writer.write(&query).expect("the folder can be written");
    }
    writer.finish().expect("the folder can be written");

    // What it cannot do is refused by name.
    let line = "--model m --queries q.parquet --samples 2 --out own.parquet";
    for (option, word) in [
        ("--top-kk 3", "--top-kk"),
        ("--template hh", "--template"),
        ("--precision bf16", "--precision"),
    ] {
        let Some(mut command) = sampler(&dir, "127.0.0.1:9", &format!("{line} {option}")) else {
            return;
        };
        let ran = finish(&mut command);
        assert_eq!(ran.status, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(word), "{}", ran.stderr);
    }
    // A server's message about a bad request is reported, and earlier samples are kept.
    let failing = |asked: &Value| {
        let request = asked.to_string();
        if request.contains("Question 5?") {
            return (400, json!({ "error": { "message": "prompt too long" } }));
        }
        assert_eq!(
            (
                &asked["model"],
                &asked["top_k"],
                &asked["repetition_penalty"]
            ),
            (&json!("m"), &json!(7), &json!(1.1))
        );
        assert_eq!(asked["truncate_prompt_tokens"], 99);
        answer(asked)
    };
    let options = "--top-k 7 --repetition-penalty 1.1 --prompt-limit 99 --requests 1";
    let line = format!("{line} {options}");
    let address = serve(failing).expect("a port is free");
    let ran = finish(&mut sampler(&dir, &address.to_string(), &line).expect("as above"));
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    for expected in ["query q5", "prompt too long", "5 of 6 queries are kept"] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("Traceback"), "{}", ran.stderr);
    assert!(!dir.join("own.parquet").exists());
    // The same command asks for the rest alone.
    let rest = |asked: &Value| {
        assert!(asked.to_string().contains("Question 5?"), "{asked}");
        answer(asked)
    };
    let address = serve(rest).expect("a port is free");
    let ran = finish(&mut sampler(&dir, &address.to_string(), &line).expect("as above"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(!dir.join("own.parquet.jsonl").exists());

    let own = dir.join("own.parquet");
    let reader = Reader::<Response>::open(&own).expect("it is a table of responses");
    let split = reader.split().expect("the footer can be read");
    assert_eq!(split.expect("as its queries say").part, "test");
    let rows: Vec<Response> = reader.map(|it| it.expect("a whole row")).collect();
    let ids: Vec<&str> = rows
        .iter()
        .step_by(2)
        .map(|it| it.query_id.as_str())
        .collect();
    assert_eq!(ids, ["q0", "q1", "q2", "q3", "q4", "q5"]);
    assert_eq!((rows[0].tokens, rows[0].log_prob), (Some(2), Some(-1.5)));
    assert_eq!((rows[1].tokens, rows[1].log_prob), (None, None));
}

#[test]
fn a_sampler_of_ones_own_asks_what_the_queries_say() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "swapped-asked");
    let hh_split = Provenance::new("hh-split", "1");
    let query = |id: &str, prompt: &str| Query {
        query_id: id.into(),
        subset: "s".into(),
        prompt: prompt.into(),
    };
    let first = [
        query(
            "q0",
            "\n\n\nHuman: a\n\nb \n\nAssistant: c\n\nHuman: d\n\nAssistant:",
        ),
        query("q1", "Before all.\n\nHuman: e\n\nAssistant:"),
    ];
    let second = [query("q2", "\n\nHuman: Human: f\n\nAssistant:")];
    write(&dir.join("q/a.parquet"), &hh_split.of_part("rm"), &first);
    write(&dir.join("q/b.parquet"), &hh_split.of_part("test"), &second);
    // It answers by what it is asked.
    let echo = |asked: &Value| {
        let content = asked["messages"].to_string();
        let choice = json!({"index": 0, "finish_reason": "stop", "message": {"content": content}});
        (200, json!({ "choices": [choice] }))
    };
    let address = serve(echo).expect("a port is free").to_string();
    let line = "--model m --queries q --samples 1 --out own.parquet";
    let Some(mut command) = sampler(&dir, &address, line) else {
        return;
    };
    let ran = finish(&mut command);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let reader = Reader::<Response>::open(&dir.join("own.parquet")).expect("it is a table");
    let split = reader.split().expect("the footer can be read");
    assert_eq!(split.expect("as its queries say").part, "test");
    let own = apo_tables::provenance(&dir.join("own.parquet")).expect("a footer");
    let input = Reader::<Query>::open(&dir.join("q")).and_then(|it| Reader::input(&it));
    let digest = own.expect("it says what made it").inputs["queries"]
        .digest
        .clone();
    assert_eq!(digest, input.expect("the queries can be read").digest);
    let user = |text: &str| json!({"role": "user", "content": text});
    let expected = [
        json!([user("a\n\nb"), {"role": "assistant", "content": "c"}, user("d")]),
        json!([user("Before all.\n\ne")]),
        json!([user("Human: f")]),
    ];
    for (response, expected) in reader.zip(expected) {
        let response = response.expect("a whole row").response;
        let asked: Value = serde_json::from_str(&response).expect("what it was asked");
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_sampler_of_ones_own_works_with_the_stages() {
    if std::env::var_os("APO_PYTHON").is_none() {
        eprintln!("skipped: APO_PYTHON names no Python with pyarrow, it is not here");
        return;
    }
    let dir = small_round(env!("CARGO_TARGET_TMPDIR"), "swapped");
    let address = serve(answer).expect("a port is free").to_string();
    // The very line of the Makefile's rule, with another program before it.
    let line = "--model policy --queries data/llm-queries.parquet --samples 3 --batch 64 \
                --out own.parquet --overwrite";
    let ran = finish(&mut sampler(&dir, &address, line).expect("there is a Python"));
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

    // Answers to the test part stay of the test part, whoever wrote them.
    let line = "--model policy --queries data/test-queries.parquet --samples 2 --out test.parquet";
    let ran = finish(&mut sampler(&dir, &address, line).expect("there is a Python"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    succeed(
        &dir,
        "judge score --model rm --responses test.parquet --out test-scored.parquet",
    );
    refuse(
        &dir,
        "align dpo --model policy --responses test-scored.parquet --out test-policy",
        3,
        &[
            "--responses (test-scored.parquet)",
            "test part",
            "--allow-test",
        ],
    );
}
