//! What becomes of replies without an answer: refusals by policy, thoughts, nothing,
//! bytes that are not text, prompts that are too long, a damaged journal.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

#[path = "../../apo-endpoint/tests/loopback/mod.rs"]
mod loopback;
mod stage;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apo_golden::Prompts;
use apo_tables::Finish;
use loopback::{Answer, Server};
use serde_json::{Value, json};
use stage::{
    TABLES, by_question, collect, fails, fresh_dir, golden, online, stderr, succeeds, write_tables,
};

const JOURNAL: &str = "golden.parquet.journal.jsonl";

fn completion(message: &Value, finish: &str) -> Answer {
    let choice = json!({"index": 0, "message": message, "finish_reason": finish});
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
    Answer::json(200, &json!({"choices": [choice], "usage": usage}))
}

#[test]
fn a_policy_refusal_in_any_form_is_its_own_querys_alone() {
    let dir = fresh_dir("policy");
    let forms = [
        "reasons",
        "inspection",
        "safety",
        "prohibited",
        "blocked",
        "field",
        "legal",
        "zhipu",
        "guardrail",
        "sentence",
        "choices",
        "moderation",
        "hidden",
    ];
    let mut questions = forms.to_vec();
    questions.extend(["plain", "plain too"]);
    write_tables(&dir, &questions);
    let server = Server::start(|call, _| match call.last() {
        "reasons" => Answer::json(
            403,
            &json!({"error": {"code": 403, "message": "flagged",
                              "metadata": {"reasons": ["violence"]}}}),
        ),
        "inspection" => Answer::error(400, "data_inspection_failed", "no"),
        "safety" => completion(&json!({"content": null}), "SAFETY"),
        "prohibited" => completion(
            &json!({"content": ""}),
            "content_filter: PROHIBITED_CONTENT",
        ),
        "blocked" => Answer::json(200, &json!({"promptFeedback": {"blockReason": "SAFETY"}})),
        "field" => completion(&json!({"content": null, "refusal": "No."}), "stop"),
        "legal" => Answer::error(451, "censorship_blocked", "no"),
        "zhipu" => Answer::error(400, "1301", "no"),
        "guardrail" => completion(&json!({"content": "Fir"}), "guardrail_intervened"),
        "sentence" => Answer::error(400, "invalid_request_error", "Content Exists Risk"),
        "choices" => Answer::json(200, &json!({"choices": []})),
        "moderation" => Answer::error(403, "moderation", "flagged by our moderation system"),
        "hidden" => Answer::json(
            200,
            &json!({"error": {"code": 403, "message": "Input flagged by moderation"}}),
        ),
        question => Answer::reply(question),
    });
    let args = online(&server, "--json --requests 1 --max-failures 1");

    let out = collect(&dir, &args);

    let summary = succeeds(&out);
    assert_eq!(summary["origins"]["refusal_text"], forms.len());
    assert_eq!(summary["origins"]["reply"], 2);
    assert_eq!(server.calls().len(), questions.len(), "each is asked once");
    let found = by_question(&golden(&dir, "golden.parquet"));
    for form in forms {
        let (response, origin) = &found[form];
        assert_eq!(origin, "refusal_text", "{form}");
        assert!(Prompts::default().refusals.contains(response), "{form}");
    }
    assert!(
        stderr(&out).contains("13 of 15 golden answers are refusal texts"),
        "{}",
        stderr(&out)
    );
}

