//! The endpoint against a server on this machine: what is asked how often,
//! what is paid for, what is kept.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod loopback;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apo_endpoint::{
    Choice, Client, Endpoint, EndpointError, Journal, Key, Message, Outcome, OutcomeKind, Request,
    Role, Settings, TextRequest, at_once,
};
use loopback::{Answer, Server};
use serde_json::json;

const KEY: &str = "sk-0123456789abcdefghij";

/// Returns the journal's place in an empty folder of this test's own.
fn fresh(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("endpoint-{test}"));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir.join("journal.jsonl")
}

fn settings(url: &str) -> Settings {
    Settings {
        timeout: Duration::from_secs(5),
        first_pause: Duration::from_millis(2),
        attempts: 3,
        ..Settings::new(url)
    }
}

fn endpoint(settings: Settings, journal: &Path) -> Endpoint {
    let client = Client::new(settings, Key::new(KEY).unwrap()).unwrap();
    Endpoint::online(client, Journal::open(journal).unwrap(), 20)
}

fn request(text: &str) -> Request {
    let system = Message::new(Role::System, "Be brief.");
    Request::new("m", vec![system, Message::new(Role::User, text)])
}

fn ask(endpoint: &Endpoint, text: &str) -> Result<Outcome, EndpointError> {
    endpoint.ask(&request(text), &|| false)
}

fn content(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Reply(reply) => &reply.content,
        other => panic!("expected a reply, found {other:?}"),
    }
}

fn failure(outcome: &Outcome) -> (&str, u32) {
    match outcome {
        Outcome::Failed(failure) => (&failure.message, failure.attempts),
        other => panic!("expected a failure, found {other:?}"),
    }
}

#[test]
fn the_request_is_what_the_api_documents() {
    let server = Server::start(|_, _| Answer::reply("Hello."));
    let endpoint = endpoint(settings(&server.url), &fresh("request"));

    assert_eq!(content(&ask(&endpoint, "hi").unwrap()), "Hello.");

    let call = &server.calls()[0];
    assert_eq!(call.path, "/v1/chat/completions");
    assert_eq!(
        call.header("authorization"),
        Some(&*format!("Bearer {KEY}"))
    );
    assert_eq!(call.header("content-type"), Some("application/json"));
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]);
    assert_eq!(call.body, json!({"model": "m", "messages": messages}));
    let counts = endpoint.counts();
    assert_eq!((counts.requests, counts.attempts), (1, 1));
    assert_eq!((counts.prompt_tokens, counts.completion_tokens), (10, 5));
}

#[test]
fn replies_without_token_counts_are_counted() {
    let server = Server::start(|call, _| match call.last() {
        "bad" => Answer::error(400, "content_filter", "filtered"),
        text => Answer::json(200, &json!({"choices": [{"message": {"content": text}}]})),
    });
    let endpoint = endpoint(settings(&server.url), &fresh("untold"));
    for text in ["a", "b", "bad"] {
        ask(&endpoint, text).unwrap();
    }
    assert_eq!(endpoint.counts().without_usage, 2);
}

#[test]
fn without_a_key_none_is_sent() {
    let server = Server::start(|_, _| Answer::reply("Hello."));
    let client = Client::new(settings(&server.url), None).unwrap();
    let journal = Journal::open(&fresh("keyless")).unwrap();
    let endpoint = Endpoint::online(client, journal, 20);
    ask(&endpoint, "hi").unwrap();
    assert_eq!(server.calls()[0].header("authorization"), None);
}

#[test]
fn nothing_is_paid_for_twice_by_this_run_or_the_next() {
    let path = fresh("once");
    let server = Server::start(|call, _| match call.last() {
        "bad" => Answer::error(400, "content_filter", "filtered"),
        text => Answer::reply(&text.to_uppercase()),
    });
    for _ in 0..2 {
        let endpoint = endpoint(settings(&server.url), &path);
        for _ in 0..2 {
            assert_eq!(content(&ask(&endpoint, "a").unwrap()), "A");
            assert!(matches!(ask(&endpoint, "bad").unwrap(), Outcome::Policy(_)));
        }
    }
    assert_eq!(server.calls().len(), 2);
    // And a replay gives the same without a server.
    let replay = Endpoint::replay(Journal::read(&path).unwrap());
    assert_eq!(content(&ask(&replay, "a").unwrap()), "A");
    assert!(matches!(
        ask(&replay, "b"),
        Err(EndpointError::NotInJournal { .. })
    ));
}

