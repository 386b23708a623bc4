//! `gold-collect` against a server on this machine: what it asks, what it
//! writes, what it pays for, and how it ends.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

#[path = "../../apo-endpoint/tests/loopback/mod.rs"]
mod loopback;
mod stage;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use apo_golden::Prompts;
use apo_tables::Finish;
use loopback::{Answer, Call, Server};
use serde_json::json;
use stage::{
    TABLES, by_question, collect, command, fails, fresh_dir, golden, online, prompt, stderr,
    succeeds, write_tables,
};

const KEY: &str = "sk-0123456789abcdefghij";
const REFUSAL: &str = "I'm sorry, but I can't assist with that.";

/// Answers as the question says.
fn working_server() -> Server {
    Server::start(|call, _| {
        let messages = call.body["messages"].as_array().unwrap();
        match call.last() {
            "bare" | "bare, then nothing" => Answer::reply(REFUSAL),
            "why?" if messages[1]["content"] == "bare" => Answer::reply("Because it hurts."),
            "policy" => Answer::error(400, "content_policy_violation", "no"),
            "filter" => Answer::finished("Fir", "content_filter"),
            "why?" | "nothing" => Answer::error(503, "overloaded", "busy"),
            "too long" => Answer::error(400, "context_length_exceeded", "too long"),
            "cut" => Answer::finished("Half a", "length"),
            question => Answer::reply(&format!(" reply: {question}\n")),
        }
    })
}

const ALL: &[&str] = &[
    "plain",
    "bare",
    "bare, then nothing",
    "policy",
    "filter",
    "nothing",
    "too long",
    "cut",
];

#[test]
fn each_query_gets_its_golden_answer_and_origin() {
    let dir = fresh_dir("origins");
    write_tables(&dir, ALL);
    let server = working_server();

    let args = online(&server, "--json --quiet --price-in 30 --price-out 60");
    let out = collect(&dir, &args);

    let summary = succeeds(&out);
    let rows = golden(&dir, "golden.parquet");
    let questions: Vec<String> = rows
        .iter()
        .map(|row| apo_hh::turns(&row.prompt)[0].text.clone())
        .collect();
    assert_eq!(questions, ALL, "rows in the order of the queries");
    let found = by_question(&rows);
    for (question, response, origin) in [
        ("plain", "reply: plain", "reply"),
        (
            "bare",
            &*format!("{REFUSAL}\n\nBecause it hurts."),
            "reply_after_why",
        ),
        (
            "bare, then nothing",
            "better: bare, then nothing",
            "hh_chosen",
        ),
        ("nothing", "better: nothing", "hh_chosen"),
        ("too long", "better: too long", "hh_chosen"),
        ("cut", "Half a", "reply"),
    ] {
        assert_eq!(
            found[question],
            (response.to_owned(), origin.to_owned()),
            "{question}"
        );
    }
    for question in ["policy", "filter"] {
        let (response, origin) = &found[question];
        assert_eq!(origin, "refusal_text", "{question}");
        assert!(
            Prompts::default().refusals.contains(response),
            "{question}: {response}"
        );
    }
    for row in &rows {
        let is_cut = row.response == "Half a";
        assert_eq!(
            row.finish,
            if is_cut { Finish::Length } else { Finish::Stop }
        );
        assert_eq!((row.sample, row.tokens, row.reward), (0, None, None));
        assert_eq!(row.query_id, apo_hh::query_id(&row.prompt));
    }
    let origins = json!({
        "reply": 2, "reply_after_why": 1, "refusal_text": 2, "hh_chosen": 3, "file": 0,
    });
    assert_eq!(summary["origins"], origins);
    // Eight first requests and two re-asked; `nothing` and one re-ask three times.
    assert_eq!(server.calls().len(), 14);
    let asked = &summary["asked"];
    assert_eq!(
        (&asked["requests"], &asked["attempts"]),
        (&json!(10), &json!(14))
    );
    assert_eq!(asked["failed"], 3);
    // Six replies told their tokens, 10 and 5 each.
    assert_eq!(
        (&asked["prompt_tokens"], &asked["completion_tokens"]),
        (&json!(60), &json!(30))
    );
    assert_eq!(asked["without_usage"], 0);
    let cost = asked["cost"].as_f64().unwrap();
    assert!(
        (cost - (60.0 * 30.0 + 30.0 * 60.0) / 1e6).abs() < 1e-12,
        "{cost}"
    );
    assert!(stderr(&out).contains("warning: 3 of 8 golden answers are the better HH response"));
}