#[test]
fn a_reply_is_used_as_its_finish_reason_says() {
    let dir = fresh_dir("endings");
    let whole = ["stop", "eos_token", "end_turn", "COMPLETE", "STOP"];
    let cut = ["length", "MAX_TOKENS", "model_context_window_exceeded"];
    let policy = ["SAFETY", "refusal", "content_filter"];
    let failed = [
        "error",
        "abort",
        "insufficient_system_resource",
        "OTHER",
        "timeout",
    ];
    let tools = ["tool_calls", "pause_turn"];
    let unsure = ["null", "bananas"];
    let all = [&whole[..], &cut, &policy, &failed, &tools, &unsure].concat();
    write_tables(&dir, &all);
    let server = Server::start(|call, _| match call.last() {
        "null" => Answer::json(
            200,
            &json!({"choices": [{"message": {"content": "Warm water."}, "finish_reason": null}]}),
        ),
        reason => completion(&json!({"content": "Warm water."}), reason),
    });
    let out = collect(&dir, &online(&server, "--json --requests 1"));
    let summary = succeeds(&out);
    let rows = golden(&dir, "golden.parquet");
    let found = by_question(&rows);
    for (reasons, origin) in [
        (&whole[..], "reply"),
        (&cut, "reply"),
        (&unsure, "reply"),
        (&policy, "refusal_text"),
        (&failed, "hh_chosen"),
        (&tools, "hh_chosen"),
    ] {
        for reason in reasons {
            assert_eq!(found[*reason].1, origin, "{reason}");
        }
    }
    let n_cut = rows.iter().filter(|row| row.finish == Finish::Length);
    assert_eq!(n_cut.count(), cut.len());
    // A failure is tried three times, the call of a tool once.
    let asked = |reason: &str| {
        server
            .calls()
            .iter()
            .filter(|it| it.last() == reason)
            .count()
    };
    assert_eq!(
        (asked("error"), asked("tool_calls"), asked("stop")),
        (3, 1, 1)
    );
    assert_eq!(summary["lacks"]["failed"], failed.len() + tools.len());
    assert_eq!(
        summary["doubts"],
        json!({"unsaid": 1, "unknown": 1, "thought": 0})
    );
    let warnings = stderr(&out);
    for expected in [
        "7 requests failed",
        "1 replies do not say why they ended (no finish_reason)",
        "1 replies ended for an unknown reason, 1 of them with finish_reason `bananas`",
    ] {
        assert!(
            warnings.contains(expected),
            "expected `{expected}` in {warnings}"
        );
    }
    // Failures are asked for again, all else is not.
    fs::remove_file(dir.join("golden.parquet")).unwrap();
    let summary = succeeds(&collect(&dir, &online(&server, "--json --requests 1")));
    assert_eq!(summary["asked"]["requests"], failed.len() + tools.len());
}

#[test]
fn thoughts_in_files_are_not_golden_answers_either() {
    let dir = fresh_dir("thoughts-in-files");
    write_tables(
        &dir,
        &["block", "end", "messages", "alone", "quoted", "listed"],
    );
    let record = |question: &str, response: &str| json!({"prompt": question, "response": response});
    let lines = [
        record("block", "<think>\nLet me see.\n</think>\n\nWarm water."),
        record("end", "Let me see.\n</think>\n\nWarm water."),
        json!({"messages": [{"role": "user", "content": "messages"},
            {"role": "assistant", "content": "<think>Hm.</think>Warm water."}]}),
        record("alone", "<think>Let me see"),
        record("quoted", "Between `<think>` and `</think>`."),
        record("listed", "Tags:\n1. <think>\n2. </think>\n"),
    ];
    let lines = lines.map(|it| it.to_string() + "\n").concat();
    fs::write(dir.join("answers.jsonl"), lines).unwrap();
    let args = format!("{TABLES} --answers answers.jsonl --hh-best --out golden.parquet");
    let out = collect(&dir, &args);
    succeeds(&out);
    let found = by_question(&golden(&dir, "golden.parquet"));
    for question in ["block", "end", "messages"] {
        let expected = ("Warm water.".to_owned(), "file".to_owned());
        assert_eq!(found[question], expected, "{question}");
    }
    assert_eq!(found["quoted"].0, "Between `<think>` and `</think>`.");
    assert_eq!(found["listed"].0, "Tags:\n1. <think>\n2. </think>");
    assert_eq!(found["alone"].1, "hh_chosen");
    // What was taken off is counted, and so is what was kept.
    let table = String::from_utf8(out.stdout.clone()).unwrap();
    for (name, n) in [("thoughts removed", "3"), ("thought tags kept", "1")] {
        let mut rows = table.lines().map(str::trim);
        let row = rows.find(|row| row.starts_with(name)).expect(name);
        assert_eq!(row[name.len()..].trim(), n, "{table}");
    }
    let expected = "1 answer is left out; answers.jsonl, line 4: the answer is only a thought";
    assert!(stderr(&out).contains(expected), "{}", stderr(&out));
}