#[test]
fn equal_requests_at_once_are_sent_once() {
    let server = Server::start(|_, _| {
        Answer::After(Duration::from_millis(50), Box::new(Answer::reply("Hello.")))
    });
    let endpoint = endpoint(settings(&server.url), &fresh("equal"));
    at_once(8, (0..8).map(Ok::<_, EndpointError>), |_| {
        assert_eq!(content(&ask(&endpoint, "hi")?), "Hello.");
        Ok(())
    })
    .unwrap();
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let broken = Answer::Http(500, Vec::new(), b"<html>oops</html>".to_vec());
    let streamed = Answer::Http(
        200,
        vec![("Content-Type", "text/event-stream; charset=utf-8".into())],
        b"data: {}\n\n".to_vec(),
    );
    for (case, first, n_calls, fails) in [
        ("500", broken, 2, None),
        ("502", Answer::error(502, "bad_gateway", "gone"), 2, None),
        (
            "429",
            Answer::error(429, "rate_limit_exceeded", "slow down"),
            2,
            None,
        ),
        ("408", Answer::error(408, "timeout", "late"), 2, None),
        ("breaks off", Answer::BreaksOff, 2, None),
        ("hangs up", Answer::Silence(Duration::ZERO), 2, None),
        (
            "400",
            Answer::error(400, "bad_request", "no"),
            1,
            Some("HTTP 400: no"),
        ),
        (
            "422",
            Answer::error(422, "invalid", "no"),
            1,
            Some("HTTP 422: no"),
        ),
        ("streams", streamed, 1, Some("streams its reply")),
        (
            "html",
            Answer::Http(200, Vec::new(), b"<p>".to_vec()),
            1,
            Some("found `<p>`"),
        ),
        (
            "endless",
            Answer::Endless,
            1,
            Some("larger than 65536 bytes"),
        ),
        (
            "large",
            Answer::reply(&"x".repeat(70_000)),
            1,
            Some("larger than 65536 bytes"),
        ),
    ] {
        let server = Server::start(move |_, before| match before {
            0 => first.clone(),
            _ => Answer::reply("Hello."),
        });
        let settings = Settings {
            most_bytes: 1 << 16,
            ..settings(&server.url)
        };
        let endpoint = endpoint(settings, &fresh("passes"));
        let outcome = ask(&endpoint, "hi").unwrap();
        match fails {
            None => assert_eq!(content(&outcome), "Hello.", "{case}"),
            Some(expected) => {
                let (message, attempts) = failure(&outcome);
                assert!(message.contains(expected), "{case}: {message}");
                assert_eq!(attempts, 1, "{case}");
            }
        }
        assert_eq!(server.calls().len(), n_calls, "{case}");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start(|_, _| Answer::Silence(Duration::from_secs(30)));
    let settings = Settings {
        timeout: Duration::from_millis(100),
        attempts: 2,
        ..settings(&server.url)
    };
    let endpoint = endpoint(settings, &fresh("silent"));
    let outcome = ask(&endpoint, "hi").unwrap();
    let (message, attempts) = failure(&outcome);
    assert!(
        message.contains("no whole answer within 0.1 s"),
        "{message}"
    );
    assert_eq!((attempts, server.calls().len()), (2, 2));
}

#[test]
fn the_next_run_asks_a_failed_request_again() {
    let path = fresh("again");
    let is_up = AtomicBool::new(false);
    let server = Server::start(move |_, before| {
        is_up.store(before >= 3, Ordering::Relaxed);
        if is_up.load(Ordering::Relaxed) {
            Answer::reply("Hello.")
        } else {
            Answer::error(503, "overloaded", "busy")
        }
    });
    {
        let endpoint = endpoint(settings(&server.url), &path);
        assert_eq!(
            failure(&ask(&endpoint, "hi").unwrap()),
            ("HTTP 503: busy", 3)
        );
        assert_eq!(endpoint.counts().failed, 1);
    }
    let replay = Endpoint::replay(Journal::read(&path).unwrap());
    assert_eq!(failure(&ask(&replay, "hi").unwrap()), ("HTTP 503: busy", 3));
    let endpoint = endpoint(settings(&server.url), &path);
    assert_eq!(content(&ask(&endpoint, "hi").unwrap()), "Hello.");
}

#[test]
fn a_pause_that_the_server_asks_for_holds_for_everyone() {
    let server = Server::start(|_, before| match before {
        0 => Answer::error(429, "rate_limit_exceeded", "slow down").with("Retry-After", "1"),
        _ => Answer::reply("Hello."),
    });
    let endpoint = endpoint(settings(&server.url), &fresh("pause"));
    // The second request begins after the first was refused.
    let begun = AtomicUsize::new(0);
    at_once(2, (0..2).map(Ok::<_, EndpointError>), |item| {
        if begun.fetch_add(1, Ordering::Relaxed) > 0 {
            while server.calls().is_empty() || endpoint.counts().attempts == 0 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        ask(&endpoint, &format!("hi {item}")).map(|_| ())
    })
    .unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 3);
    for call in &calls[1..] {
        let waited = call.at - calls[0].at;
        assert!(
            waited >= Duration::from_secs(1),
            "asked again after {waited:?}"
        );
    }
}

#[test]
fn a_pause_longer_than_is_waited_stops_everything() {
    let server = Server::start(|_, _| {
        Answer::error(429, "rate_limit_exceeded", "slow down").with("Retry-After", "86400")
    });
    let endpoint = endpoint(settings(&server.url), &fresh("long-pause"));
    let error = ask(&endpoint, "hi").unwrap_err();
    assert!(matches!(error, EndpointError::LongPause { .. }), "{error}");
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn what_would_meet_every_request_stops_everything() {
    for (case, answer, expected) in [
        (
            "401",
            Answer::error(401, "invalid_api_key", KEY),
            "OPENAI_API_KEY",
        ),
        (
            "403",
            Answer::error(403, "forbidden", KEY),
            "OPENAI_API_KEY",
        ),
        (
            "404",
            Answer::error(404, "model_not_found", "no model `m`"),
            "HTTP 404: no model `m`",
        ),
        (
            "quota",
            Answer::error(429, "insufficient_quota", "pay"),
            "HTTP 429: pay",
        ),
        (
            "redirect",
            Answer::error(307, "", "").with("Location", "http://a.invalid"),
            "redirects",
        ),
    ] {
        let server = Server::start(move |_, _| answer.clone());
        let path = fresh("stops");
        let endpoint = endpoint(settings(&server.url), &path);
        let error = ask(&endpoint, "hi").unwrap_err().to_string();
        assert!(error.contains(expected), "{case}: {error}");
        assert!(!error.contains(KEY), "{case}: {error}");
        assert_eq!(server.calls().len(), 1, "{case}");
        assert_eq!(fs::read(&path).unwrap(), b"", "{case}: an outcome was kept");
    }
}

#[test]
fn failure_after_failure_stops_everything() {
    let server = Server::start(|_, _| Answer::error(500, "broken", "oops"));
    let client = Client::new(settings(&server.url), None).unwrap();
    let endpoint = Endpoint::online(client, Journal::open(&fresh("row")).unwrap(), 2);
    assert_eq!(failure(&ask(&endpoint, "a").unwrap()).1, 3);
    let error = ask(&endpoint, "b").unwrap_err();
    assert!(
        matches!(error, EndpointError::NoReplies { n: 2, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("HTTP 500: oops"), "{error}");
}

#[test]
fn an_unreachable_server_fails_after_all_attempts() {
    // Bound and dropped: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let endpoint = endpoint(settings(&url), &fresh("unreachable"));
    assert_eq!(failure(&ask(&endpoint, "hi").unwrap()).1, 3);
}

#[test]
fn a_stop_ends_the_waiting_between_attempts() {
    let server =
        Server::start(|_, _| Answer::error(503, "overloaded", "busy").with("Retry-After", "60"));
    let endpoint = endpoint(settings(&server.url), &fresh("stop"));
    let stops = || !server.calls().is_empty();
    let error = endpoint.ask(&request("hi"), &stops).unwrap_err();
    assert!(matches!(error, EndpointError::Stopped), "{error}");
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn a_stop_ends_the_waiting_for_a_silent_server_and_keeps_what_comes() {
    let server = Server::start(|call, _| match call.last() {
        "soon" => Answer::After(Duration::from_millis(20), Box::new(Answer::reply("Hello."))),
        _ => Answer::Silence(Duration::from_mins(1)),
    });
    let path = fresh("stopped");
    let endpoint = endpoint(
        Settings {
            timeout: Duration::from_mins(1),
            ..settings(&server.url)
        },
        &path,
    );
    let stops = || !server.calls().is_empty();
    let since = Instant::now();
    let error = endpoint.ask(&request("hi"), &stops).unwrap_err();
    assert!(matches!(error, EndpointError::Stopped), "{error}");
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "{:?}",
        since.elapsed()
    );
    // What comes within a moment is paid for, and kept.
    let stops = || server.calls().len() > 1;
    assert_eq!(
        content(&endpoint.ask(&request("soon"), &stops).unwrap()),
        "Hello."
    );
    drop(endpoint);
    assert_eq!(Journal::read(&path).unwrap().n_requests(), 1);
}

#[test]
fn a_key_that_the_server_echoes_is_kept_nowhere() {
    for (case, answer) in [
        ("reply", Answer::reply(&format!("your key is {KEY}"))),
        ("finish", Answer::finished("x", KEY)),
        (
            "error",
            Answer::error(422, KEY, &format!("Incorrect key {KEY}")),
        ),
        (
            "policy",
            Answer::error(400, &format!("content_filter {KEY}"), KEY),
        ),
        ("busy", Answer::error(503, KEY, KEY)),
        (
            "cut",
            Answer::error(422, "x", &format!("{} {KEY}", "y".repeat(290))),
        ),
        (
            "garbage",
            Answer::Http(200, Vec::new(), format!("<p>{KEY}").into_bytes()),
        ),
    ] {
        let server = Server::start(move |_, _| answer.clone());
        let path = fresh("echo");
        let endpoint = endpoint(settings(&server.url), &path);
        let outcome = ask(&endpoint, "hi").unwrap();
        let shown = format!("{outcome:?} {endpoint:?}");
        assert!(!shown.contains(&KEY[..10]), "{case}: {outcome:?}");
        let journal = fs::read_to_string(&path).unwrap();
        assert!(!journal.is_empty(), "{case}");
        assert!(!journal.contains(&KEY[..10]), "{case}: {journal}");
    }
}

#[test]
fn what_a_crash_left_unanswered_is_asked_again_and_no_more() {
    let path = fresh("crash");
    let server = Server::start(|call, _| Answer::reply(call.last()));
    {
        let endpoint = endpoint(settings(&server.url), &path);
        for text in ["a", "b", "c"] {
            ask(&endpoint, text).unwrap();
        }
    }
    // The last line was being written when the power went.
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 20);
    fs::write(&path, bytes).unwrap();
    let endpoint = endpoint(settings(&server.url), &path);
    for text in ["a", "b", "c"] {
        assert_eq!(content(&ask(&endpoint, text).unwrap()), text);
    }
    let asked: Vec<_> = server
        .calls()
        .iter()
        .map(|call| call.last().to_owned())
        .collect();
    assert_eq!(asked, ["a", "b", "c", "c"]);
}

#[test]
fn compressed_replies_are_read_whatever_their_label() {
    let Answer::Http(_, _, plain) = Answer::reply("Hello.") else {
        panic!("a reply is an answer over HTTP");
    };
    let gzip = |bytes: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    };
    let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for (case, label, body) in [
        ("gzip", Some("gzip"), gzip(&plain)),
        ("zstd", Some("zstd"), zstd.clone()),
        ("unlabelled", None, gzip(&plain)),
        ("not at all", Some("gzip"), plain.clone()),
        ("not at all, too", Some("br"), plain.clone()),
        ("another", Some("deflate"), zstd),
        ("twice", Some("gzip, gzip"), gzip(&gzip(&plain))),
    ] {
        let headers = label.map(|label| ("Content-Encoding", label.to_owned()));
        let answer = Answer::Http(200, headers.into_iter().collect(), body);
        let server = Server::start(move |_, _| answer.clone());
        let endpoint = endpoint(settings(&server.url), &fresh("compressed"));
        assert_eq!(content(&ask(&endpoint, "hi").unwrap()), "Hello.", "{case}");
        let call = &server.calls()[0];
        assert_eq!(call.header("accept-encoding"), Some("identity"));
    }
    let bomb = Answer::Http(
        200,
        vec![("Content-Encoding", "gzip".into())],
        gzip(&vec![b' '; 1 << 20]),
    );
    let server = Server::start(move |_, _| bomb.clone());
    let settings = Settings {
        most_bytes: 1 << 16,
        ..settings(&server.url)
    };
    let endpoint = endpoint(settings, &fresh("bomb"));
    let outcome = ask(&endpoint, "hi").unwrap();
    assert_eq!(
        failure(&outcome),
        ("the answer is larger than 65536 bytes", 1)
    );
}

#[test]
fn a_reply_that_cannot_be_read_is_kept_and_not_paid_for_again() {
    let path = fresh("unreadable");
    let body = b"{\"choices\":[{\"message\":{\"content\":\"caf\xe9\"}}]}".to_vec();
    let server = Server::start(move |_, before| match before {
        0 => Answer::Http(200, Vec::new(), body.clone()),
        _ => Answer::reply("coffee"),
    });
    for _ in 0..2 {
        let endpoint = endpoint(settings(&server.url), &path);
        let outcome = ask(&endpoint, "hi").unwrap();
        assert_eq!(outcome.kind(), OutcomeKind::Unreadable);
        assert_eq!(server.calls().len(), 1);
    }
    let endpoint = endpoint(settings(&server.url), &path).asking_again(&[OutcomeKind::Unreadable]);
    for _ in 0..2 {
        assert_eq!(content(&ask(&endpoint, "hi").unwrap()), "coffee");
        assert_eq!(server.calls().len(), 2);
    }
}

fn text_request(weights: &str) -> TextRequest {
    TextRequest {
        model: "m".into(),
        weights: weights.into(),
        prompt: vec![5, 6],
        n: 1,
        max_tokens: 4,
        choice: Choice {
            temperature: 1.0,
            top_k: None,
            top_p: 1.0,
            repetition_penalty: 1.0,
        },
        seed: 9,
        stop: Vec::new(),
        stop_ids: vec![0],
    }
}

#[test]
fn texts_are_asked_at_their_own_address_and_once_for_each_model() {
    let server = Server::start(|_, _| {
        Answer::json(
            200,
            &json!({"model": "m", "choices": [{"text": " a", "finish_reason": "stop",
                "token_ids": [7, 0], "logprobs": {"token_logprobs": [-0.5, -0.25]}}]}),
        )
    });
    let journal = fresh("texts");
    for _ in 0..2 {
        let endpoint = endpoint(settings(&server.url), &journal);
        let outcome = endpoint.ask(&text_request("1"), &|| false).unwrap();
        let Outcome::Reply(reply) = outcome else {
            panic!("expected texts, found {outcome:?}");
        };
        assert_eq!(reply.drawn[0].ids, Some(vec![7, 0]));
        assert_eq!(reply.drawn[0].log_probs, Some(vec![-0.5, -0.25]));
    }
    let calls = server.calls();
    assert_eq!(calls.len(), 1, "the journal answers the second time");
    assert_eq!(calls[0].path, "/v1/completions");
    assert_eq!(calls[0].body["prompt"], json!([5, 6]));
    // Another model of that name is asked.
    let endpoint = endpoint(settings(&server.url), &journal);
    endpoint.ask(&text_request("2"), &|| false).unwrap();
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn what_no_request_for_texts_would_get_stops_at_once_and_is_not_kept() {
    let fewer = json!({"model": "m", "choices": []});
    for (answer, expected) in [
        (
            Answer::error(400, "bad", "prompt must be a string"),
            "HTTP 400",
        ),
        (
            Answer::json(404, &json!({"detail": "Not Found"})),
            "HTTP 404",
        ),
        (Answer::json(200, &fewer), "expected 1"),
    ] {
        let server = Server::start(move |_, _| answer.clone());
        let journal = fresh("texts-refused");
        let endpoint = endpoint(settings(&server.url), &journal);
        let error = endpoint.ask(&text_request("1"), &|| false).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(server.calls().len(), 1);
        assert_eq!(endpoint.journal().n_requests(), 0);
    }
}