#[test]
fn a_rerun_asks_nothing_and_says_so() {
    let dir = fresh_dir("rerun");
    write_tables(&dir, &["a", "b"]);
    let server = working_server();
    succeeds(&collect(&dir, &online(&server, "")));
    let before = fs::read(dir.join("golden.parquet")).unwrap();

    let out = collect(&dir, &online(&server, ""));

    succeeds(&out);
    assert_eq!(
        String::from_utf8_lossy(&out.stdout),
        "golden.parquet is up to date\n"
    );
    assert_eq!(fs::read(dir.join("golden.parquet")).unwrap(), before);

    // Nor does it once the output is gone: the journal has all replies.
    fs::remove_file(dir.join("golden.parquet")).unwrap();
    let summary = succeeds(&collect(&dir, &online(&server, "--json")));
    assert_eq!(summary["asked"]["requests"], 0);
    assert_eq!(summary["tokens"]["prompt_tokens"], 20);
    assert_eq!(fs::read(dir.join("golden.parquet")).unwrap(), before);
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn a_failed_request_is_asked_again_once_the_output_is_removed() {
    let dir = fresh_dir("again");
    write_tables(&dir, &["a", "b"]);
    let is_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_up);
    let server = Server::start(move |call, _| match call.last() {
        "b" if !seen.load(Ordering::Relaxed) => Answer::error(500, "broken", "oops"),
        question => Answer::reply(question),
    });
    succeeds(&collect(&dir, &online(&server, "")));
    assert_eq!(
        by_question(&golden(&dir, "golden.parquet"))["b"].1,
        "hh_chosen"
    );
    is_up.store(true, Ordering::Relaxed);
    fs::remove_file(dir.join("golden.parquet")).unwrap();

    succeeds(&collect(&dir, &online(&server, "")));

    assert_eq!(by_question(&golden(&dir, "golden.parquet"))["b"].1, "reply");
    let asked = server.calls();
    assert_eq!(asked.iter().filter(|call| call.last() == "a").count(), 1);
}

#[test]
fn a_replay_gives_the_same_rows_without_a_server() {
    let dir = fresh_dir("replay");
    write_tables(&dir, ALL);
    let server = working_server();
    succeeds(&collect(&dir, &online(&server, "--requests 4")));
    let n_calls = server.calls().len();
    let journal = fs::read(dir.join("golden.parquet.journal.jsonl")).unwrap();

    let replay = format!("{TABLES} --from-journal golden.parquet.journal.jsonl --model m");
    for out in ["again.parquet", "once-more.parquet"] {
        succeeds(&collect(&dir, &format!("{replay} --out {out}")));
    }

    assert_eq!(
        golden(&dir, "again.parquet"),
        golden(&dir, "golden.parquet")
    );
    let bytes = |name: &str| fs::read(dir.join(name)).unwrap();
    assert_eq!(bytes("again.parquet"), bytes("once-more.parquet"));
    assert_eq!(
        bytes("golden.parquet.journal.jsonl"),
        journal,
        "a replay changes nothing"
    );
    assert_eq!(server.calls().len(), n_calls);

    // Other requests are not in it.
    let other = replay.replace("--model m", "--model n --out other.parquet");
    fails(&collect(&dir, &other), 3, "no entry for 8 of 8 queries");
    assert!(!dir.join("other.parquet").exists());
}