#[test]
fn a_key_that_is_refused_stops_the_run_at_once() {
    for (case, answer) in [
        ("401", Answer::error(401, "invalid_api_key", "no such key")),
        ("403", Answer::error(403, "forbidden", "Key limit exceeded")),
        (
            "403 without reasons",
            Answer::json(
                403,
                &json!({"error": {"message": "x", "metadata": {"reasons": []}}}),
            ),
        ),
        (
            "an account",
            Answer::error(403, "forbidden", "Your account was flagged for abuse"),
        ),
    ] {
        let dir = fresh_dir("refused");
        write_tables(&dir, &["a", "b", "c"]);
        let server = Server::start(move |_, _| answer.clone());
        let out = collect(&dir, &online(&server, "--requests 1"));
        fails(&out, 1, "the endpoint denied access (HTTP 40");
        assert_eq!(server.calls().len(), 1, "{case}");
    }
}

#[test]
fn thoughts_are_not_golden_answers() {
    let dir = fresh_dir("thoughts");
    let forms = ["block", "end", "parts", "channel", "quoted", "marked"];
    write_tables(&dir, &forms);
    let server = Server::start(|call, _| match call.last() {
        "block" => Answer::reply("<think>\nLet me see.\n</think>\n\nWarm water."),
        "end" => Answer::reply("Let me see.\n</think>\n\nWarm water."),
        "parts" => completion(
            &json!({"content": [{"type": "thinking", "thinking": "Hm."},
                                {"type": "text", "text": "Warm water."}],
                    "reasoning_content": "Hm."}),
            "stop",
        ),
        "channel" => Answer::reply(
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Warm water.",
        ),
        "marked" => Answer::reply("Sure.\n<think>\nHm.\n</think>\nWarm water."),
        _ => Answer::reply("Between `<think>` and `</think>`."),
    });
    let out = collect(&dir, &online(&server, "--json"));
    // What was taken off is counted; where nobody can tell, that is said.
    let summary = succeeds(&out);
    assert_eq!(summary["thoughts_removed"], 3);
    assert_eq!(summary["doubts"]["thought"], 1);
    assert!(stderr(&out).contains("1 golden answers may contain a thought"));
    let found = by_question(&golden(&dir, "golden.parquet"));
    for form in &forms[..4] {
        assert_eq!(
            found[*form],
            ("Warm water.".into(), "reply".into()),
            "{form}"
        );
    }
    assert_eq!(found["quoted"].0, "Between `<think>` and `</think>`.");
    // The journal keeps what came.
    let journal = fs::read_to_string(dir.join(JOURNAL)).unwrap();
    assert!(journal.contains("<think>\\nLet me see."), "{journal}");
}

/// Empty and unreadable replies, until it is told otherwise.
fn faulty() -> (Server, Arc<AtomicBool>) {
    let is_well = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_well);
    let server = Server::start(move |call, _| match call.last() {
        question if seen.load(Ordering::Relaxed) => Answer::reply(question),
        "empty" => completion(&json!({"content": ""}), "stop"),
        "thought" => completion(&json!({"content": "<think>Hm"}), "length"),
        "null" => completion(
            &json!({"content": null, "reasoning_content": "Hm"}),
            "length",
        ),
        "surrogate" => raw(br"x \ud83d"),
        "bytes" => raw(b"caf\xe9"),
        "policy" => Answer::error(400, "content_filter", "no"),
        question => Answer::reply(question),
    });
    (server, is_well)
}

