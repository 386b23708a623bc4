//! Servers that keep to HTTP in unusual ways, or not at all: each ends in bounded
//! time and memory, and the message says what it did.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod loopback;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apo_endpoint::{
    Client, Endpoint, EndpointError, Journal, Message, Outcome, Request, Role, Settings,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use loopback::{Answer, Server};
use serde_json::json;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

fn reply() -> String {
    let message = json!({"role": "assistant", "content": "Warm water."});
    json!({"choices": [{"message": message, "finish_reason": "stop"}]}).to_string()
}

/// Returns what comes of asking a server once, with two attempts and a journal of
/// its own.
fn asked(server: &Server) -> Result<Outcome, EndpointError> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wire-{number}"));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    let settings = Settings {
        timeout: Duration::from_millis(700),
        first_pause: Duration::from_millis(2),
        attempts: 2,
        ..Settings::new(&server.url)
    };
    let journal = Journal::open(&dir.join("journal.jsonl")).unwrap();
    let endpoint = Endpoint::online(Client::new(settings, None).unwrap(), journal, 20);
    let request = Request::new("m", vec![Message::new(Role::User, "How?")]);
    endpoint.ask(&request, &|| false)
}

fn replies(case: &str, answer: Answer) {
    let server = Server::start(move |_, _| answer.clone());
    match asked(&server).unwrap() {
        Outcome::Reply(reply) => assert_eq!(reply.content, "Warm water.", "{case}"),
        other => panic!("{case}: {other:?}"),
    }
    assert_eq!(server.calls().len(), 1, "{case}: paid for once");
}

/// Asks a server in vain; it must come back within a few seconds.
fn fails(case: &str, answer: Answer, expected: &str) {
    let server = Server::start(move |_, _| answer.clone());
    let started = Instant::now();
    let found = asked(&server);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{case}: {took:?}");
    let message = match found {
        Ok(Outcome::Failed(failure)) => failure.message,
        Err(error) => error.to_string(),
        Ok(other) => panic!("{case}: {other:?}"),
    };
    assert!(message.contains(expected), "{case}: {message}");
    assert!(message.chars().count() < 700, "{case}: {message}");
    assert!(!message.contains(char::is_control), "{case}: {message:?}");
}

#[test]
fn unusual_but_whole_answers_are_replies() {
    let reply = reply();
    let length = reply.len();
    let (half, rest) = reply.split_at(length / 2);
    let sized = format!("{HEAD}Content-Length: {length}\r\nConnection: close\r\n\r\n{reply}");
    let raw = |text: String| Answer::Raw(text.into_bytes());
    for (case, answer) in [
        (
            "HTTP/1.0 without a length",
            raw(format!("HTTP/1.0 200 OK\r\n\r\n{reply}")),
        ),
        (
            "no length",
            raw(format!("{HEAD}Connection: close\r\n\r\n{reply}")),
        ),
        (
            "chunks with extensions and trailers",
            raw(format!(
                "{HEAD}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{:x}\r\n{half}\r\n\
                 {:x};a=b\r\n{rest}\r\n0\r\nX-Sum: 7\r\n\r\n",
                half.len(),
                rest.len()
            )),
        ),
        (
            "100 Continue",
            raw(format!("HTTP/1.1 100 Continue\r\n\r\n{sized}")),
        ),
        (
            "103 Early Hints",
            raw(format!(
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{sized}"
            )),
        ),
        (
            "no length, and the connection stays open",
            Answer::Hangs(format!("{HEAD}\r\n{reply}").into_bytes()),
        ),
        (
            "no last chunk",
            raw(format!(
                "{HEAD}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{reply}\r\n"
            )),
        ),
        (
            "a length that is too large",
            raw(format!(
                "{HEAD}Content-Length: {}\r\n\r\n{reply}",
                length + 9
            )),
        ),
        (
            "a pause asked for beside a reply",
            raw(sized.replacen("\r\n", "\r\nRetry-After: 999999\r\n", 1)),
        ),
    ] {
        replies(case, answer);
    }
}

#[test]
fn a_slow_drip_ends_with_the_time_of_an_attempt() {
    let pause = Duration::from_millis(20);
    let drip = |first: &str, piece: &str| Answer::Drip(first.into(), piece.into(), pause);
    let whole = "no whole answer within 0.7 s";
    for (case, answer) in [
        ("a status line", drip("HTTP/1.1 2", "0")),
        ("a header", drip("HTTP/1.1 200 OK\r\nX: ", "x")),
        ("headers", drip("HTTP/1.1 200 OK\r\n", "X: x\r\n")),
        ("interim answers", drip("", "HTTP/1.1 100 Continue\r\n\r\n")),
        (
            "a body",
            drip(&format!("{HEAD}Content-Length: 9999\r\n\r\n"), " "),
        ),
        (
            "chunks",
            drip(
                &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"),
                "1\r\n \r\n",
            ),
        ),
        (
            "an error's body",
            drip("HTTP/1.1 500 X\r\nContent-Length: 9999\r\n\r\n", " "),
        ),
    ] {
        // A status line counts only once it has ended.
        let expected = if case == "a status line" { "" } else { whole };
        fails(case, answer, expected);
    }
}