#[test]
fn requests_are_made_at_once_and_change_nothing_in_the_rows() {
    let dir = fresh_dir("at-once");
    let names: Vec<String> = (0..24).map(|i| format!("question {i}")).collect();
    write_tables(&dir, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |call, _| {
        seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(30));
        counted.fetch_sub(1, Ordering::SeqCst);
        Answer::reply(&call.last().to_uppercase())
    });
    succeeds(&collect(&dir, &online(&server, "--requests 6")));
    let many = most.swap(0, Ordering::SeqCst);
    // The server counts one as gone a little before the client begins the next.
    assert!((2..=6).contains(&many), "{many} at once");

    let alone = online(&server, "--requests 1 --journal one.jsonl").replace("golden", "one");
    succeeds(&collect(&dir, &alone));

    assert_eq!(most.load(Ordering::SeqCst), 1);
    let bytes = |name: &str| fs::read(dir.join(name)).unwrap();
    assert_eq!(bytes("golden.parquet"), bytes("one.parquet"));
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept() {
    let dir = fresh_dir("pause");
    write_tables(&dir, &["a"]);
    let server = Server::start(|_, before| match before {
        0 => Answer::error(429, "rate_limit_exceeded", "slow").with("Retry-After", "1"),
        _ => Answer::reply("A"),
    });

    succeeds(&collect(&dir, &online(&server, "")));

    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    let waited = calls[1].at - calls[0].at;
    assert!(
        waited >= Duration::from_secs(1),
        "asked again after {waited:?}"
    );
    assert_eq!(by_question(&golden(&dir, "golden.parquet"))["a"].1, "reply");
}

#[test]
fn a_server_that_hangs_does_not_hang_the_stage() {
    let dir = fresh_dir("hang");
    write_tables(&dir, &["a", "b"]);
    let server = Server::start(|call, _| match call.last() {
        "a" => Answer::Silence(Duration::from_mins(1)),
        _ => Answer::reply("B"),
    });

    let args = online(&server, "--timeout 2").replace("--attempts 3", "--attempts 1");
    succeeds(&collect(&dir, &args));

    let found = by_question(&golden(&dir, "golden.parquet"));
    assert_eq!((&*found["a"].1, &*found["b"].1), ("hh_chosen", "reply"));
}

/// Waits until something is so.
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

/// A server that answers ten calls and then nothing, until it is told to.
fn stalling() -> (Server, Arc<AtomicBool>) {
    let is_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_up);
    let server = Server::start(move |call, before| {
        if before >= 10 && !seen.load(Ordering::Relaxed) {
            return Answer::Silence(Duration::from_mins(1));
        }
        Answer::reply(&call.last().to_uppercase())
    });
    (server, is_up)
}

fn spawn(dir: &Path, args: &str) -> Child {
    let mut command = command(dir, args);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("cargo has built the binary")
}

#[test]
fn a_killed_run_pays_for_nothing_twice() {
    let dir = fresh_dir("killed");
    let names: Vec<String> = (0..30).map(|i| format!("question {i}")).collect();
    write_tables(&dir, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let (server, is_up) = stalling();
    let args = online(&server, "--requests 2");
    let mut child = spawn(&dir, &args);
    // Both workers hang, so that all ten replies have been kept.
    wait_for("twelve calls", || server.calls().len() >= 12);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!dir.join("golden.parquet").exists());
    is_up.store(true, Ordering::Relaxed);

    succeeds(&collect(&dir, &args));

    let rows = golden(&dir, "golden.parquet");
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| row.origin == "reply"));
    let calls = server.calls();
    let paid: Vec<&str> = calls[..10]
        .iter()
        .chain(&calls[12..])
        .map(Call::last)
        .collect();
    assert_eq!(paid.len(), 30);
    assert_eq!(
        paid.iter().collect::<HashSet<_>>().len(),
        30,
        "paid twice: {paid:?}"
    );
    assert!(!dir.join("golden.parquet.partial").exists());
}

#[test]
fn a_run_stopped_by_a_signal_continues_where_it_was() {
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let dir = fresh_dir(&format!("stopped-{signal}"));
        let names: Vec<String> = (0..20).map(|i| format!("question {i}")).collect();
        write_tables(&dir, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let server = Server::start(|_, before| match before {
            0..10 => Answer::reply("early"),
            _ => Answer::error(503, "overloaded", "busy").with("Retry-After", "30"),
        });
        let args = online(&server, "--requests 2");
        let mut child = spawn(&dir, &args);
        wait_for("eleven calls", || server.calls().len() >= 11);
        let pid = child.id().to_string();
        Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .unwrap();

        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert!(!dir.join("golden.parquet").exists(), "left an output");

        let server = Server::start(|_, _| Answer::reply("late"));
        let args = online(&server, "--requests 2");
        succeeds(&collect(&dir, &args));
        assert_eq!(golden(&dir, "golden.parquet").len(), 20);
        assert_eq!(server.calls().len(), 10, "{signal}");
    }
}

