//! `judge compare` with endpoints that refuse, limit, cut off, stall, or send something
//! else: nothing is guessed, paid twice, or lost.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use apo_provenance::Provenance;
use apo_tables::{Reader, Response, VerdictRow};
use apo_tests::stages::{Ran, answer, command, finish, folder, write};
use mini_world::loopback::serve;
use serde_json::{Value, json};

const KEY: &str = "sk-not-to-be-seen";

/// Makes a folder with two policies' answers to `n` queries.
fn answers(test: &str, n: usize) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test);
    for name in ["a", "b"] {
        let path = dir.join(format!("{name}.parquet"));
        let row = |i| {
            let prompt = format!("\n\nHuman: Question {i}?\n\nAssistant:");
            answer(i, prompt, format!("Answer {name}."))
        };
        let rows: Vec<Response> = (0..n).map(row).collect();
        write(&path, &Provenance::new("test", "0"), &rows);
    }
    dir
}

/// Runs `judge compare` at an address, with short timeouts.
fn compare(dir: &Path, address: SocketAddr, more: &str) -> Ran {
    let line = format!(
        "judge compare --a a.parquet --b b.parquet --base-url http://{address}/v1 --model m \
         --requests 1 --timeout 1 --first-pause 0.01 --draws 100 --json --out verdicts.parquet {more}"
    );
    let ran = finish(
        command(dir, &line)
            .env("OPENAI_API_KEY", KEY)
            .env("no_proxy", "127.0.0.1"),
    );
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(!(ran.stdout.clone() + &ran.stderr).contains(KEY));
    for file in fs::read_dir(dir).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(KEY.len()).any(|it| it == KEY.as_bytes()));
    }
    ran
}

fn reply(content: &str) -> (u16, Value) {
    let message = json!({ "role": "assistant", "content": content });
    (
        200,
        json!({ "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }] }),
    )
}

/// Starts a server that reads a request and then does something with the connection.
fn raw(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                let _ = stream.read(&mut buffer);
                answer(&mut stream);
            });
        }
    });
    address
}

#[test]
fn what_failed_is_counted_kept_as_no_answer_and_asked_again_alone() {
    let dir = answers("endpoints-failed", 4);
    let asked = Arc::new(AtomicUsize::new(0));
    let ill = Arc::new(AtomicUsize::new(1));
    let (count, state) = (Arc::clone(&asked), Arc::clone(&ill));
    let address = serve(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        let text = request["messages"][0]["content"]
            .as_str()
            .unwrap_or_default();
        if state.load(Ordering::Relaxed) == 1 && text.contains("Question 2") {
            return (500, json!({ "error": { "message": "out of order" } }));
        }
        reply("[[model_A]] is better")
    })
    .unwrap();
    let ran = compare(&dir, address, "--attempts 2");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["judged"], &found["failed"]), (&json!(3), &json!(1)));
    let cause = "2 requests failed, 2 of them with: HTTP 500: out of order";
    assert!(ran.stderr.contains(cause), "{}", ran.stderr);
    assert_eq!(found["judges"][0]["wins"], 3);
    let rows = Reader::<VerdictRow>::open(&dir.join("verdicts.parquet")).unwrap();
    assert!(
        rows.map(Result::unwrap)
            .all(|it| it.query_id != "0000000000000002")
    );
    // Well again: what is missing is asked for, and nothing else.
    ill.store(0, Ordering::Relaxed);
    let before = asked.load(Ordering::Relaxed);
    fs::remove_file(dir.join("verdicts.parquet")).unwrap();
    let ran = compare(&dir, address, "");
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["judged"], &found["failed"]), (&json!(4), &json!(0)));
    assert_eq!(
        asked.load(Ordering::Relaxed) - before,
        2,
        "two orders of one query"
    );
}

#[test]
fn a_limit_is_waited_for_and_a_refusal_ends_the_work() {
    let dir = answers("endpoints-limited", 2);
    let asked = AtomicUsize::new(0);
    let address = serve(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0..3 => (429, json!({ "error": { "message": "slow down" } })),
        _ => reply("equally good"),
    })
    .unwrap();
    let ran = compare(&dir, address, "");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["judges"][0]["ties"], 2);
    let dir = answers("endpoints-refused", 2);
    let wrong = json!({ "error": { "message": format!("no such key: {KEY}") } });
    let address = serve(move |_| (401, wrong.clone())).unwrap();
    let ran = compare(&dir, address, "");
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("401"), "{}", ran.stderr);
    assert!(!dir.join("verdicts.parquet").exists());
}