#[test]
fn what_is_too_large_is_left_where_it_is() {
    let at_once = |first: &str, piece: Vec<u8>| Answer::Drip(first.into(), piece, Duration::ZERO);
    let x = vec![b'x'; 1 << 16];
    for (case, answer, expected) in [
        (
            "a body without an end",
            at_once(&format!("{HEAD}\r\n{{\"choices\":\""), x.clone()),
            "larger than 4194304 bytes",
        ),
        (
            "JSON of 200 MB by its length",
            at_once(
                &format!("{HEAD}Content-Length: 209715200\r\n\r\n\""),
                x.clone(),
            ),
            "larger than 4194304 bytes",
        ),
        (
            "blanks behind a reply",
            at_once(
                &format!("{HEAD}Content-Length: 209715200\r\n\r\n{}", reply()),
                vec![b' '; 1 << 16],
            ),
            "larger than 4194304 bytes",
        ),
        (
            "a header",
            at_once("HTTP/1.1 200 OK\r\nX: ", x.clone()),
            "header is too big",
        ),
        (
            "headers",
            at_once("HTTP/1.1 200 OK\r\n", b"X-Some: header\r\n".repeat(100)),
            "header",
        ),
        (
            "a chunk's extension",
            at_once(&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n1;"), x),
            "broke off",
        ),
    ] {
        fails(case, answer, expected);
    }
}

#[test]
fn a_bomb_does_not_go_off() {
    let blanks = vec![b' '; 1 << 20];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mut zstd = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..200 {
        gzip.write_all(&blanks).unwrap();
        zstd.write_all(&blanks).unwrap();
    }
    let gzip = gzip.finish().unwrap();
    let zstd = zstd.finish().unwrap();
    let mut twice = GzEncoder::new(Vec::new(), Compression::best());
    twice.write_all(&gzip).unwrap();
    let twice = twice.finish().unwrap();
    for (label, body) in [
        ("gzip", gzip.clone()),
        ("zstd", zstd),
        ("gzip, gzip", twice),
        ("identity", gzip),
    ] {
        assert!(body.len() < 1 << 20, "{label} is small as it is sent");
        let answer = Answer::Http(200, vec![("Content-Encoding", label.to_owned())], body);
        fails(label, answer, "larger than 4194304 bytes");
    }
}

#[test]
fn a_broken_answer_is_named_for_what_it_is() {
    let reply = reply();
    let half = &reply[..reply.len() / 2];
    let raw = |text: String| Answer::Raw(text.into_bytes());
    for (case, answer, expected) in [
        (
            "nothing",
            Answer::Silence(Duration::ZERO),
            "the connection was closed",
        ),
        (
            "half a body",
            raw(format!("{HEAD}Content-Length: 500\r\n\r\n{half}")),
            "broke off after 46 bytes: the connection was closed",
        ),
        (
            "half a chunk",
            raw(format!(
                "{HEAD}Transfer-Encoding: chunked\r\n\r\nfff\r\n{half}"
            )),
            "broke off after 46 bytes",
        ),
        (
            "a chunk of no length",
            raw(format!(
                "{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{reply}"
            )),
            "chunk length cannot be read",
        ),
        (
            "a negative length",
            raw(format!("{HEAD}Content-Length: -1\r\n\r\n{reply}")),
            "content-length",
        ),
        (
            "two lengths",
            raw(format!(
                "{HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{reply}"
            )),
            "content-length",
        ),
        (
            "no content",
            raw("HTTP/1.1 204 No Content\r\n\r\n".into()),
            "found nothing",
        ),
        (
            "another protocol",
            raw("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n".into()),
            "HTTP 101",
        ),
        (
            "no HTTP",
            raw("SSH-2.0-OpenSSH_9.6\r\n".into()),
            "does not speak HTTP/1.1",
        ),
        (
            "escapes in an error",
            Answer::Http(
                400,
                vec![],
                b"\x1b[31mred\x1b]0;t\x07\0\xc2\x9b31m".to_vec(),
            ),
            "HTTP 400: [31mred",
        ),
        (
            "escapes in a status line",
            raw("HTTP/1.1 400 \x1b[31mred\r\nContent-Length: 0\r\n\r\n".into()),
            "invalid response status",
        ),
        (
            "lists without an end",
            Answer::Http(200, vec![], vec![b'['; 1 << 20]),
            "expected a chat completion",
        ),
    ] {
        fails(case, answer, expected);
    }
}

#[test]
fn a_redirect_to_itself_is_followed_nowhere() {
    let server = Server::start(|call, _| {
        Answer::Http(307, vec![("Location", call.path.clone())], Vec::new())
    });
    let error = asked(&server).unwrap_err().to_string();
    assert!(error.contains("/v1/chat/completions"), "{error}");
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn no_pause_that_a_server_asks_for_is_waited_for_ever() {
    for (value, stops) in [
        ("99999999999999999999", true),
        ("1e400", true),
        ("1000000", true),
        ("Fri, 31 Dec 9999 23:59:59 GMT", true),
        ("Thu, 31 Dec 2099 23:59:59 GMT", true),
        ("-5", false),
        ("0", false),
        ("nan", false),
        ("soon", false),
        ("Sun, 06 Nov 1994 08:49:37 GMT", false),
    ] {
        let server = Server::start(move |_, _| {
            Answer::error(429, "slow", "slow down").with("Retry-After", value)
        });
        let started = Instant::now();
        let found = asked(&server);
        assert!(started.elapsed() < Duration::from_secs(5), "{value}");
        let is_stopped = matches!(found, Err(EndpointError::LongPause { .. }));
        assert_eq!(is_stopped, stops, "{value}: {found:?}");
    }
}

#[test]
fn an_ipv6_address_is_asked() {
    let server = Server::start_at("[::1]:0", |_, _| Answer::reply("Warm water."));
    assert!(server.url.starts_with("http://[::1]:"), "{}", server.url);
    assert!(matches!(asked(&server), Ok(Outcome::Reply(_))));
}