#[test]
fn a_signal_ends_the_waiting_for_a_silent_server() {
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let dir = fresh_dir(&format!("silent-{signal}"));
        let names: Vec<String> = (0..20).map(|i| format!("question {i}")).collect();
        write_tables(&dir, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let (server, is_up) = stalling();
        let args = online(&server, "--requests 2");
        let mut child = spawn(&dir, &args);
        wait_for("twelve calls", || server.calls().len() >= 12);
        let pid = child.id().to_string();
        let since = Instant::now();
        Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        let waited = since.elapsed();
        assert!(waited < Duration::from_secs(3), "{signal}: {waited:?}");
        assert!(!dir.join("golden.parquet").exists(), "left an output");
        assert!(
            !dir.join("golden.parquet.partial").exists(),
            "left a folder"
        );

        is_up.store(true, Ordering::Relaxed);
        let summary = succeeds(&collect(&dir, &format!("{args} --json")));
        assert_eq!(summary["asked"]["requests"], 10, "{signal}");
        assert_eq!(golden(&dir, "golden.parquet").len(), 20);
    }
}

#[test]
fn two_processes_do_not_write_one_output() {
    let dir = fresh_dir("two");
    let names: Vec<String> = (0..12).map(|i| format!("question {i}")).collect();
    write_tables(&dir, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let (server, _) = stalling();
    let args = online(&server, "--requests 2");
    let mut child = spawn(&dir, &args);
    wait_for("twelve calls", || server.calls().len() >= 12);

    let same = collect(&dir, &args);
    let journal = "--journal golden.parquet.journal.jsonl";
    let other = online(&server, journal).replace("--out golden", "--out other");
    let other = collect(&dir, &other);

    child.kill().unwrap();
    child.wait().unwrap();
    fails(&same, 1, "another process");
    fails(&other, 1, "another process writes into the journal");
    assert_eq!(server.calls().len(), 12);
}

/// Returns the content of every file in a folder, by name.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn an_account_without_quota_is_not_told_to_set_a_key() {
    for (status, code) in [
        (401, "insufficient_quota"),
        (402, "payment_required"),
        (403, "insufficient_quota"),
        (429, "insufficient_quota"),
        (403, "insufficient_balance"),
    ] {
        let dir = fresh_dir(&format!("quota-{status}-{code}"));
        write_tables(&dir, &["a"]);
        let server = Server::start(move |_, _| Answer::error(status, code, "pay first"));
        let out = collect(&dir, &online(&server, ""));
        fails(
            &out,
            1,
            "pay first; the account has no quota or balance left",
        );
        assert!(!stderr(&out).contains("OPENAI_API_KEY"), "{}", stderr(&out));
        assert_eq!(server.calls().len(), 1, "{status} {code}: asked once");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of answers")]
fn the_key_is_sent_and_shown_nowhere() {
    for (case, answer, status) in [
        ("reply", Answer::reply(&format!("I know {KEY}.")), 0),
        (
            "rejected",
            Answer::error(401, "invalid_api_key", &format!("Bad key: {KEY}")),
            1,
        ),
        (
            "unknown",
            Answer::error(404, "not_found", &format!("No {KEY} here")),
            1,
        ),
        ("busy", Answer::error(503, "overloaded", KEY), 1),
        ("policy", Answer::error(400, "content_filter", KEY), 0),
        (
            "garbage",
            Answer::Http(200, Vec::new(), KEY.as_bytes().to_vec()),
            1,
        ),
        (
            "moved",
            Answer::error(308, "", "").with("Location", &format!("http://{KEY}.invalid")),
            1,
        ),
        (
            "moved, a password",
            Answer::error(302, "", "")
                .with("Location", &format!("http://u:{KEY}@a.invalid/x?k={KEY}")),
            1,
        ),
        ("forbidden", Answer::error(403, "forbidden", KEY), 1),
        (
            "flagged",
            Answer::json(
                403,
                &json!({"error": {"message": KEY, "metadata": {"reasons": [KEY]}}}),
            ),
            0,
        ),
        (
            "escaped",
            Answer::Http(
                404,
                Vec::new(),
                format!("{{\"error\":\"no \\u0073{}\"}}", &KEY[1..]).into_bytes(),
            ),
            1,
        ),
        (
            "too long",
            Answer::error(400, "context_length_exceeded", KEY),
            1,
        ),
        (
            "unreadable",
            Answer::Http(
                200,
                Vec::new(),
                [
                    br#"{"choices":[{"message":{"content":""#.as_slice(),
                    KEY.as_bytes(),
                    b" caf\xe9\"}}]}",
                ]
                .concat(),
            ),
            1,
        ),
        (
            "compressed by what is not known",
            Answer::Http(
                200,
                vec![("Content-Encoding", KEY.to_owned())],
                vec![0xff, 0],
            ),
            1,
        ),
    ] {
        let dir = fresh_dir(&format!("key-{case}"));
        write_tables(&dir, &["a"]);
        let server = Server::start(move |_, _| answer.clone());

        let mut command = command(&dir, &online(&server, "--json"));
        let out = command
            .env("OPENAI_API_KEY", format!("{KEY}\n"))
            .output()
            .unwrap();

        assert_eq!(out.status.code(), Some(status), "{case}: {}", stderr(&out));
        let call = &server.calls()[0];
        assert_eq!(
            call.header("authorization"),
            Some(&*format!("Bearer {KEY}")),
            "{case}"
        );
        assert!(
            !call.path.contains(KEY) && !call.body.to_string().contains(KEY),
            "{case}"
        );
        let mut shown = files(&dir);
        shown.push(("stdout".into(), out.stdout));
        shown.push(("stderr".into(), out.stderr));
        for (name, bytes) in shown {
            let found = bytes
                .windows(12)
                .any(|window| window == &KEY.as_bytes()[..12]);
            assert!(!found, "{case}: the key is in {name}");
        }
        // In Parquet the text is compressed: look at the rows, too.
        if status == 0 {
            assert!(
                !golden(&dir, "golden.parquet")[0].response.contains(KEY),
                "{case}"
            );
        }
    }
}

#[test]
fn only_what_the_answers_lack_is_asked_for() {
    let dir = fresh_dir("answers");
    write_tables(&dir, &["a", "b", "c"]);
    let server = working_server();
    let lines = [
        json!({"prompt": prompt("b"), "response": " from people \n", "model": "people"}),
        json!({"prompt": prompt("b"), "response": "a second one"}),
        json!({"prompt": prompt("unknown"), "response": "to nobody"}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    fs::write(dir.join("answers.jsonl"), lines).unwrap();

    let args = online(&server, "--answers answers.jsonl --json");
    let summary = succeeds(&collect(&dir, &args));

    let found = by_question(&golden(&dir, "golden.parquet"));
    assert_eq!(found["b"], ("from people".into(), "file".into()));
    assert_eq!((&*found["a"].1, &*found["c"].1), ("reply", "reply"));
    let mut asked: Vec<String> = server
        .calls()
        .iter()
        .map(|call| call.last().to_owned())
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, ["a", "c"]);
    assert_eq!(
        (&summary["further_answers"], &summary["unknown_answers"]),
        (&json!(1), &json!(1))
    );

    // A golden table is a file of answers, too; and without an endpoint the
    // better HH response is used, or nothing.
    let dir_args = "--queries queries.parquet --answers golden.parquet";
    succeeds(&collect(&dir, &format!("{dir_args} --out copy.parquet")));
    let copy = by_question(&golden(&dir, "copy.parquet"));
    assert!(copy.iter().all(|(question, (response, origin))| {
        *response == found[question].0 && origin == "file"
    }));
    let people = "--queries queries.parquet --answers answers.jsonl";
    let better = format!("{people} --pairs pairs.parquet --hh-best --out better.parquet");
    succeeds(&collect(&dir, &better));
    let better = by_question(&golden(&dir, "better.parquet"));
    assert_eq!(better["a"], ("better: a".into(), "hh_chosen".into()));
    assert_eq!(better["b"].1, "file");
    let alone = collect(&dir, &format!("{people} --out alone.parquet"));
    succeeds(&alone);
    assert_eq!(golden(&dir, "alone.parquet").len(), 1);
    assert!(stderr(&alone).contains("2 queries have no golden answer and no row"));
}

#[test]
fn the_texts_may_come_from_files() {
    let dir = fresh_dir("texts");
    write_tables(&dir, &["policy", "plain"]);
    let server = working_server();
    fs::write(dir.join("system.txt"), "Be kind.\n").unwrap();
    fs::write(dir.join("refusals.txt"), "We would rather not.\n").unwrap();

    let texts = "--system system.txt --refusals refusals.txt --temperature 0.5 --max-tokens 9";
    succeeds(&collect(&dir, &online(&server, texts)));

    let found = by_question(&golden(&dir, "golden.parquet"));
    assert_eq!(found["policy"].0, "We would rather not.");
    for call in server.calls() {
        assert_eq!(
            call.body["messages"][0],
            json!({"role": "system", "content": "Be kind."})
        );
        assert_eq!(
            (&call.body["temperature"], &call.body["max_tokens"]),
            (&json!(0.5), &json!(9))
        );
    }
}

#[test]
fn another_model_is_another_output() {
    let dir = fresh_dir("conflict");
    write_tables(&dir, &["a"]);
    let server = working_server();
    succeeds(&collect(&dir, &online(&server, "")));
    let other = online(&server, "").replace("--model m", "--model n");

    fails(&collect(&dir, &other), 4, "`model` was \"m\", is now \"n\"");
    assert_eq!(server.calls().len(), 1);

    succeeds(&collect(&dir, &format!("{other} --overwrite")));
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn an_endpoint_that_takes_nothing_leaves_no_output() {
    for (case, answer, expected) in [
        (
            "key",
            Answer::error(401, "invalid_api_key", "no"),
            "set OPENAI_API_KEY",
        ),
        (
            "model",
            Answer::error(404, "model_not_found", "no model `m`"),
            "rejects such requests: HTTP 404: no model `m`; check --base-url",
        ),
        (
            "address",
            Answer::Http(404, Vec::new(), Vec::new()),
            "rejects such requests: HTTP 404; check --base-url and the model's name",
        ),
        (
            "pause",
            Answer::error(429, "rate_limit_exceeded", "no").with("Retry-After", "7200"),
            "a pause of 7200 s",
        ),
        (
            "down",
            Answer::error(500, "broken", "oops"),
            "2 requests in a row got no reply",
        ),
    ] {
        let dir = fresh_dir(&format!("takes-nothing-{case}"));
        write_tables(&dir, &["a", "b", "c", "d"]);
        let server = Server::start(move |_, _| answer.clone());
        let out = collect(&dir, &online(&server, "--requests 1 --max-failures 2"));
        fails(&out, 1, expected);
        assert!(
            stderr(&out).contains("replies so far are in the journal"),
            "{case}"
        );
        assert!(
            !dir.join("golden.parquet").exists(),
            "{case}: left an output"
        );
        assert!(
            !dir.join("golden.parquet.partial").exists(),
            "{case}: left a folder"
        );
    }
}

#[test]
fn no_reply_at_all_is_a_failure_that_names_the_last_one() {
    let dir = fresh_dir("no-reply");
    write_tables(&dir, &["a", "b"]);
    let server = Server::start(|_, _| Answer::error(500, "broken", "oops"));
    let out = collect(&dir, &online(&server, "--max-failures 9"));
    fails(&out, 1, "none of 2 queries got a reply; the last failure: ");
    assert!(stderr(&out).contains("oops"), "{}", stderr(&out));
    assert!(!dir.join("golden.parquet").exists(), "left an output");
}

#[test]
fn queries_without_pairs_are_answered_where_a_reply_comes() {
    let dir = fresh_dir("alone");
    write_tables(&dir, ALL);
    let server = working_server();
    let alone = |rest: &str| online(&server, rest).replace(" --pairs pairs.parquet", "");
    let out = collect(&dir, &alone("--json"));
    let summary = succeeds(&out);
    assert_eq!(summary["left_out"], 3, "{summary}");
    let expected = "3 queries have no golden answer and no row";
    assert!(stderr(&out).contains(expected), "{}", stderr(&out));
    let rows = golden(&dir, "golden.parquet");
    let found = by_question(&rows);
    for question in ["nothing", "too long", "bare, then nothing"] {
        assert!(!found.contains_key(question), "{question}");
    }
    assert_eq!(found.len(), ALL.len() - 3);

    let dir = fresh_dir("alone-nothing");
    write_tables(&dir, &["nothing"]);
    let out = collect(&dir, &alone(""));
    fails(&out, 1, "none of 1 queries got a reply");
}