#[test]
fn garbage_floods_cuts_and_silence_are_failures_with_a_name() {
    let no_completion = |_: &Value| (200, json!({ "choices": "none" }));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let cases: [(&str, SocketAddr); 5] = [
        ("nonsense", serve(no_completion).unwrap()),
        (
            "binary",
            raw(move |stream| {
                let _ = stream.write_all(format!("{head}Content-Length: 4\r\n\r\n").as_bytes());
                let _ = stream.write_all(&[0xff, 0xfe, 0, 1]);
            }),
        ),
        (
            "flood",
            raw(move |stream| {
                let length = 10 << 20;
                let head = format!("{head}Content-Length: {length}\r\n\r\n{{\"choices\":\"");
                let _ = stream.write_all(head.as_bytes());
                for _ in 0..160 {
                    if stream.write_all(&vec![b'x'; 1 << 16]).is_err() {
                        return;
                    }
                }
            }),
        ),
        (
            "cut",
            raw(move |stream| {
                let head = format!("{head}Content-Length: 500\r\n\r\n{{\"choices\": [{{\"mess");
                let _ = stream.write_all(head.as_bytes());
            }),
        ),
        (
            "silent",
            raw(|_| thread::sleep(std::time::Duration::from_secs(5))),
        ),
    ];
    for (name, address) in cases {
        let dir = answers(&format!("endpoints-{name}"), 1);
        let ran = compare(&dir, address, "--attempts 1");
        assert_eq!(ran.status, Some(1), "{name}: {}", ran.stderr);
        let expected = "nothing was judged; the last failure";
        assert!(ran.stderr.contains(expected), "{name}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{name}: {}", ran.stdout);
        assert!(!dir.join("verdicts.parquet").exists(), "{name}");
    }
}

#[test]
fn a_weak_judge_is_warned_of_with_a_count_and_an_example() {
    let dir = answers("endpoints-weak", 4);
    let address = serve(|request| {
        let text = request["messages"][0]["content"]
            .as_str()
            .unwrap_or_default();
        if text.contains("Question 2") {
            return reply("<think>\nA is fine.\n</think>\n\nFinal answer: [[model_A]] is better");
        }
        reply("Both have merits.\nI like the \u{1b}[31mfirst.")
    })
    .unwrap();
    let ran = compare(&dir, address, "");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&found["judges"][0]["wins"], &found["judges"][0]["invalid"]),
        (&json!(1), &json!(3))
    );
    for expected in [
        "warning: 6 of 8 replies hold no verdict",
        "the last line for query 0000000000000000 is `I like the [31mfirst.`",
        "expected one like `[[model_A]] is better`",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
}

#[test]
fn without_a_single_verdict_there_is_no_table() {
    let nothing = json!({ "choices": [{ "message": { "content": "<think>Hm" },
        "finish_reason": "length" }] });
    let flagged = json!({ "error": { "message": "x", "metadata": { "reasons": ["violence"] } } });
    for (name, status, body, expected) in [
        ("words", 200, reply("I like both.").1, "is `I like both.`"),
        (
            "thoughts",
            200,
            nothing,
            "4 of them are empty, 4 of those cut by the token limit",
        ),
        (
            "policy",
            403,
            flagged,
            "refused by the content policy (reasons: ",
        ),
    ] {
        let dir = answers(&format!("endpoints-no-verdict-{name}"), 2);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let address = serve(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            (status, body.clone())
        })
        .unwrap();
        for _ in 0..2 {
            let ran = compare(&dir, address, "");
            assert_eq!(ran.status, Some(1), "{name}: {}", ran.stderr);
            for expected in [
                "4 of 4 replies hold no verdict",
                expected,
                "no table is written",
            ] {
                assert!(ran.stderr.contains(expected), "{name}: {}", ran.stderr);
            }
            assert!(ran.stdout.is_empty(), "{name}: {}", ran.stdout);
            assert!(!dir.join("verdicts.parquet").exists(), "{name}");
            assert!(!dir.join("verdicts.parquet.partial").exists(), "{name}");
        }
        // Each order, asked once more; and the rerun asks nothing.
        assert_eq!(asked.load(Ordering::Relaxed), 8, "{name}");
    }
}