fn raw(content: &[u8]) -> Answer {
    let body = [
        br#"{"choices":[{"message":{"content":""#.as_slice(),
        content,
        br#""}}],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#,
    ];
    Answer::Http(200, Vec::new(), body.concat())
}

const FAULTY: &[&str] = &[
    "empty",
    "thought",
    "null",
    "surrogate",
    "bytes",
    "policy",
    "plain",
];

#[test]
fn what_was_paid_for_is_counted_and_asked_again_as_the_user_says_alone() {
    let dir = fresh_dir("again");
    write_tables(&dir, FAULTY);
    let (server, is_well) = faulty();
    let args = online(&server, "--json --requests 1");

    let out = collect(&dir, &args);

    let summary = succeeds(&out);
    let lacks = &summary["lacks"];
    assert_eq!(
        (
            &lacks["failed"],
            &lacks["empty"],
            &lacks["empty_cut"],
            &lacks["unreadable"]
        ),
        (&json!(0), &json!(3), &json!(2), &json!(2))
    );
    assert_eq!(
        (&summary["asked"]["empty"], &summary["asked"]["unreadable"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(summary["asked"]["prompt_tokens"], 60);
    let warnings = stderr(&out);
    for expected in [
        "5 of 7 golden answers are the better HH response",
        "3 replies are empty, 2 of them cut by the token limit",
        "--ask-again empty",
        "2 replies cannot be read (its text is not UTF-8",
        "--ask-again unreadable",
    ] {
        assert!(
            warnings.contains(expected),
            "expected `{expected}` in {warnings}"
        );
    }
    let rerun = |more: &str| -> Value {
        fs::remove_file(dir.join("golden.parquet")).unwrap();
        succeeds(&collect(&dir, &format!("{args} {more}")))
    };
    // Nothing is paid for twice by itself; what is still so is asked once a run.
    assert_eq!(rerun("")["asked"]["requests"], 0);
    assert_eq!(rerun("--ask-again empty")["asked"]["requests"], 3);
    is_well.store(true, Ordering::Relaxed);
    assert_eq!(rerun("--ask-again unreadable")["asked"]["requests"], 2);
    let found = by_question(&golden(&dir, "golden.parquet"));
    assert_eq!(found["bytes"].1, "reply");
    assert_eq!(found["empty"].1, "hh_chosen");
    let summary = rerun("--ask-again empty,policy");
    assert_eq!(summary["asked"]["requests"], 4);
    assert_eq!(summary["origins"]["reply"], 7);
    assert_eq!(
        rerun("--ask-again empty,unreadable")["asked"]["requests"],
        0
    );
    // An output that is there asks nothing, and says so.
    let there = collect(&dir, &format!("{args} --ask-again empty"));
    fails(
        &there,
        3,
        "no effect while golden.parquet exists; remove it",
    );
}

#[test]
fn a_run_with_only_empty_replies_fails() {
    let dir = fresh_dir("nothing");
    write_tables(&dir, &["empty", "null"]);
    let (server, _) = faulty();
    for _ in 0..2 {
        let out = collect(&dir, &online(&server, ""));
        fails(
            &out,
            1,
            "none of 2 queries got an answer: 2 replies are empty",
        );
        assert!(stderr(&out).contains("--max-tokens"));
    }
    assert_eq!(server.calls().len(), 2, "nothing is paid for twice");
}

#[test]
fn the_warning_names_the_commonest_cause_and_its_count() {
    for (case, answer, expected) in [
        (
            "too long",
            Answer::error(
                400,
                "bad_request",
                "This model's maximum context length is 64 tokens.",
            ),
            "3 requests failed, 3 of them with: the prompt is longer than the server's \
             context: HTTP 400: This model's maximum context length is 64 tokens.; use a server with a \
             longer context",
        ),
        (
            "a page",
            Answer::Http(200, Vec::new(), b"<html>Log in</html>".to_vec()),
            "3 of them with: expected a chat completion as JSON, found `<html>Log in</html>`",
        ),
        (
            "a stream",
            Answer::Http(200, Vec::new(), b"data: {}\n\ndata: [DONE]\n".to_vec()),
            "the endpoint streams its reply",
        ),
        (
            "a false label",
            Answer::Http(200, vec![("Content-Encoding", "br".into())], vec![0xff; 9]),
            "the answer is labelled as compressed with br",
        ),
        (
            "cut",
            Answer::BreaksOff,
            "the answer broke off after 11 bytes",
        ),
        (
            "chunks",
            Answer::Raw(
                b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"cho\r\n".to_vec(),
            ),
            "the answer broke off",
        ),
        (
            "HTTP/2 alone",
            Answer::Raw(
                b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff"
                    .to_vec(),
            ),
            "does not speak HTTP/1.1",
        ),
        (
            "TLS",
            Answer::Raw(b"\x15\x03\x03\0\x02\x02\x46".to_vec()),
            "does not speak HTTP/1.1",
        ),
    ] {
        let dir = fresh_dir("cause");
        write_tables(&dir, &["a", "b", "c", "plain"]);
        let server = Server::start(move |call, _| match call.last() {
            "plain" => Answer::reply("Warm water."),
            _ => answer.clone(),
        });
        let args = online(&server, "--requests 1").replace("--attempts 3", "--attempts 1");
        let out = collect(&dir, &args);
        succeeds(&out);
        let warnings = stderr(&out);
        assert!(warnings.contains(expected), "{case}: {warnings}");
        assert!(warnings.contains("3 requests failed"), "{case}: {warnings}");
    }
}

#[test]
fn a_redirect_names_its_target_and_sends_nothing_there() {
    let elsewhere = Server::start(|_, _| Answer::reply("stolen"));
    let there = format!("{}/chat/completions", elsewhere.url);
    for status in [301, 302, 303, 307, 308] {
        let dir = fresh_dir("moved");
        write_tables(&dir, &["a", "b"]);
        let location = there.clone();
        let server =
            Server::start(move |_, _| Answer::error(status, "", "").with("Location", &location));
        let out = collect(&dir, &online(&server, "--requests 1"));
        fails(&out, 1, &there);
        assert_eq!(server.calls().len(), 1);
    }
    assert_eq!(elsewhere.calls().len(), 0);
}

fn flip(path: &Path, line: usize) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[line - 1] = lines[line - 1].replacen("Warm", "Harm", 1);
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_damaged_line_of_the_journal_is_reported_and_only_its_query_asked_again() {
    let dir = fresh_dir("damaged");
    write_tables(&dir, &["a", "b", "c"]);
    let server = Server::start(|_, _| Answer::reply("Warm water."));
    let args = online(&server, "--requests 1 --json");
    succeeds(&collect(&dir, &args));
    fs::remove_file(dir.join("golden.parquet")).unwrap();
    flip(&dir.join(JOURNAL), 3);

    // A replay cannot ask: it names what it lacks.
    let replay = format!("{TABLES} --from-journal {JOURNAL} --model m --out golden.parquet");
    let out = collect(&dir, &replay);
    fails(&out, 3, "no entry for 1 of 3 queries");
    assert!(stderr(&out).contains(&format!("{JOURNAL}, line 3: ")));

    let out = collect(&dir, &args);
    let summary = succeeds(&out);
    assert_eq!(summary["asked"]["requests"], 1);
    assert!(stderr(&out).contains(&format!(
        "{JOURNAL}, line 3: its checksum does not match its text"
    )));
    let rows = golden(&dir, "golden.parquet");
    assert!(rows.iter().all(|row| row.response == "Warm water."));
    succeeds(&collect(
        &dir,
        &replay.replace("--out golden", "--out again"),
    ));
}
